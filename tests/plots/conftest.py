import matplotlib
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from skcfq import FullPrecisionClassifier, QATClassifier, RecourseAuditor

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="session")
def networks(credit):
    """A network in full precision, and its 2-bit and 4-bit versions, trained on labels alone."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    shared = {"actions": credit.actions, "target": "granted", "random_state": 0}
    shared |= {"hidden_layer_sizes": (16, 8), "max_epochs": 8}
    X, y = credit.data, credit.target
    teacher = FullPrecisionClassifier(**shared).fit(X, y)
    quantized = [
        QATClassifier(bits=bits, bit_budget=4, teacher=FrozenEstimator(teacher), **shared).fit(X, y)
        for bits in (2, 4)
    ]
    torch.set_num_threads(n_threads)
    return teacher, *quantized


@pytest.fixture(scope="session")
def auditor(credit, networks):
    """The network in full precision against the 2-bit one."""
    auditor = RecourseAuditor(*networks[:2], actions=credit.actions, target="granted")
    return auditor.fit(credit.data, credit.target)


@pytest.fixture(scope="session")
def result(credit, auditor):
    return auditor.audit(credit.data, credit.target, groups="housing")
