"""Recourse of a million people, a part at a time: time and memory, and how they grow.

Prints, for a quarter, a half and a whole million of synthetic applicants: seconds, rows per second,
the share served, and the largest memory of the process, each size in a process of its own. The
applicants are drawn part by part, so that nothing ever holds them all.

    python examples/benchmarks/million.py

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

SIZES = (250_000, 500_000, 1_000_000)
PART = 50_000


def measure(n_people):
    """Figures for a number of people."""
    from skcfq import FullPrecisionClassifier
    from skcfq.datasets import make_recourse_classification

    data = make_recourse_classification(n_samples=4000, random_state=0)
    clf = FullPrecisionClassifier(actions=data.actions, target=data.favourable, random_state=0)
    clf.fit(data.data, data.target)
    drawing = 0.0

    def people():
        nonlocal drawing
        for part in range(n_people // PART):
            began = time.perf_counter()
            rows = make_recourse_classification(n_samples=PART, random_state=part + 1).data
            drawing += time.perf_counter() - began
            yield rows

    began, needed, served = time.perf_counter(), 0, 0
    for found in clf.iter_recourse(people(), verbose=True):
        status = found["recourse_status"]
        needed += int((status != "not needed").sum())
        served += int((status == "found").sum())
    seconds = time.perf_counter() - began - drawing
    return {
        "people": n_people,
        "need recourse": needed,
        "share served": served / needed,
        "seconds, drawing left out": seconds,
        "rows/s": n_people / seconds,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.one)))
        return
    columns = []
    for size in SIZES:
        command = [sys.executable, __file__, "--one", str(size)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        columns.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    for name in columns[0]:
        print(f"{name:<28}" + "".join(f"{column[name]:>14,.4g}" for column in columns))


if __name__ == "__main__":
    main()
