"""
Choosing a bit budget on Adult
==============================

Adult asks whether a person earns more than 50,000 dollars a year. Whoever deploys such a model
decides by it about real people, of whom most are refused; those harmed by a careless bit budget are
the ones who follow advice that the small model no longer honours. So the budget is chosen by a
rule that looks at advice first: the most accurate model among those that keep it.

Both ways in are shown:

- ``CFQClassifier(preprocessor=...)`` takes raw rows, and gives recourse in raw units;
- in ``Pipeline([ColumnTransformer, CFQClassifier])`` it takes what the user's own steps encoded.

With ``memory=`` the teacher of a fold, and its recourse, are computed once for all budgets. Look at
the columns beside the validity drop too: a model can keep advice by being lenient, and then the
recourse gap is large.

The data files come from the folder that ``SKCFQ_DATA`` names, else from the publisher. Run it by
hand, since all rows take minutes: ``python grid_search_adult.py --rows 5000`` is quicker.
"""

import argparse
import tempfile
import time
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skcfq import CFQClassifier
from skcfq.datasets import fetch_adult
from skcfq.metrics import recourse_scoring, select_best

BUDGETS = [2, 3, 4, 8]


def make_encoder():
    """The user's own preprocessing; a category that is rare or new is 'infrequent'."""
    numbers = make_column_selector(dtype_include="number")
    categories = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False
    )
    encoder = ColumnTransformer([("num", StandardScaler(), numbers), ("cat", one_hot, categories)])
    return encoder.set_output(transform="pandas")


def make_searches(actions, memory, max_epochs):
    """A grid over bit budgets for each way in."""
    shared = {
        "actions": actions, "target": ">50K", "memory": memory, "max_epochs": max_epochs,
        "random_state": 0,
    }  # fmt: skip
    grid = {
        "n_jobs": 2, "cv": 3, "scoring": recourse_scoring(), "error_score": "raise",
        "refit": select_best(max_validity_drop=0.05),
    }  # fmt: skip
    raw = CFQClassifier(preprocessor=make_encoder(), **shared)
    pipeline = Pipeline(
        [("encode", make_encoder()), ("cfq", CFQClassifier(preprocessor=None, **shared))]
    )
    return {
        "CFQClassifier(preprocessor=...)": GridSearchCV(raw, {"bit_budget": BUDGETS}, **grid),
        "Pipeline": GridSearchCV(pipeline, {"cfq__bit_budget": BUDGETS}, **grid),
    }


def table_of(search):
    """Mean figures of each cell, as shares."""
    cells = pd.DataFrame(search.cv_results_)
    budgets = cells.filter(regex="^param_.*bit_budget$").iloc[:, 0]
    figures = {
        "accuracy": cells["mean_test_accuracy"],
        "validity drop": 0 - cells["mean_test_neg_validity_drop"],
        "|recourse gap|": 0 - cells["mean_test_neg_abs_recourse_gap"],
        "changed decisions": 0 - cells["mean_test_neg_decision_flips"],
        "fit (s)": cells["mean_fit_time"],
    }
    table = pd.DataFrame({"bit budget": budgets, **figures}).set_index("bit budget")
    return table.astype(float).round(3)


def main(rows=None, max_epochs=30, output="adult-cfq.joblib"):
    """Search, print and save."""
    adult = fetch_adult()
    train, test = adult.train_index[:rows], adult.test_index[:rows]
    X, y = adult.data.iloc[train], adult.target.iloc[train]
    X_test, y_test = adult.data.iloc[test], adult.target.iloc[test]

    with tempfile.TemporaryDirectory() as cache:
        for name, search in make_searches(adult.actions, cache, max_epochs).items():
            started = time.perf_counter()
            search.fit(X, y)
            print(f"\n{name}: {len(X):,} people, 3 folds, {time.perf_counter() - started:.0f} s")
            print(table_of(search).to_string())
            chosen = search.best_params_
            print(f"chosen: {chosen}; on the {len(X_test):,} test people:")
            best = search.best_estimator_
            print(best.score(X_test, y_test))
            # The cache ends with this program: its path need not be in the file.
            best.set_params(**{key.replace("bit_budget", "memory"): None for key in chosen})
            path = Path(output).with_stem(f"{Path(output).stem}-{name.split('(')[0].lower()}")
            joblib.dump(best, path)
            same = (joblib.load(path).predict(X_test) == best.predict(X_test)).all()
            print(f"saved as {path}, {path.stat().st_size / 1024:,.0f} KiB, same decisions: {same}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rows", type=int, help="train and test on the first ROWS people only")
    parser.add_argument("--max-epochs", type=int, default=30)
    parser.add_argument("--output", default="adult-cfq.joblib")
    main(**vars(parser.parse_args()))
