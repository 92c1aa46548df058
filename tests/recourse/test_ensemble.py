"""One action for several models."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcfq import CoordinateSolver, EnsembleSolver, GreedySolver, PGDSolver, QATClassifier
from skcfq.estimators import joint_view
from skcfq.recourse import target_margin
from tests.recourse.brute import ACTION_SETS, cheapest, network, price, world

SOLVERS = {"greedy": GreedySolver(), "pgd": PGDSolver(), "coordinate": CoordinateSolver()}


def variants(w, n=3):
    """Networks that differ a little from a world's own."""
    models = [w.logits]
    for seed in range(1, n):
        other = network(w.space.encoding.n_columns, np.random.default_rng(seed))
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for mine, its in zip(other.parameters(), w.logits.parameters(), strict=True):
                mine.copy_(its + 0.15 * torch.randn(its.shape, generator=noise))
        models.append(other)
    return tuple(models)


@dataclasses.dataclass(frozen=True)
class Joint:
    """A world in which class 1 is what all models decide (or what they decide on average)."""

    train: object
    actions: object
    space: object
    models: tuple
    aggregate: str

    def decide(self, frame):
        z = torch.from_numpy(self.space.encoding.encode(frame).astype(np.float32))
        target = torch.ones(len(frame), dtype=torch.int64)
        margins = torch.stack([target_margin(m(z), target) for m in self.models])
        lead = margins.amin(0) if self.aggregate == "worst" else margins.mean(0)
        return (lead > 0).int().numpy()


@pytest.mark.parametrize("aggregate", ["worst", "mean"])
@pytest.mark.parametrize("kind", ["free", "bounds", "few changes", "transitions"])
@pytest.mark.parametrize("name", SOLVERS)
def test_against_brute_force(name, kind, aggregate):
    ratio, served, limit = [], [], {"greedy": 1.25, "pgd": 1.35, "coordinate": 1.03}[name]
    for seed in range(2):
        w = world(seed, ACTION_SETS[kind])
        models = variants(w)
        joint = Joint(w.train, w.actions, w.space, models, aggregate)
        X = w.train.head(12)
        solver = EnsembleSolver(SOLVERS[name], aggregate=aggregate)
        result = solver.solve(models, X, 1, w.space)
        needed = joint.decide(X) != 1
        np.testing.assert_array_equal(result.needed, needed)
        optimum = np.array([cheapest(joint, row, 1) for _, row in X[needed].iterrows()])
        found = result.success[needed]
        assert not found[np.isinf(optimum)].any()
        assert (joint.decide(result.counterfactual[result.success]) == 1).all()
        for i in np.flatnonzero(result.success):
            paid = price(w, X.iloc[i], result.counterfactual.iloc[i])
            assert paid == pytest.approx(result.cost[i], rel=1e-6, abs=1e-9)
        ratio.append((result.cost[needed] / optimum)[found])
        served.append(found[np.isfinite(optimum)])
    ratio, served = np.concatenate(ratio), np.concatenate(served)
    assert len(served) >= 10
    assert ratio.min() >= 1 - 1e-6
    assert ratio.mean() <= limit
    assert served.mean() >= 0.9


def test_what_one_model_advises_is_not_valid_for_all():
    w = world(0)
    models = variants(w)
    X = w.train
    alone = GreedySolver().solve(w.logits, X, 1, w.space)
    together = EnsembleSolver().solve(models, X, 1, w.space)

    def share(result):
        z = torch.from_numpy(result.encoded[result.success & result.needed])
        return np.mean([(m(z).argmax(1) == 1).float().mean().item() for m in models])

    assert share(alone) < 0.95
    assert share(together) == 1.0
    both = alone.needed & alone.success & together.success
    assert together.cost[both].mean() > alone.cost[both].mean()


@pytest.mark.parametrize("aggregate", ["worst", "mean"])
def test_one_model_alone_is_the_plain_search(aggregate):
    w = world(2)
    plain = GreedySolver().solve(w.logits, w.train, 1, w.space)
    result = EnsembleSolver(aggregate=aggregate).solve([w.logits], w.train, 1, w.space)
    np.testing.assert_array_equal(result.cost, plain.cost)
    assert result.counterfactual.equals(plain.counterfactual)


def test_every_models_own_decision_is_asked():
    w = world(0)
    never = EnsembleSolver().solve(
        [w.logits, w.logits], w.train, 1, w.space,
        predict=[None, lambda X: np.zeros(len(X), int)],
    )  # fmt: skip
    assert never.needed.all()
    assert not never.success.any()


