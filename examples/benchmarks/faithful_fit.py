"""Time of a faithful fit against plain quantization-aware training, and of a grid over budgets.

Fits on Adult's training rows, 20 epochs each without early stopping, and prints

- seconds of a QATClassifier and of a CFQClassifier with its default, the faithful objective, from
  raw rows: each trains the same teacher, and CFQ solves its recourse too;
- the same with the teacher given, and seconds of an epoch;
- seconds of a grid over five bit budgets with ``memory=``, one fit after the other, and how many single
  fits that is;
- the same grid by GridSearchCV in two processes, in seconds by the clock.

    python examples/benchmarks/faithful_fit.py

The data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded.
Times on shared machines vary: each ratio is taken within one run. That of the grid in two processes is of
seconds by the clock, the others are of processor seconds.
"""

import argparse
import os
import platform
import tempfile
import time

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier
from skcfq.datasets import fetch_adult

BUDGETS = (2, 3, 4, 6, 8)


#: Rows that the grid scores by their accuracy: next to nothing beside a fit.
SCORED = 100


def seconds(work, clock=time.process_time):
    """Seconds and result; processor seconds leave out other programs on the machine."""
    start = clock()
    result = work()
    return clock() - start, result


def search_budgets(model, X, y):
    """Fit all budgets in two processes, as a user would."""
    folds = [(np.arange(len(X)), np.arange(min(SCORED, len(X))))]
    with tempfile.TemporaryDirectory() as memory:
        GridSearchCV(
            clone(model).set_params(memory=memory), {"bit_budget": BUDGETS}, scoring="accuracy", cv=folds,
            refit=False, n_jobs=2, error_score="raise",
        ).fit(X, y)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, help="learn from the first ROWS people only")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--rounding",
        choices=("auto", "together", "in turn"),
        default="auto",
        help="of the faithful fits",
    )
    options = parser.parse_args()
    data = fetch_adult()
    rows = data.train_index[: options.rows]
    X, y = data.data.iloc[rows], data.target.iloc[rows]
    common = {"actions": data.actions, "target": data.favourable, "random_state": 0}
    training = {**common, "max_epochs": options.epochs, "early_stopping": False}

    teacher = FullPrecisionClassifier(**common).fit(X, y)
    teacher.solve_recourse(X.head(100))  # code paths warm
    plain = QATClassifier(**training)
    cfq = CFQClassifier(rounding=options.rounding, **training)
    # A plain teacher stops early; in a student's fit it takes over early_stopping.
    plain.set_params(teacher=FullPrecisionClassifier(**common))
    cfq.set_params(teacher=FullPrecisionClassifier(**common))
    times, epochs = {}, {}
    for name, model in (("QAT", plain), ("faithful CFQ", cfq)):
        times[name], fitted = seconds(lambda model=model: model.fit(X, y))
        epochs[name] = float(np.median([epoch["dur"] for epoch in fitted.history_]))
        model.set_params(teacher=FrozenEstimator(teacher))
        given = f"{name}, teacher given"
        times[given], _ = seconds(lambda model=model: model.fit(X, y))
        model.set_params(teacher=FullPrecisionClassifier(**common))

    with tempfile.TemporaryDirectory() as memory:
        cfq.set_params(memory=memory)
        times["grid over 5 budgets, memory="], _ = seconds(
            lambda: [cfq.set_params(bit_budget=budget).fit(X, y) for budget in BUDGETS]
        )

    cfq.set_params(bit_budget=4, memory=None)
    one, _ = seconds(lambda: cfq.fit(X, y), time.perf_counter)
    search, _ = seconds(lambda: search_budgets(cfq, X, y), time.perf_counter)

    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {len(X)} rows, seed 0")
    for name, value in times.items():
        print(f"{name:32}{value:8.1f} s")
    for name, value in epochs.items():
        print(f"{name + ', an epoch':32}{value:8.3f} s")
    whole = times["faithful CFQ"] / times["QAT"]
    given = times["faithful CFQ, teacher given"] / times["QAT, teacher given"]
    grid = times["grid over 5 budgets, memory="] / times["faithful CFQ"]
    print(f"faithful CFQ / QAT: {whole:.2f}; teacher given: {given:.2f}")
    print(f"grid over 5 budgets / one fit: {grid:.2f}")
    print(
        f"by the clock: one fit {one:.1f} s, GridSearchCV over 5 budgets in two processes "
        f"{search:.1f} s: {search / one:.2f}"
    )


if __name__ == "__main__":
    main()
