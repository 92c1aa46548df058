import pytest
import torch

from skcfq import CFQClassifier, FullPrecisionClassifier


@pytest.fixture(scope="session")
def teacher(credit):
    """A small fitted full-precision model of the credit data."""
    teacher = FullPrecisionClassifier(
        (16, 8), actions=credit.actions, target="granted", max_epochs=40, lr=5e-3, random_state=0
    )
    return teacher.fit(credit.data, credit.target)


@pytest.fixture(scope="session")
def fitted(credit, teacher):
    """A small fitted quantized model of the credit data. Not to be changed."""
    classifier = CFQClassifier(
        (16, 8),
        teacher=teacher,
        actions=credit.actions,
        target="granted",
        max_epochs=12,
        random_state=0,
    )
    return classifier.fit(credit.data, credit.target)


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors are fastest on one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
