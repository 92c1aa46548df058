"""Same seed, same machine: the same model, to the bit."""

import random

import joblib
import numpy as np
import pytest
import torch

from skcfq import CFQClassifier, FullPrecisionClassifier, PaperObjective, QATClassifier


def numbers_of(classifier):
    """Everything that was learned, as bytes."""
    state = classifier.__getstate__()
    learned = [state["_module_state"], classifier.bits_, getattr(classifier, "calibration_", None)]
    losses = [
        [value for name, value in epoch.items() if name.endswith("_loss")]
        for epoch in classifier.history_
    ]
    return joblib.hash(
        [learned, losses, classifier.teacher_.__getstate__()["_module_state"]]
    )  # fmt: skip


def fit(X, y, **params):
    return numbers_of(classifier(**params).fit(X, y))


def classifier(**params):
    teacher = FullPrecisionClassifier((24, 12), max_epochs=4, target="granted")
    small = {"max_epochs": 2, "target": "granted", "teacher": teacher, "random_state": 0}
    return CFQClassifier((24, 12), **{**small, **params})


def fit_and_score(X, y):
    fitted = classifier().fit(X, y)
    return numbers_of(fitted), repr(fitted.score(X, y))


@pytest.fixture(scope="module")
def people(credit):
    return credit.data, credit.target


@pytest.fixture(scope="module")
def expected(people):
    return fit(*people)


def test_same_seed_same_model(people, expected):
    assert fit(*people) == expected


def test_the_comparison_can_fail(people, expected):
    assert fit(*people, random_state=1) != expected
    X, y = people
    assert fit(X.head(599), y.head(599)) != expected


def test_random_state_instance_is_drawn_from_once(people, expected):
    state = np.random.RandomState(0)
    assert fit(*people, random_state=state) == expected
    assert fit(*people, random_state=state) != expected


@pytest.mark.parametrize("seed", [0, 1])
def test_order_of_rows_does_not_matter(people, expected, seed):
    X, y = people
    order = np.random.default_rng(seed).permutation(len(X))
    assert fit(X.iloc[order], y.iloc[order]) == expected


def test_index_of_the_frame_does_not_matter(people, expected):
    X, y = people
    index = np.arange(len(X))[::-1] * 7
    assert fit(X.set_axis(index), y.set_axis(index)) == expected
    assert fit(X, y.to_numpy()) == expected
    assert fit(X, y.tolist()) == expected


@pytest.mark.parametrize("n_threads", [1, 2])
def test_number_of_threads_does_not_matter(people, expected, n_threads):
    torch.set_num_threads(n_threads)
    assert fit(*people) == expected
    assert torch.get_num_threads() == n_threads, "fit changed the user's setting"


def test_global_random_states_do_not_matter(people, expected):
    np.random.seed(11)  # noqa: NPY002
    torch.manual_seed(12)
    random.seed(13)
    assert fit(*people) == expected


def states():
    return joblib.hash(
        [np.random.get_state(), torch.get_rng_state().numpy(), random.getstate()]  # noqa: NPY002
    )


def test_fit_leaves_global_random_states_alone(people):
    before = states()
    fit(*people)
    assert states() == before


def test_flushing_of_denormals_is_left_as_it_was(people):
    tiny = torch.tensor([1e-39])
    assert (tiny * 1).item() > 0
    fit(*people)
    assert (tiny * 1).item() > 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_every_joblib_backend_gives_the_same_model(people, expected, backend):
    """Two fits at once; a forked one must not wait for threads that only its parent has."""
    torch.set_num_threads(2)
    torch.ones(1_000_000).sum()  # the parent's threads exist from here on
    fits = [joblib.delayed(fit_and_score)(*people) for _ in range(2)]
    (a, score_a), (b, score_b) = joblib.Parallel(n_jobs=2, backend=backend, timeout=120)(fits)
    assert a == b == expected
    assert score_a == score_b == fit_and_score(*people)[1]


@pytest.mark.parametrize(
    "params",
    [
        {"activation_bits": 4},
        {"per_channel": False},
        {"bits": 2, "bit_budget": 2},
        {"objective": PaperObjective(match_action=0.1, match_cost=0.1, match_steps=2, hinge=0.2)},
        {"rounding": "together", "early_stopping": False},
        {"batch_size": 512},
        {"validity_level": 0.1},
    ],
    ids=lambda params: next(iter(params)),
)
def test_same_seed_same_model_with_other_parameters(people, expected, params):
    X, y = people
    order = np.random.default_rng(5).permutation(len(X))
    found = fit(X, y, **params)
    assert fit(X.iloc[order], y.iloc[order], **params) == found
    assert found != expected


def test_a_wide_network_is_the_same_on_one_and_two_threads():
    """Wide enough for torch to share a layer's sums out among threads."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 60))
    y = (X[:, :5].sum(axis=1) > 0).astype(int)
    found = set()
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        teacher = FullPrecisionClassifier((700, 60), max_epochs=1)
        classifier = QATClassifier(
            (700, 60), teacher=teacher, activation_bits=8, max_epochs=1, random_state=0
        )
        found.add(numbers_of(classifier.fit(X, y)))
    assert len(found) == 1


def test_cache_gives_the_same_model(people, expected, tmp_path):
    assert fit(*people, memory=str(tmp_path)) == expected
    assert fit(*people, memory=str(tmp_path)) == expected
