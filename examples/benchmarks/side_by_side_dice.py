"""Recourse of skcfq and of dice-ml, on the same model, people and constraints.

The model is a scikit-learn Pipeline that ends in an MLPClassifier, trained on Adult. The people
are refused ones of the test split; the survey weight is left out. Age, sex, race and native
country never change; education-num only rises; hours stay between 1 and 60; other numbers stay
within the training range; numbers move by whole units. dice-ml is told so by ``features_to_vary``
and, person by person, by ``permitted_range``. (It has no limit on the number of changes; none is
set for either.)

For each method the table has seconds per person, the share of people with a valid action (by the
pipeline's own ``predict`` on the row that came out), the share of all returned rows that break a
constraint, by kind, and costs: numbers in standard deviations, a change of category 1. Mean costs
are over the people whom all methods serve that serve anybody, since who is served only where it is easy looks cheap.

    pip install skcfq[benchmark]
    python examples/benchmarks/side_by_side_dice.py

The data come from the folder in the environment variable SKCFQ_DATA, else they are downloaded.
Times on shared machines vary: quote ratios within one run.
"""

import argparse
import contextlib
import importlib.metadata
import io
import os
import platform
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import ActionSet, CoordinateSolver, GreedySolver
from skcfq.datasets import fetch_adult
from skcfq.estimators import classifier_view

FIXED = ("age", "sex", "race", "native-country")
HOURS = (1, 60)


def load(n_rows, n_people, seed):
    """Training rows and labels, a fitted pipeline, and refused people."""
    data = fetch_adult()
    random = np.random.default_rng(seed)
    # dice-ml wants plain objects for words.
    frame = (
        data.data.astype({c: object for c in data.data if data.data[c].dtype.kind not in "iuf"})
        .fillna("missing")
        .drop(columns="fnlwgt")
    )
    labels = (data.target == data.favourable).astype(int)
    train = random.permutation(data.train_index)[:n_rows]
    X, y = frame.iloc[train], labels.iloc[train]
    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (
                OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
                make_column_selector(dtype_exclude="number"),
            ),
        ),
        MLPClassifier((64, 32), early_stopping=True, random_state=seed),
    ).fit(X, y)
    test = frame.iloc[random.permutation(data.test_index)]
    known = np.all([test[c].isin(X[c]) | (test[c].dtype.kind in "iuf") for c in test], axis=0)
    inside = (test["hours-per-week"] <= HOURS[1]).to_numpy()
    test = test[known & inside]
    people = test[model.predict(test) == 0].head(n_people)
    print(
        f"accuracy of the pipeline on the test split: {model.score(frame.iloc[data.test_index], labels.iloc[data.test_index]):.3f}"
    )
    return X, y, model, people


class Judge:
    """Validity, violations and costs of rows, whoever made them, against the training rows."""

    def __init__(self, X, model):
        self.X, self.model = X, model
        self.numbers = [c for c in X if X[c].dtype.kind in "iuf"]
        self.words = [c for c in X if c not in self.numbers]
        self.deviation = X[self.numbers].std(ddof=0)

    def permitted(self, person):
        """Limits of the numbers that may move."""
        limits = {c: [self.X[c].min(), self.X[c].max()] for c in self.numbers if c not in FIXED}
        limits["hours-per-week"] = list(HOURS)
        limits["education-num"] = [person["education-num"], self.X["education-num"].max()]
        return limits

    def __call__(self, people, after):
        """One row of figures per person, NaN where there is no row."""
        rows = []
        for (_, before), new in zip(people.iterrows(), after, strict=True):
            if new is None:
                rows.append({"returned": False, "valid": False})
                continue
            new = new[self.X.columns]
            number = pd.to_numeric(new[self.numbers]).astype(float)
            moved = (number - before[self.numbers].astype(float)).abs()
            changed = new[self.words].astype(str) != before[self.words].astype(str)
            limits = self.permitted(before)
            frame = new.to_frame().T.astype(
                self.X.dtypes.to_dict() | dict.fromkeys(self.numbers, float)
            )
            rows.append(
                {
                    "returned": True,
                    "valid": self.model.predict(frame)[0] == 1,
                    "immutable": any((moved if c in moved else changed)[c] for c in FIXED),
                    "bounds": any(
                        moved[c] > 0 and not low <= number[c] <= high
                        for c, (low, high) in limits.items()
                    ),
                    "fraction": bool((number != number.round()).any()),
                    "category": any(new[c] not in set(self.X[c]) for c in self.words),
                    "changes": int((moved > 0).sum() + changed.sum()),
                    "cost": float((moved / self.deviation).sum() + changed.sum()),
                }
            )
        return pd.DataFrame(rows, index=people.index)


