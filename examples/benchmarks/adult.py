"""Time and memory of the main path on Adult, and how they grow with the number of rows.

Prints, for a quarter, a half and all of Adult's training rows: seconds of the teacher's fit, of
its recourse on all rows, of the whole fit of a CFQClassifier, of an audit on as many test rows,
and the largest memory of the process so far. Each size runs in a process of its own.

    python examples/benchmarks/adult.py

The data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded.
Times on shared machines vary: compare within one run, quote ratios.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time

import numpy as np


def measure(share, seed):
    """Figures for a share of the training rows."""
    import torch
    from sklearn.frozen import FrozenEstimator

    from skcfq import CFQClassifier, FullPrecisionClassifier, QATClassifier, RecourseAuditor
    from skcfq.datasets import fetch_adult

    data = fetch_adult()
    random = np.random.default_rng(seed)
    rows = random.permutation(data.train_index)[: int(share * len(data.train_index))]
    X, y = data.data.iloc[rows], data.target.iloc[rows]
    test = random.permutation(data.test_index)[: int(share * len(data.test_index))]
    X_test, y_test = data.data.iloc[test], data.target.iloc[test]
    common = {"actions": data.actions, "target": data.favourable, "random_state": seed}
    figures = {"rows": len(rows)}

    def clock(name, work):
        start = time.perf_counter()
        result = work()
        figures[name] = time.perf_counter() - start
        return result

    torch.zeros(1)
    teacher = clock("teacher fit", lambda: FullPrecisionClassifier(**common).fit(X, y))
    figures["teacher epochs"] = len(teacher.history_)
    teacher.solve_recourse(X.head(100))  # code paths warm
    solved = clock("teacher recourse", lambda: teacher.solve_recourse(X))
    figures["recourse rows/s"] = len(rows) / figures["teacher recourse"]
    figures["need recourse"] = int(solved.needed.sum())
    clf = clock("CFQ fit, teacher and recourse included", lambda: CFQClassifier(**common).fit(X, y))
    figures["CFQ epochs"] = len(clf.history_)
    figures["seconds per CFQ epoch"] = float(np.median([epoch["dur"] for epoch in clf.history_]))
    plain = QATClassifier(teacher=FrozenEstimator(teacher), **common)
    plain = clock("plain QAT fit, teacher given", lambda: plain.fit(X, y))
    figures["seconds per QAT epoch"] = float(np.median([epoch["dur"] for epoch in plain.history_]))
    auditor = RecourseAuditor(clf.teacher_, clf, actions=data.actions, target=data.favourable)
    auditor.fit(X, y)
    result = clock("audit", lambda: auditor.audit(X_test, y_test))
    figures["audit rows/s"] = len(test) / figures["audit"]
    figures["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["teacher accuracy"] = float(teacher.score(X_test, y_test))
    for name in ("accuracy", "validity_drop", "abs_recourse_gap", "decision_flips"):
        figures[f"CFQ {name}"] = float(result.measures[name])
    figures["average bits"] = clf.average_bits_
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.one, options.seed)))
        return
    columns = []
    for share in options.shares:
        command = [sys.executable, __file__, "--one", str(share), "--seed", str(options.seed)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        columns.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, seed {options.seed}")
    width = max(map(len, columns[0])) + 2
    for name in columns[0]:
        print(f"{name:<{width}}" + "".join(f"{column[name]:>14,.4g}" for column in columns))


if __name__ == "__main__":
    main()
