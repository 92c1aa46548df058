"""Callbacks: skorch's in the training loop, scikit-learn's around it, alone and nested."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import skorch.callbacks
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier
from skcfq.metrics import recourse_scoring

TEACHER = FullPrecisionClassifier((8,), max_epochs=4, random_state=0)


def small(**params):
    # Widths are searched during the first 3 of 6 epochs.
    start = {
        "teacher": TEACHER, "max_epochs": 6, "search_fraction": 0.5, "target": "granted",
        "random_state": 0,
    }  # fmt: skip
    return CFQClassifier((8,), **{**start, **params})


@pytest.fixture(scope="module")
def people(credit):
    return credit.data.head(250), credit.target.head(250)


# ----- skorch --------------------------------------------------------------------------------


class Note(skorch.callbacks.Callback):
    """Notes each epoch in a list that it is given."""

    def __init__(self, notes):
        self.notes = notes

    def on_epoch_end(self, net, **kwargs):
        self.notes.append(len(net.history))
        self.seen_ = len(net.history)


@pytest.mark.parametrize("kind", [FullPrecisionClassifier, QATClassifier, CFQClassifier])
def test_skorch_callback_sees_every_epoch(people, kind):
    notes = []
    note = Note(notes)
    params = {} if kind is FullPrecisionClassifier else {"teacher": TEACHER}
    classifier = kind((8,), max_epochs=5, callbacks=[note], random_state=0, **params)
    classifier.fit(*people)
    assert notes == [1, 2, 3, 4, 5]
    assert not hasattr(note, "seen_"), "fit changed a parameter"
    assert len(classifier.history_) == 5


def test_what_a_callback_learns_is_not_saved(people):
    """A scheduler holds the optimizer; it must not travel with the model."""
    scheduler = skorch.callbacks.LRScheduler("StepLR", step_size=3)
    classifier = small(callbacks=[scheduler]).fit(*people)
    data = pickle.dumps(classifier)
    assert b"torch" not in data
    assert b"optim" not in data
    clone(classifier).fit(*people)


@pytest.mark.parametrize("load_best", [False, True])
def test_stopping_while_widths_are_searched_keeps_the_budget(people, load_best):
    stop = skorch.callbacks.EarlyStopping(patience=1, threshold=10.0, load_best=load_best)
    params = {"allocation": None, "bit_budget": 3.0}
    classifier = small(callbacks=[stop], **params).fit(*people)
    assert len(classifier.history_) == 2, "the search was over already"
    assert classifier.average_bits_ <= 3.0
    assert all(width in (2, 3, 4, 8) for width in classifier.bits_)
    assert classifier.predict(people[0]).shape == (250,)


# ----- scikit-learn 1.9 ----------------------------------------------------------------------

callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")


def logs(monitor):
    return monitor.get_logs().data_as_pandas


def test_scoring_monitor_logs_every_epoch_also_while_widths_are_searched(people):
    monitor = callback.ScoringMonitor(scoring=recourse_scoring())
    classifier = small(early_stopping=False, lr=0.01).set_callbacks(monitor).fit(*people)
    table = logs(monitor)
    assert len(table) == len(classifier.history_) == 6
    assert table["task_name"].eq("epoch").all()
    assert table["accuracy"].nunique() > 1, "the same model was scored every time"
    last = classifier.score(*people)
    assert table["accuracy"].iloc[-1] == last
    assert table["neg_validity_drop"].iloc[-1] == -last.validity_drop


def test_callbacks_do_not_change_the_model(people):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    plain, watched = small().fit(*people), small().set_callbacks(monitor).fit(*people)
    np.testing.assert_array_equal(plain.predict_proba(people[0]), watched.predict_proba(people[0]))


def test_progress_bar_ends_at_100_percent(people, capsys):
    pytest.importorskip("rich")
    small().set_callbacks(callback.ProgressBar()).fit(*people)
    shown = capsys.readouterr().out
    assert "CFQClassifier - fit" in shown
    assert "100%" in shown


def encoder():
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), make_column_selector(dtype_include="number")),
            ("words", OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
        ]
    ).set_output(transform="pandas")  # fmt: skip


def test_scoring_monitor_in_a_pipeline(people):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(encoder(), small().set_callbacks(monitor)).fit(*people)
    assert len(logs(monitor)) == len(pipeline[-1].history_)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The estimator ColumnTransformer does not support callbacks")
def test_progress_bar_and_monitor_in_a_grid_of_pipelines(people, capsys):
    pytest.importorskip("rich")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(encoder(), small(max_epochs=4).set_callbacks(monitor))
    search = GridSearchCV(pipeline, {"cfqclassifier__bit_budget": [2, 4]}, cv=2, n_jobs=2)
    search.set_callbacks(callback.ProgressBar()).fit(*people)
    runs = logs(monitor).groupby("parent_task_id_path")
    assert len(runs) == 2 * 2 + 1, "four cells and the refit"
    assert runs.size().between(1, 4).all()
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "100%" in shown


def test_clone_and_pickle_keep_callbacks_but_no_context(people):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fitted = small().set_callbacks(monitor).fit(*people)
    assert clone(fitted)._skl_callbacks
    state = fitted.__getstate__()
    assert not {"_callback_fit_ctx", "_parent_callback_ctx"} & set(state)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(people[0]), fitted.predict(people[0]))


def test_before_scikit_learn_1_9_callbacks_do_nothing():
    code = """if True:
        import sys
        import numpy as np
        # scikit-learn's own modules are loaded first: they need it.
        import sklearn.compose, sklearn.linear_model, sklearn.model_selection, sklearn.neural_network
        sys.modules["sklearn.callback"] = None  # from here on, as if it did not exist
        from skcfq import CFQClassifier, FullPrecisionClassifier
        from skcfq._utils import _sklearn
        assert "skcfq" in _sklearn.CallbackSupportMixin.__module__
        X = np.random.default_rng(0).normal(size=(80, 2))
        y = (X[:, 0] > 0).astype(int)
        teacher = FullPrecisionClassifier((4,), max_epochs=2)
        classifier = CFQClassifier((4,), teacher=teacher, max_epochs=2, random_state=0).fit(X, y)
        assert not hasattr(classifier, "set_callbacks")
        print(len(classifier.history_), float(classifier.score(X, y)) > 0)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2 True"
