"""The demo: train, audit and save. Returns records and prints nothing."""

import dataclasses
import math
import time
from pathlib import Path

import joblib
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from .. import datasets
from .._utils._errors import raise_problems
from .._utils._files import atomic_path, writable_problems
from ..estimators import CFQClassifier, FullPrecisionClassifier, QATClassifier
from ..metrics import accuracy
from ._people import choose_people, describe_person
from ._progress import EpochProgress, SilentProgress
from ._records import DemoResult, ModelRow

FULL_PRECISION, QAT, CFQ = "full precision", "plain QAT", "CFQ"

#: Rows of the synthetic data set.
SYNTHETIC_ROWS = 4000

FETCHERS = {
    "adult": datasets.fetch_adult,
    "german": datasets.fetch_german_credit,
    "compas": datasets.fetch_compas,
}


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """What to run.

    Attributes
    ----------
    dataset : {"synthetic", "adult", "german", "compas"}
    bit_budget : float
        Largest average bits per weight.
    activation_bits : int or None
    epochs : int or None
        Most epochs of each network; None takes the estimators' own.
    seed : int
    output : path-like
        Where the CFQ model goes.
    data_home : path-like or None
        Folder of the data files.
    people : int
        How many people to describe.
    realistic : bool
        Whether to take the data set's realistic actions instead of the paper's.
    """

    dataset: str = "synthetic"
    bit_budget: float = 4.0
    activation_bits: int | None = None
    epochs: int | None = None
    seed: int = 0
    output: str | Path = "skcfq-demo.joblib"
    data_home: str | Path | None = None
    people: int = 3
    realistic: bool = False


def run_demo(options, progress=None):
    """Train three models, compare their recourse on test rows, and save the last.

    Parameters
    ----------
    options : DemoOptions
    progress : SilentProgress, default=None
        Is told of every stage.

    Returns
    -------
    DemoResult

    Raises
    ------
    ValueError
        If the options make no sense; lists all problems.
    OSError
        If the data cannot be had, or the model not be written; the latter before training.
    """
    started = time.perf_counter()
    progress = SilentProgress() if progress is None else progress
    output = Path(options.output)
    _check_budget(options)
    raise_problems(
        "nothing was trained",
        [f"--output: {problem}" for problem in writable_problems(output)],
        OSError,
    )

    progress.begin(f"{options.dataset} data")
    data = load_data(options)
    train, test = split_rows(data, options.seed)
    X_train, y_train = data.data.iloc[train], data.target.iloc[train]
    X_test, y_test = data.data.iloc[test], data.target.iloc[test]

    models = train_models(options, data, X_train, y_train, progress)
    teacher, quantized = models[FULL_PRECISION], {name: models[name] for name in (QAT, CFQ)}

    progress.begin("audit on the test rows", len(quantized))
    comparisons, rows = {}, [_teacher_row(teacher, X_test, y_test)]
    for name, model in quantized.items():
        comparisons[name] = model.compare_recourse(X_test)
        rows.append(_quantized_row(name, model, comparisons[name], X_test, y_test))
        progress.advance()
    people = tuple(
        describe_person(row, X_test, comparisons, FULL_PRECISION, data.sensitive_features)
        for row in choose_people(comparisons[QAT], options.people)
    )
    with atomic_path(output) as part:
        joblib.dump(quantized[CFQ], part)
    progress.end()

    plain = comparisons[QAT]
    advised = plain.reference.needed & plain.reference.success
    return DemoResult(
        dataset=options.dataset,
        favourable=str(data.favourable),
        realistic=options.realistic,
        n_train=len(train),
        n_test=len(test),
        n_refused=int(plain.reference.needed.sum()),
        n_advised=int(advised.sum()),
        n_broken=int((advised & ~plain.deployed_valid).sum()),
        models=tuple(rows),
        people=people,
        output=str(output),
        output_bytes=output.stat().st_size,
        seconds=time.perf_counter() - started,
    )


def load_data(options):
    """The data set with its actions, see :mod:`skcfq.datasets`."""
    if options.dataset == "synthetic":
        return datasets.make_recourse_classification(SYNTHETIC_ROWS, random_state=options.seed)
    return FETCHERS[options.dataset](data_home=options.data_home)


def split_rows(data, seed):
    """Positions of training and test rows: the published split, else 30 % stratified for test."""
    if data.train_index is not None:
        return data.train_index, data.test_index
    rows = range(len(data.data))
    return train_test_split(rows, test_size=0.3, stratify=data.target, random_state=seed)


def train_models(options, data, X, y, progress):
    """Train in full precision, plain QAT and CFQ, the first being the teacher of the others.

    Parameters
    ----------
    options : DemoOptions
    data : Bunch
        For actions and the favourable class.
    X, y : training rows
    progress : SilentProgress

    Returns
    -------
    dict of str to fitted classifier
    """
    shared = {
        "actions": data.realistic_actions if options.realistic else data.actions,
        "target": data.favourable,
        "random_state": options.seed,
    }
    if options.epochs is not None:
        shared["max_epochs"] = options.epochs

    def fit(name, model):
        model.set_params(callbacks=[EpochProgress(progress, name, model.max_epochs)])
        model.fit(X, y)
        # Callbacks are parameters: those that hold a screen must not end up in the saved file.
        return model.set_params(callbacks=None)

    teacher = fit(FULL_PRECISION, FullPrecisionClassifier(**shared))
    shared |= {
        "bit_budget": options.bit_budget,
        "activation_bits": options.activation_bits,
        "teacher": FrozenEstimator(teacher),
    }
    qat = fit(QAT, QATClassifier(**shared))
    progress.begin("recourse of the training rows")  # ends with the first epoch of CFQ
    cfq = fit(CFQ, CFQClassifier(**shared))
    return {FULL_PRECISION: teacher, QAT: qat, CFQ: cfq}


def _teacher_row(model, X, y):
    n_layers = len(model.hidden_layer_sizes) + 1
    n_bytes = 4 * sum(parameter.numel() for parameter in model.net_.module_.parameters())
    return ModelRow(FULL_PRECISION, accuracy(y, model.predict(X)), 32.0, (32,) * n_layers, n_bytes)


def _quantized_row(name, model, comparison, X, y):
    score = comparison.score(y, model.predict(X))
    return ModelRow(
        name=name,
        accuracy=score.accuracy,
        average_bits=model.average_bits_,
        bits=model.bits_,
        n_bytes=model.packed_bytes_,
        validity_drop=score.validity_drop,
        recourse_gap=score.recourse_gap,
        abs_recourse_gap=score.abs_recourse_gap,
        decision_flips=score.decision_flips,
    )


def _check_budget(options):
    """Refuse a budget that no network can keep, before a teacher is trained for it."""
    narrowest = min(QATClassifier().bits)
    problems = []
    if not (math.isfinite(options.bit_budget) and options.bit_budget >= narrowest):
        problems.append(
            f"a budget of {options.bit_budget} bits per weight: a finite number of at least "
            f"{narrowest}, the narrowest width, is needed."
        )
    raise_problems("options", problems)
