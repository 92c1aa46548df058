"""A fitted model is NumPy arrays and plain values: it travels, and it computes the same there."""

import copy
import pickle
import pickletools
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import clone

from skcfq import (
    ActionSet,
    CFQClassifier,
    CoordinateSolver,
    FullPrecisionClassifier,
    GreedySolver,
    PaperObjective,
)

OUR_CLASSES = {
    "skcfq.actions._action_set.ActionSet",
    "skcfq.actions._encoding.Encoding",
    "skcfq.actions._features.AffineFeature",
    "skcfq.actions._features.TableFeature",
    "skcfq.actions._space.ActionSpace",
    "skcfq.actions._space.DiscreteMoves",
    "skcfq.actions._space.NumericMoves",
    "skcfq.estimators._cfq.CFQClassifier",
    "skcfq.estimators._full_precision.FullPrecisionClassifier",
}


def with_skops(model):
    data = skops.io.dumps(model)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


WAYS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "cloudpickle": lambda model: pickle.loads(cloudpickle.dumps(model)),
    "skops": with_skops,
    "deepcopy": copy.deepcopy,
    "twice": lambda model: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model)))),
}


@pytest.fixture(scope="module", params=[None, 4], ids=["weights only", "4-bit activations"])
def of_any_kind(request, credit, fitted):
    """A fitted model, its scores and its advice."""
    if request.param is not None:
        fitted = clone(fitted).set_params(activation_bits=request.param, max_epochs=3)
        fitted.fit(credit.data, credit.target)
    some, labels = credit.data.head(150), credit.target.head(150)
    return fitted, fitted.recourse(some), repr(fitted.score(some, labels))


@pytest.mark.parametrize("way", WAYS)
def test_trap_reloading_changes_the_outputs(credit, of_any_kind, way):
    fitted, advice, score = of_any_kind
    loaded = WAYS[way](fitted)
    X = credit.data
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(fitted, method)(X))
    pd.testing.assert_frame_equal(loaded.recourse(X.head(150)), advice)
    assert repr(loaded.score(X.head(150), credit.target.head(150))) == score
    assert loaded.bits_ == fitted.bits_
    assert loaded.history_ == fitted.history_
    assert len(loaded.net_.history) == len(fitted.history_)
    assert repr(loaded.get_params()) == repr(fitted.get_params())
    assert joblib.hash(loaded.__getstate__()) == joblib.hash(fitted.__getstate__())


def test_loaded_model_can_be_fitted_again(credit, fitted):
    loaded = pickle.loads(pickle.dumps(fitted))
    loaded.fit(credit.data, credit.target)
    np.testing.assert_array_equal(
        loaded.predict_proba(credit.data), fitted.predict_proba(credit.data)
    )


def test_a_copy_shares_nothing(credit, fitted):
    copied = copy.deepcopy(fitted)
    expected = fitted.predict_proba(credit.data)
    with torch.no_grad():
        for parameter in copied.net_.module_.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(fitted.predict_proba(credit.data), expected)
    assert (copied.predict_proba(credit.data) != expected).any()


