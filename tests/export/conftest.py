"""Small classifiers of every width, weights only and with quantized activations."""

import functools
import os

import numpy as np
import pandas as pd
import pytest
import torch

from skcfq import FullPrecisionClassifier, QATClassifier, RecourseSensitivity, datasets
from skcfq.datasets._files import ENVIRONMENT_VARIABLE
from skcfq.export import export_packed

from .c_driver import raw_doubles

UNITS = "per output and input, activations per unit"

#: Widths of the weights and of the activations; several widths are chosen per layer or per output.
SCHEMES = {
    "ternary": (1.58, None),
    "2 bits": (2, None),
    "3 bits": (3, None),
    "4 bits": (4, None),
    "8 bits": (8, None),
    "mixed": ((1.58, 2, 4, 8), None),
    "ternary, 2-bit activations": (1.58, 2),
    "3 bits, 3-bit activations": (3, 3),
    "4 bits, 4-bit activations": (4, 4),
    "5 bits, 8-bit activations": (5, 8),
    "mixed, 8-bit activations": ((2, 3, 4, 8), 8),
    "per output": ((1.58, 2, 3, 4, 5, 8), None),
    "per output, 4-bit activations": ((1.58, 2, 4, 6), 4),
    "per output and input": ((1.58, 2, 3, 4, 5, 8), None),
    UNITS: ((1.58, 2, 4, 6), "auto"),
}


def allocation(scheme):
    if "per output" not in scheme:
        return None
    return RecourseSensitivity(per_channel=True, per_input="input" in scheme)


def activation_budget(scheme):
    return 4 if SCHEMES[scheme][1] == "auto" else None


@pytest.fixture(scope="session")
def teacher(credit):
    teacher = FullPrecisionClassifier((16, 8), max_epochs=20, lr=5e-3, random_state=0)
    return teacher.fit(credit.data, credit.target)


@pytest.fixture(scope="session")
def classifier(credit, teacher):
    """Fitted quantized classifiers of the credit data by the name of their scheme."""

    @functools.cache
    def build(scheme):
        bits, activation_bits = SCHEMES[scheme]
        return QATClassifier(
            (16, 8), teacher=teacher, bits=bits, bit_budget=8 if isinstance(bits, int | float) else 4.5,
            activation_bits=activation_bits, activation_budget=activation_budget(scheme),
            actions=credit.actions, target="granted", allocation=allocation(scheme),
            max_epochs=2, random_state=0,
        ).fit(credit.data, credit.target)  # fmt: skip

    return build


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


FETCHERS = ("adult", "german_credit", "compas", "bank_marketing", "credit_default")


class Published:
    """A published data set, its test rows, and quantized classifiers of every scheme.

    They are trained briefly on few rows: how well they decide does not matter here.
    """

    def __init__(self, name):
        self.data = getattr(datasets, f"fetch_{name}")()
        frame, labels = self.data.data, self.data.target
        n = len(frame)
        train = getattr(self.data, "train_index", None)
        train = np.arange(0, n, 2) if train is None else np.asarray(train)
        self.test = frame.iloc[np.setdiff1d(np.arange(n), train)]
        # Every category is seen.
        words = [column for column in frame if frame[column].nunique() < 100]
        firsts = [np.flatnonzero(~frame.duplicated(column)) for column in words]
        some = np.random.default_rng(0).choice(train, min(600, len(train)), replace=False)
        self.rows = np.unique(np.concatenate([some, *firsts]))
        self.X, self.y = frame.iloc[self.rows], labels.iloc[self.rows]
        self.teacher = FullPrecisionClassifier((128, 64), max_epochs=3, random_state=0)
        self.teacher.fit(self.X, self.y)

    @functools.cache  # noqa: B019  # kept as long as the session
    def classifier(self, scheme):
        bits, activation_bits = SCHEMES[scheme]
        return QATClassifier(
            (128, 64), teacher=self.teacher, bits=bits, activation_bits=activation_bits,
            activation_budget=activation_budget(scheme),
            bit_budget=8 if isinstance(bits, int | float) else 4, actions=self.data.actions,
            target=self.data.favourable, max_epochs=1, random_state=0,
            allocation=allocation(scheme),
        ).fit(self.X, self.y)  # fmt: skip

    @functools.cache  # noqa: B019  # kept as long as the session
    def packed(self, scheme):
        return export_packed(self.classifier(scheme))

    @functools.cached_property
    def doubles(self):
        """The same people as an exported header takes them; the encoder is that of every scheme."""
        return raw_doubles(export_packed(self.teacher), pd.concat(self.people.values()))

    @functools.cached_property
    def people(self):
        """All test rows, and 10,000 drawn column by column with numbers far out."""
        return {"test": self.test, "random": random_people(self.data.data, 10_000)}


def random_people(frame, n, seed=0):
    """Rows with values drawn column by column, numbers up to thrice their size or negative."""
    random = np.random.default_rng(seed)
    drawn = {}
    for name, column in frame.items():
        drawn[name] = random.choice(column.to_numpy(), n)
        if column.dtype.kind in "if" and column.nunique() > 2:
            drawn[name] = drawn[name] * random.choice([-1.0, 0.5, 1.0, 3.0], n)
    return pd.DataFrame(drawn)


@functools.cache
def load_published(name):
    return Published(name)


@pytest.fixture(scope="session", params=FETCHERS)
def published(request):
    if not os.environ.get(ENVIRONMENT_VARIABLE):
        pytest.skip(f"needs the published data files: set {ENVIRONMENT_VARIABLE} to their folder")
    return load_published(request.param)