def ours(solver, X, model, people):
    """Rows of one of our solvers, and the seconds that it took."""
    numbers = [c for c in X if X[c].dtype.kind in "iuf" and c not in FIXED]
    actions = ActionSet(
        immutable=FIXED,
        increase_only=["education-num"],
        bounds={"hours-per-week": HOURS},
        step=dict.fromkeys(numbers, 1),
    )
    view = classifier_view(model, X)
    space = view.bind(actions, X)
    start = time.perf_counter()
    result = view.solve(solver, people, 1, space)
    seconds = time.perf_counter() - start
    rows = [
        row if ok else None
        for (_, row), ok in zip(result.counterfactual.iterrows(), result.success, strict=True)
    ]
    return rows, seconds, len(people)


def theirs(method, X, y, model, people, judge, limit):
    """Rows of one method of dice-ml, and the seconds of its searches; stops after `limit` seconds."""
    import dice_ml

    numbers = [c for c in X if X[c].dtype.kind in "iuf"]
    data = dice_ml.Data(
        dataframe=X.assign(income=y), continuous_features=numbers, outcome_name="income"
    )
    explainer = dice_ml.Dice(data, dice_ml.Model(model=model, backend="sklearn"), method=method)
    options = {} if method == "kdtree" else {"random_seed": 0} if method == "random" else {}
    rows, start = [], time.perf_counter()
    for i in range(len(people)):
        if time.perf_counter() - start > limit:
            break
        person = people.iloc[[i]]
        try:
            with (
                contextlib.redirect_stderr(io.StringIO()),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                found = explainer.generate_counterfactuals(
                    person, total_CFs=1, desired_class=1, verbose=False,
                    features_to_vary=[c for c in X if c not in FIXED],
                    permitted_range=judge.permitted(person.iloc[0]), **options,
                )  # fmt: skip
            table = found.cf_examples_list[0].final_cfs_df
        except Exception as error:
            if "No counterfactuals found" not in str(error):
                print(f"  {method}, person {i}: {type(error).__name__}: {str(error)[:200]}")
            table = None
        rows.append(None if table is None or len(table) == 0 else table.iloc[0])
    return rows, time.perf_counter() - start, len(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--rows", type=int, default=10_000, help="training rows")
    parser.add_argument("--limit", type=float, default=600, help="seconds per dice-ml method")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    versions = [
        f"{p} {importlib.metadata.version(p)}" for p in ("dice-ml", "scikit-learn", "torch")
    ]
    print(f"{platform.machine()}, {os.cpu_count()} cores, {', '.join(versions)}")
    X, y, model, people = load(options.rows, options.people, options.seed)
    judge = Judge(X, model)
    tables = {}
    runs = {
        "skcfq GreedySolver": lambda: ours(GreedySolver(), X, model, people),
        "skcfq CoordinateSolver": lambda: ours(CoordinateSolver(), X, model, people),
        **{
            f"dice-ml {method}": lambda method=method: theirs(
                method, X, y, model, people, judge, options.limit
            )
            for method in ("random", "genetic", "kdtree")
        },
    }
    ours(GreedySolver(), X, model, people.head(2))  # code paths warm
    for name, run in runs.items():
        rows, seconds, n_asked = run()
        tables[name] = judge(people.head(n_asked), rows)
        tables[name].attrs["seconds"] = seconds / n_asked
    show(tables)


def show(tables):
    """Print the figures of every method."""
    served_by = {name: set(table.index[table["valid"]]) for name, table in tables.items()}
    # A method that serves nobody would leave nothing to compare.
    everybody = set.intersection(*(people for people in served_by.values() if people))
    print(f"{len(everybody)} people are served by all methods that serve anybody")
    lines = {}
    for name, table in tables.items():
        got = table[table["returned"]]
        served = table.loc[table["valid"]]
        lines[name] = {
            "people asked": len(table),
            "s/person": f"{table.attrs['seconds']:.4f}",
            "row returned": f"{table['returned'].mean():.0%}",
            "valid": f"{len(served) / len(table):.0%}",
        }
        for kind in ("immutable", "bounds", "fraction", "category"):
            lines[name][f"breaks: {kind}"] = f"{got[kind].mean():.0%}" if len(got) else "-"
        common = table.loc[[i for i in table.index if i in everybody and i in served.index]]
        lines[name]["mean cost"] = f"{common['cost'].mean():.2f}" if len(common) else "-"
        lines[name]["mean changes"] = f"{common['changes'].mean():.1f}" if len(common) else "-"
        lines[name]["median cost of all served"] = (
            f"{served['cost'].median():.2f}" if len(served) else "-"
        )
    print(pd.DataFrame(lines).to_string())


if __name__ == "__main__":
    main()
