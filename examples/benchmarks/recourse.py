"""Recourse solvers side by side: speed, cost against the proven optimum, what is found.

For Adult, German Credit and COMPAS, with the paper's action sets and with realistic ones, for a
full-precision network (128-64), logistic regression, and quantized networks with 4-bit weights,
4-bit weights and activations, and 2-bit weights and activations, it prints, for each solver on
test people who need recourse:

- rows per second, all test people in one call,
- mean and 95th percentile of its cost over ExactSolver's, on people for whom that is proven,
- the share of a sample for whom it finds recourse,
- the mean recourse gap of quantized networks to their teacher on it, as these costs tell it,

for ExactSolver with so few regions that hardly anything is proven ("short", the sample alone) the same,
and for ExactSolver the share proven (optimal or infeasible) and seconds per person.

    python examples/benchmarks/recourse.py
    python examples/benchmarks/recourse.py --data compas --models teacher --people 20

The data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded.
Times on shared machines vary: compare within one run, quote ratios.
"""

import argparse
import os
import platform
import time

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skcfq import (
    CFQClassifier,
    ExactSolver,
    FullPrecisionClassifier,
    GreedySolver,
    PGDSolver,
    datasets,
)
from skcfq.metrics import recourse_gap

FETCH = {
    "adult": datasets.fetch_adult,
    "german": datasets.fetch_german_credit,
    "compas": datasets.fetch_compas,
}
QUANTIZED = {
    "4-bit weights": {"bit_budget": 4},
    "4-bit weights, activations": {"bit_budget": 4, "activation_bits": 4},
    "2-bit weights, activations": {"bits": 2, "bit_budget": 2, "activation_bits": 2},
}
MODELS = ("teacher", "logistic regression", *QUANTIZED)
HEADER = (
    f"{'data':7}{'actions':11}{'model':28}{'need':>6} | {'exact: proven':>13}{'infeas.':>8}"
    f"{'s/person':>9} | {'solver':9}{'rows/s':>8}{'mean':>8}{'p95':>8}{'found':>8}{'of':>5}{'gap':>8}"
)


def split(data):
    """Training and test rows: as published, or 70 to 30 in every class."""
    if data.get("train_index") is not None:
        return data.train_index, data.test_index
    everyone = np.arange(len(data.target))
    return train_test_split(everyone, test_size=0.3, stratify=data.target, random_state=0)


def fit_models(data, rows, names, actions):
    """The networks of the wanted names, on the same rows."""
    X, y = data.data.iloc[rows], data.target.iloc[rows]
    common = {"actions": actions, "target": data.favourable, "random_state": 0}
    teacher = FullPrecisionClassifier(**common).fit(X, y)
    for name in names:
        if name == "teacher":
            yield name, teacher
        elif name == "logistic regression":
            yield name, FullPrecisionClassifier((), **common).fit(X, y)
        else:
            quantized = CFQClassifier(teacher=FrozenEstimator(teacher), **QUANTIZED[name], **common)
            yield name, quantized.fit(X, y)


def measure(model, X, n_people, time_limit, max_regions):
    """Rows of figures, one for each solver."""
    solvers = {"greedy": GreedySolver(), "pgd": PGDSolver()}
    results, rates = {}, {}
    for name, solver in solvers.items():
        model.set_params(solver=solver)
        model.solve_recourse(X.head(50))  # code paths warm
        began = time.perf_counter()
        results[name] = model.solve_recourse(X)
        rates[name] = len(X) / (time.perf_counter() - began)
    needy = np.flatnonzero(results["greedy"].needed)
    if not len(needy):
        return None
    random = np.random.default_rng(0)
    who = np.sort(random.choice(needy, min(n_people, len(needy)), replace=False))
    model.set_params(solver=ExactSolver(time_limit=time_limit))
    began = time.perf_counter()
    exact = model.solve_recourse(X.iloc[who])
    seconds = (time.perf_counter() - began) / len(who)
    optimal, infeasible = exact.status == "optimal", exact.status == "infeasible"
    sampled = {name: (found.cost[who], found.success[who]) for name, found in results.items()}
    if max_regions:
        model.set_params(solver=ExactSolver(time_limit=float("inf"), max_regions=max_regions))
        began = time.perf_counter()
        found = model.solve_recourse(X.iloc[who])
        rates["short"] = len(who) / (time.perf_counter() - began)
        sampled["short"] = found.cost, found.success
    rates["exact"], sampled["exact"] = 1 / seconds, (exact.cost, exact.success)
    teacher = getattr(model, "teacher_", None)
    before = teacher.solve_recourse(X.iloc[who]).cost if teacher else np.full(len(who), np.nan)
    rows = []
    for name, (cost, success) in sampled.items():
        ratio = cost[optimal] / exact.cost[optimal]
        ratio = ratio[np.isfinite(ratio)]
        mean, p95 = (ratio.mean(), np.percentile(ratio, 95)) if len(ratio) else (np.nan, np.nan)
        gap = float(recourse_gap(before, cost, n_resamples=0))
        n_found = int(success.sum()), int(exact.success.sum())
        rows.append((name, rates[name], mean, p95, *n_found, gap))
    return len(needy), np.mean(optimal | infeasible), np.mean(infeasible), seconds, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=FETCH, default=list(FETCH))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument(
        "--actions", nargs="+", choices=("paper", "realistic"), default=["paper", "realistic"]
    )
    parser.add_argument("--people", type=int, default=200, help="sampled for ExactSolver")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds per person")
    parser.add_argument(
        "--max-regions", type=int, default=20_000, help="of a person in the short search, 0: none"
    )
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, seed 0")
    print(HEADER, flush=True)
    for data_name in options.data:
        data = FETCH[data_name]()
        train, test = split(data)
        for kind in options.actions:
            actions = data.actions if kind == "paper" else data.realistic_actions
            for name, model in fit_models(data, train, options.models, actions):
                figures = measure(
                    model,
                    data.data.iloc[test],
                    options.people,
                    options.time_limit,
                    options.max_regions,
                )
                begin = f"{data_name:7}{kind:11}{name:28}"
                if figures is None:
                    print(f"{begin}     0 | nobody needs recourse", flush=True)
                    continue
                need, proven, infeasible, seconds, rows = figures
                begin += f"{need:6} | {proven:13.1%}{infeasible:8.1%}{seconds:9.3f} | "
                for solver, rate, mean, p95, found, of, gap in rows:
                    print(
                        f"{begin}{solver:9}{rate:8,.{0 if rate >= 100 else 1}f}{mean:8.4f}{p95:8.4f}{found:8}{of:5}{gap:8.4f}",
                        flush=True,
                    )
                    begin = f"{'':52} | {'':30} | "


if __name__ == "__main__":
    main()