def test_identical_predictions_in_a_fresh_process(tmp_path, credit, fitted):
    joblib.dump(fitted, tmp_path / "model.joblib")
    credit.data.to_pickle(tmp_path / "rows.pkl")
    np.save(tmp_path / "expected.npy", fitted.predict_proba(credit.data))
    code = """if True:
        import joblib, numpy, pandas, sys
        folder = sys.argv[1]
        model = joblib.load(folder + "/model.joblib")
        rows = pandas.read_pickle(folder + "/rows.pkl")
        expected = numpy.load(folder + "/expected.npy")
        assert (model.predict_proba(rows) == expected).all()
        cost = model.recourse(rows)["recourse_cost"]
        print(cost.notna().sum(), repr(cost.sum()))
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    cost = fitted.recourse(credit.data)["recourse_cost"]
    assert done.stdout.strip() == f"{cost.notna().sum()} {cost.sum()!r}"


def names_in(data):
    """Modules of the classes and functions that a pickle names."""
    found, strings = set(), []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            found.add(argument.split()[0])
        elif opcode.name == "STACK_GLOBAL":
            # The names may come from the memo: every string before is a candidate.
            found.update(strings)
        if isinstance(argument, str):
            strings.append(argument)
    return found


def test_the_search_for_names_finds_torch(fitted):
    assert any(name.startswith("torch") for name in names_in(pickle.dumps(fitted.net_)))


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_saved_model_names_no_torch(fitted, protocol):
    data = pickle.dumps(fitted, protocol=protocol)
    foreign = [name for name in names_in(data) if name.split(".")[0] in ("torch", "skorch")]
    assert foreign == []
    assert b"optim" not in data
    assert b"Adam" not in data


def test_saved_model_holds_no_training_rows(tmp_path, credit):
    """Its size does not grow with the rows, and none of their values is in it."""
    X = credit.data.assign(secret=np.random.default_rng(0).normal(size=600))
    y = credit.target
    sizes = {}
    for n in (200, 600):
        teacher = FullPrecisionClassifier((8,), max_epochs=3, random_state=0)
        classifier = CFQClassifier(
            (8,), teacher=teacher, actions=ActionSet(immutable=["secret"]), target="granted",
            max_epochs=3, early_stopping=False, random_state=0,
        )  # fmt: skip
        classifier.fit(X.head(n), y.head(n))
        joblib.dump(classifier, tmp_path / f"{n}.joblib")
        sizes[n] = (tmp_path / f"{n}.joblib").stat().st_size
        data = pickle.dumps(classifier)
        # The range is no secret: it bounds the teacher's actions.
        secrets = np.sort(X["secret"].head(n))[1:-1]
        for kind in (np.float64, np.float32):
            assert not any(value.tobytes() in data for value in secrets.astype(kind))
    assert abs(sizes[600] - sizes[200]) < 200
    assert sizes[600] < 100_000


def test_search_without_gradients_is_the_same_after_reloading(credit, fitted):
    """Values that it tries come from the training range, not from training rows."""
    asking = copy.deepcopy(fitted).set_params(solver=CoordinateSolver(n_starts=1))
    loaded = pickle.loads(pickle.dumps(asking))
    X = credit.data.head(40)
    pd.testing.assert_frame_equal(loaded.recourse(X), asking.recourse(X))


def test_the_search_for_rows_can_fail(credit):
    secret = np.random.default_rng(0).normal(size=10)
    assert secret[3].tobytes() in pickle.dumps({"rows": secret})


def test_skops_asks_for_trust_in_our_own_classes_only(fitted):
    untrusted = set(skops.io.get_untrusted_types(data=skops.io.dumps(fitted)))
    assert untrusted <= OUR_CLASSES
    assert "skcfq.estimators._cfq.CFQClassifier" in untrusted


def test_skops_carries_objective_solver_and_callbacks(credit, teacher):
    classifier = CFQClassifier(
        (16, 8), teacher=teacher, objective=PaperObjective(eta=0.5), solver=GreedySolver(),
        target="granted", max_epochs=2, random_state=0,
    )  # fmt: skip
    classifier.fit(credit.data, credit.target)
    loaded = with_skops(classifier)
    assert loaded.objective.eta == 0.5
    np.testing.assert_array_equal(loaded.predict(credit.data), classifier.predict(credit.data))


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated_file_is_an_error(tmp_path, fitted, keep):
    """joblib and skops notice by themselves: nothing half-loaded ever predicts."""
    for name, dump, load in (
        ("model.joblib", joblib.dump, joblib.load),
        ("model.skops", skops.io.dump, lambda path: skops.io.load(path, trusted=sorted(OUR_CLASSES))),
    ):  # fmt: skip
        path = tmp_path / name
        dump(fitted, path)
        data = path.read_bytes()
        path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
        with pytest.raises(Exception) as caught:
            load(path)
        assert type(caught.value).__name__ in (
            "EOFError", "UnpicklingError", "ValueError", "BadZipFile", "error", "IndexError",
        )  # fmt: skip


def test_clone_is_unfitted_and_equal(fitted):
    cloned = clone(fitted)
    assert not [name for name in vars(cloned) if name.endswith("_")]
    assert cloned.actions == fitted.actions
    assert repr(cloned) == repr(fitted)


def test_loading_leaves_global_random_states_alone(fitted):
    data = pickle.dumps(fitted)
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    pickle.loads(data)
    assert torch.equal(torch.rand(5), expected)
