"""Data sets of the grid, who learns, who is held out, who is tested, and the teachers."""

import dataclasses
import functools

import joblib
import numpy as np
from filelock import FileLock
from sklearn.model_selection import train_test_split

from skcfq import FullPrecisionClassifier, GreedySolver, PGDSolver, datasets
from skcfq.actions import bind_actions
from skcfq.estimators import network_view
from skcfq.recourse import BaseSolver


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as the grid uses it.

    Attributes
    ----------
    fetch : callable
        Returns the bunch of :mod:`skcfq.datasets`.
    n_rows : int
        How many rows it has: how long its cells take, roughly.
    held_share : float
        Share of the training rows that is held out for the calibration. 2 % can only be promised
        with 49 people in need, and German Credit has few.
    group : str
        Column whose groups are told apart.
    max_test : int or None
        Of more test rows, so many are drawn: searches for everybody would take most of the time.
    """

    fetch: object
    n_rows: int
    held_share: float = 0.2
    group: str = "sex"
    max_test: int | None = None


def _synthetic():
    return datasets.make_recourse_classification(n_samples=900, random_state=0)


SOURCES = {
    "synthetic": Source(_synthetic, 900),
    "german": Source(datasets.fetch_german_credit, 1000, 0.4, "personal_status"),
    "compas": Source(datasets.fetch_compas, 6172, group="race"),
    "adult": Source(datasets.fetch_adult, 48842, max_test=4000),
    "bank": Source(datasets.fetch_bank_marketing, 45211, 0.1, "marital", 4000),
    "default": Source(datasets.fetch_credit_default, 30000, group="SEX"),
}


@functools.lru_cache(maxsize=2)
def load(name):
    """The bunch of a data set."""
    return SOURCES[name].fetch()


@dataclasses.dataclass(frozen=True)
class Rows:
    """Positions of the rows of a data set: an array of int for each purpose.

    Attributes
    ----------
    learn : ndarray of shape (n_learn,)
        What teacher and students learn from.
    held : ndarray of shape (n_held,)
        For the calibration: neither of them sees these.
    test : ndarray of shape (n_test,)
    """

    learn: np.ndarray
    held: np.ndarray
    test: np.ndarray


def split(name, seed):
    """Test rows as published, or 30 % of every class; of the others, a share is held out.

    Rows with a category that nobody learns from are left out of both: one of Adult's countries has one row.
    """
    data = load(name)
    if data.train_index is not None:
        train, test = data.train_index, data.test_index
    else:
        train, test = _parts(data, np.arange(len(data.target)), 0.3, seed)
    most = SOURCES[name].max_test
    if most is not None and len(test) > most:
        _, test = _parts(data, test, most, seed)
    learn, held = _parts(data, train, SOURCES[name].held_share, seed)
    kinds = data.data.select_dtypes(exclude="number")
    known = kinds.apply(lambda column: column.isin(column.iloc[learn])).all(axis=1).to_numpy()
    return Rows(learn, held[known[held]], test[known[test]])


def _parts(data, rows, share, seed):
    labels = data.target.iloc[rows]
    return train_test_split(rows, test_size=share, stratify=labels, random_state=seed)


def action_sets(data):
    """Action sets by name: the paper's, the realistic ones, other costs, tighter and looser ones."""
    paper = data.actions
    change = functools.partial(dataclasses.replace, paper)
    return {
        "paper": paper,
        "realistic": data.realistic_actions,
        "L1": change(cost="l1"),
        "L2": change(cost="l2"),
        "mixed": change(cost="mixed"),
        "L1 by range": change(cost="l1", cost_weights="range"),
        "restrictive": change(max_changes=2),
        "permissive": change(immutable=(), max_changes=None),
    }


ACTION_SETS = (
    "paper", "realistic", "L1", "L2", "mixed", "L1 by range", "restrictive", "permissive",
)  # fmt: skip

#: How the teacher came about: its parameters, and the share of labels that are drawn anew.
TEACHERS = {
    "full": ({}, 0.0),
    "one epoch": ({"max_epochs": 1, "early_stopping": False}, 0.0),
    "overfitted": ({"max_epochs": 60, "early_stopping": False, "weight_decay": 0.0}, 0.0),
    "noisy labels": ({}, 0.2),
}

