"""Time of a faithful fit against plain quantization-aware training, and of a grid over budgets.

Fits on Adult's training rows, 20 epochs each without early stopping, and prints

- seconds of a QATClassifier and of a CFQClassifier with its default, the faithful objective, from
  raw rows: each trains the same teacher, and CFQ solves its recourse too;
- the same with the teacher given, and seconds of an epoch;
- seconds of a grid over five bit budgets with ``memory=``, and how many single fits that is.

    python examples/benchmarks/faithful_fit.py

The data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded.
Times on shared machines vary: each ratio is taken within one run, of processor seconds.
"""

import argparse
import os
import platform
import tempfile
import time

import numpy as np
from sklearn.frozen import FrozenEstimator

from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier
from skcfq.datasets import fetch_adult

BUDGETS = (2, 3, 4, 6, 8)


def seconds(work):
    """Processor seconds and result: other programs on the machine do not count."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, help="learn from the first ROWS people only")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    data = fetch_adult()
    rows = data.train_index[: options.rows]
    X, y = data.data.iloc[rows], data.target.iloc[rows]
    common = {"actions": data.actions, "target": data.favourable, "random_state": 0}
    training = {**common, "max_epochs": options.epochs, "early_stopping": False}

    teacher = FullPrecisionClassifier(**common).fit(X, y)
    teacher.solve_recourse(X.head(100))  # code paths warm
    plain, cfq = QATClassifier(**training), CFQClassifier(**training)
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


if __name__ == "__main__":
    main()
