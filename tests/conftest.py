"""What all tests share: data sets, and the same examples of hypothesis in every run."""

import os

import pytest
from hypothesis import settings
from joblib.externals.loky import reusable_executor

from skcfq.datasets import fetch_adult, make_recourse_classification
from skcfq.datasets._files import ENVIRONMENT_VARIABLE

# Of several test processes, each computes on one core; set before they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run, so that a failure is one of the change at hand; others are drawn
# with --hypothesis-profile=random. Time per example depends on the machine's load.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None)
settings.load_profile("same")


@pytest.fixture(scope="session")
def credit():
    """600 people of the synthetic credit data, the decision without noise."""
    return make_recourse_classification(n_samples=600, noise=0.0, random_state=0)


@pytest.fixture(scope="session")
def adult():
    """The Adult data; without the published files a test is skipped."""
    if not os.environ.get(ENVIRONMENT_VARIABLE):
        pytest.skip(f"needs the published data files: set {ENVIRONMENT_VARIABLE} to their folder")
    return fetch_adult()


@pytest.fixture(scope="module", autouse=True)
def no_idle_workers():
    """Joblib's processes end with the file: those that idle for minutes can end while they get work."""
    yield
    if reusable_executor._executor is not None:
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)