#: Who searches the teacher's advice that students learn from. Tests are always by GreedySolver.
ADVISERS = {
    "greedy": GreedySolver(),
    "3 gradient steps": PGDSolver(n_steps=3, n_restarts=0, n_random=0),
}


@dataclasses.dataclass(frozen=True)
class Reference:
    """A teacher and its advice to the people whom all its students are tested on.

    Attributes
    ----------
    teacher : FullPrecisionClassifier
    space : ActionSpace
        What people may do, bound to the learning rows.
    advice : RecourseResult
        To the test rows.
    held_advice : RecourseResult
        To the rows that are held out.
    """

    teacher: FullPrecisionClassifier
    space: object
    advice: object
    held_advice: object

    def in_need(self, most, seed):
        """Positions of at most so many test people who need recourse and have advice."""
        people = np.flatnonzero(self.advice.needed & self.advice.success)
        return np.sort(np.random.default_rng(seed).permutation(people)[:most])


def reference(dataset, seed, setting, folder):
    """The `Reference` that cells of one data set, seed and kind of teacher share.

    It is computed once for all processes: whoever comes second waits, and reads.
    """
    key = (dataset, seed, setting.hidden_layer_sizes, setting.actions, setting.teacher)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{joblib.hash(key)}.lock"):
        return _remembered(folder, _learn, key)


@functools.lru_cache(maxsize=4)
def _remembered(folder, function, key):
    return joblib.Memory(folder, verbose=0).cache(function)(*key)


def _learn(dataset, seed, hidden_layer_sizes, actions, teacher):
    data, rows = load(dataset), split(dataset, seed)
    X, y = data.data.iloc[rows.learn], data.target.iloc[rows.learn]
    params, noise = TEACHERS[teacher]
    if noise:
        random = np.random.default_rng(seed)
        drawn = np.flatnonzero(random.random(len(y)) < noise)
        y = y.copy()
        y.iloc[drawn] = random.choice(data.target_names, len(drawn))
    wanted = action_sets(data)[actions]
    model = FullPrecisionClassifier(
        hidden_layer_sizes, actions=wanted, target=data.favourable, random_state=seed, **params
    ).fit(X, y)
    test, held = (model.solve_recourse(data.data.iloc[part]) for part in (rows.test, rows.held))
    return Reference(model, model.actions_, test, held)


@dataclasses.dataclass(frozen=True)
class OtherAdvice:
    """A teacher's advice to a sample of the test people by other actions.

    Attributes
    ----------
    rows : ndarray of int
        Their positions among the test rows.
    space : ActionSpace
    advice : RecourseResult
    """

    rows: np.ndarray
    space: object
    advice: object


def realistic_advice(cell, most, folder):
    """The `OtherAdvice` by the realistic actions, to at most so many people who need it."""
    ref = reference(cell.dataset, cell.seed, cell.setting, folder)
    key = (cell.dataset, cell.seed, cell.setting, most, folder)
    with FileLock(folder / f"{joblib.hash(key)}.lock"):
        found = _remembered(folder, _advise, key)
    # One encoding for teacher and advice, as in a fit.
    space = dataclasses.replace(found.space, encoding=ref.teacher.encoding_)
    return dataclasses.replace(found, space=space)


def _advise(dataset, seed, setting, most, folder):
    data, ref = load(dataset), reference(dataset, seed, setting, folder)
    rows = split(dataset, seed)
    learnt, who = data.data.iloc[rows.learn], ref.in_need(most, seed)
    frame = data.data.iloc[rows.test].iloc[who]
    teacher = ref.teacher
    space = bind_actions(data.realistic_actions, teacher.encoding_, learnt).without_values()
    view = network_view(teacher, frame.columns)
    return OtherAdvice(who, space, view.solve(GreedySolver(), frame, data.favourable, space))


class KnownAdvice(BaseSolver):
    """A search that is over: all students are calibrated with the same advice of their teacher."""

    def __init__(self, advice):
        self.advice = advice

    def solve(self, logits, X, target, actions, **options):
        """The advice, for the people whom it was searched for."""
        if len(X) != len(self.advice) or (X.index != self.advice.counterfactual.index).any():
            raise ValueError("KnownAdvice was searched for other people.")
        return self.advice

    def _search(self, margin, problem):
        raise NotImplementedError