def test_three_classes_and_a_target_of_each():
    w = world(2, n_classes=3)
    target = np.arange(len(w.train)) % 3
    other = network(w.space.encoding.n_columns, np.random.default_rng(5), n_classes=3)
    models = (w.logits, other)
    result = EnsembleSolver().solve(models, w.train, target, w.space)
    z = torch.from_numpy(result.encoded)
    for m in models:
        assert (m(z).argmax(1).numpy() == target)[result.success].all()
    assert result.success.any()


@pytest.mark.parametrize(
    ("solver", "models", "options", "message"),
    [
        (
            EnsembleSolver(aggregate="best"), 2, {},
            "EnsembleSolver: aggregate='best': 'worst' or 'mean' is needed.",
        ),
        (
            EnsembleSolver(), 0, {},
            "EnsembleSolver: logits, predict and decide must hold one function for each model, at "
            "least one; they hold [0, None, None].",
        ),
        (
            EnsembleSolver(), 2, {"predict": [None]},
            "EnsembleSolver: logits, predict and decide must hold one function for each model, at "
            "least one; they hold [2, 1, None].",
        ),
    ],
)  # fmt: skip
def test_bad_arguments(solver, models, options, message):
    w = world(0)
    with pytest.raises(ValueError, match=re.escape(message)):
        solver.solve([w.logits] * models, w.train, 1, w.space, **options)


def test_one_model_is_not_a_sequence():
    w = world(0)
    message = "EnsembleSolver: logits is one function; a sequence with one for each model is needed"
    with pytest.raises(TypeError, match=message):
        EnsembleSolver().solve(w.logits, w.train, 1, w.space)


def test_is_an_estimator():
    solver = EnsembleSolver(PGDSolver(n_steps=3), aggregate="mean")
    assert clone(solver).get_params()["solver__n_steps"] == 3
    assert solver.batch_size == PGDSolver().batch_size
    assert repr(EnsembleSolver()) == "EnsembleSolver()"


# ----- fitted classifiers ------------------------------------------------------------------


@pytest.fixture(scope="module")
def family(credit):
    """A teacher and its quantizations."""
    X, y = credit.data, credit.target
    narrow = QATClassifier(
        (16,), bits=2, bit_budget=2, actions=credit.realistic_actions, target="granted",
        max_epochs=5, random_state=0,
    ).fit(X, y)  # fmt: skip
    wide = QATClassifier(
        (16,), bits=4, bit_budget=4, teacher=narrow.teacher_, actions=credit.realistic_actions,
        target="granted", max_epochs=5, random_state=0,
    ).fit(X, y)  # fmt: skip
    return [narrow.teacher_, narrow, wide]


def test_quantization_variants(family, credit):
    X = credit.data.head(200)
    view = joint_view(family, X)
    space = family[0].actions_ if hasattr(family[0], "actions_") else family[1].actions_
    result = view.solve(None, X, "granted", space)
    advised = result.counterfactual[result.success]
    for model in family:
        assert (model.predict(advised) == "granted").all()
    refused = np.any([model.predict(X) == "refused" for model in family], axis=0)
    np.testing.assert_array_equal(result.needed, refused)
    assert result.success[refused].mean() > 0.95
    several = view.solve_diverse(2, None, X, "granted", space)
    assert (several[1].success & several[1].needed).any()


def test_trees_and_networks_together(credit):
    X, y = credit.data.select_dtypes("number").astype(float), credit.target
    line = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    trees = make_pipeline(
        StandardScaler(), HistGradientBoostingClassifier(max_iter=10, random_state=0)
    ).fit(X, y)
    view = joint_view([line, trees], X)
    result = view.solve(None, X.head(60), "granted", view.bind(None, X))
    advised = result.counterfactual[result.success]
    assert (line.predict(advised) == "granted").all()
    assert (trees.predict(advised) == "granted").all()
    assert (result.success & result.needed).sum() > 10
    with pytest.raises(TypeError, match="EnsembleSolver searches by gradients, which not all"):
        view.solve(EnsembleSolver(), X, "granted", view.bind(None, X))
    with pytest.raises(TypeError, match="solver=GreedySolver searches on one model"):
        view.solve(GreedySolver(), X, "granted", view.bind(None, X))


def test_models_that_cannot_be_joined(credit):
    X, y = credit.data.select_dtypes("number").astype(float), credit.target
    plain = LogisticRegression(max_iter=5000).fit(X * 1e-3, y)
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y == "granted")
    with pytest.raises(ValueError) as caught:
        joint_view([plain, scaled], X)
    assert str(caught.value) == (
        "joint_view has 2 problems:\n"
        "  1. models[1] knows the classes [False, True], models[0] ['granted', 'refused'].\n"
        "  2. models[1] encodes the rows otherwise than models[0]: one search on both needs the same "
        "preprocessor."
    )
    with pytest.raises(ValueError, match="joint_view: models is empty: at least one is needed"):
        joint_view([], X)
