"""Fitted preprocessors of all kinds that an Encoding reads, and their training rows."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

NUMBERS = ("age", "debt")
CATEGORIES = {"job": ("none", "part", "full", "rare", "odd"), "sex": ("f", "m"), "level": (1, 2, 4)}
NAMES = (*NUMBERS, *CATEGORIES)


def training_rows(n=60):
    """Rows in which "rare" and "odd" are infrequent."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.normal(40, 12, n),
            "debt": random.exponential(900, n),
            "job": np.array([*["none", "part", "full"] * (n // 3), "rare", "odd"], dtype=object)[
                -n:
            ],
            "sex": random.choice(["f", "m"], n),
            "level": random.choice([1, 2, 4], n),
        }
    ).astype({"sex": object})


def _columns(numbers, categories, **options):
    """A ColumnTransformer with one branch for numbers and one for categories."""
    return ColumnTransformer(
        [("num", numbers, list(NUMBERS)), ("cat", categories, list(CATEGORIES))],
        **{"sparse_threshold": 0.0, **options},
    )


def _one_hot(**options):
    return OneHotEncoder(sparse_output=False, **options)


def _imputed(strategy="most_frequent"):
    return SimpleImputer(strategy=strategy)


def _selected(kind):
    return make_column_selector(**{f"dtype_{kind}": ["float64"]})


#: Each transforms every column of `training_rows`, and no two categories share a code.
READABLE = {
    "standard": lambda: _columns(StandardScaler(), _one_hot()),
    "standard without mean": lambda: _columns(StandardScaler(with_mean=False), _one_hot()),
    "standard without std": lambda: _columns(StandardScaler(with_std=False), _one_hot()),
    "minmax": lambda: _columns(MinMaxScaler((-1, 3)), _one_hot()),
    "maxabs": lambda: _columns(MaxAbsScaler(), _one_hot()),
    "robust": lambda: _columns(RobustScaler(), _one_hot()),
    "robust, centred only": lambda: _columns(RobustScaler(with_scaling=False), _one_hot()),
    "numbers as they are": lambda: _columns("passthrough", _one_hot()),
    "identity function": lambda: _columns(FunctionTransformer(), _one_hot()),
    "two scalers": lambda: _columns(make_pipeline(MinMaxScaler(), StandardScaler()), _one_hot()),
    "imputed numbers": lambda: _columns(
        make_pipeline(_imputed("median"), StandardScaler()), _one_hot()
    ),
    "nested pipelines": lambda: _columns(
        make_pipeline(
            make_pipeline(_imputed("mean"), "passthrough"), make_pipeline(MinMaxScaler())
        ),
        make_pipeline(make_pipeline(_one_hot())),
    ),
    "drop first": lambda: _columns(StandardScaler(), _one_hot(drop="first")),
    "drop if binary": lambda: _columns(StandardScaler(), _one_hot(drop="if_binary")),
    "drop named": lambda: _columns(StandardScaler(), _one_hot(drop=["part", "m", 4])),
    "unknown ignored": lambda: _columns(StandardScaler(), _one_hot(handle_unknown="ignore")),
    "sparse": lambda: _columns(StandardScaler(), OneHotEncoder(), sparse_threshold=1.0),
    "categories given": lambda: _columns(
        StandardScaler(),
        _one_hot(categories=[[*CATEGORIES["job"], "new"], ["m", "f"], [1, 2, 3, 4]]),
    ),
    "imputed categories": lambda: _columns(
        StandardScaler(), make_pipeline(_imputed(), _one_hot(drop="first"))
    ),
    "scaled codes": lambda: _columns(
        StandardScaler(), make_pipeline(_one_hot(drop="if_binary"), StandardScaler())
    ),
    "ordinal": lambda: _columns(StandardScaler(), OrdinalEncoder()),
    "ordinal, ordered": lambda: _columns(
        StandardScaler(),
        OrdinalEncoder(categories=[[*CATEGORIES["job"]], ["m", "f"], [1, 2, 3, 4]]),
    ),
    "ordinal, scaled": lambda: _columns(
        StandardScaler(), make_pipeline(OrdinalEncoder(), StandardScaler())
    ),
    "ordinal, unknown coded": lambda: _columns(
        "passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ),
    "pandas output": lambda: _columns(
        make_pipeline(_imputed("mean"), StandardScaler()),
        make_pipeline(_imputed(), _one_hot(), StandardScaler()),
    ).set_output(transform="pandas"),
    "frozen": lambda: _columns(
        FrozenEstimator(make_pipeline(StandardScaler(), MinMaxScaler()).fit(_part(NUMBERS))),
        FrozenEstimator(_one_hot().fit(_part(CATEGORIES))),
    ),
    "remainder as it is": lambda: ColumnTransformer(
        [("cat", _one_hot(), list(CATEGORIES))], remainder="passthrough"
    ),
    "remainder scaled": lambda: ColumnTransformer(
        [("cat", _one_hot(), list(CATEGORIES))], remainder=StandardScaler()
    ),
    "slices of names": lambda: ColumnTransformer(
        [("cat", _one_hot(), slice("job", None)), ("num", StandardScaler(), slice("age", "debt"))]
    ),
    "slices of positions": lambda: ColumnTransformer(
        [("cat", _one_hot(), slice(2, None)), ("num", StandardScaler(), slice(-5, -3))]
    ),
    "masks": lambda: ColumnTransformer(
        [
            ("cat", _one_hot(), [False, False, True, True, True]),
            ("num", StandardScaler(), np.array([True, True, False, False, False])),
        ]
    ),
    "negative positions": lambda: ColumnTransformer(
        [("cat", _one_hot(), [-1, -3, 3]), ("num", StandardScaler(), [-4, 0])]
    ),
    "functions of the frame": lambda: ColumnTransformer(
        [("num", StandardScaler(), _selected("include")), ("cat", _one_hot(), _selected("exclude"))]
    ),
    "order mixed up": lambda: ColumnTransformer(
        [
            ("a", _one_hot(), ["sex"]),
            ("b", MinMaxScaler(), ["debt", "age"]),
            ("c", _one_hot(), ["level", "job"]),
        ]
    ),
    "empty branch": lambda: ColumnTransformer(
        [("none", StandardScaler(), []), ("num", StandardScaler(), list(NUMBERS))],
        remainder=_one_hot(),
    ),
    "scaler behind": lambda: make_pipeline(_columns("passthrough", _one_hot()), StandardScaler()),
    "identity in front": lambda: make_pipeline(
        FunctionTransformer(), _columns(StandardScaler(), _one_hot())
    ),
    "imputer in front": lambda: make_pipeline(
        _imputed().set_output(transform="pandas"), _columns(StandardScaler(), _one_hot())
    ),
    "ColumnTransformer in a ColumnTransformer": lambda: ColumnTransformer(
        [("all", _columns(StandardScaler(), _one_hot()), slice(None))]
    ),
    "ColumnTransformer behind another": lambda: make_pipeline(
        _columns(StandardScaler(), OrdinalEncoder()),
        ColumnTransformer(
            [("again", _one_hot(), [2, 4]), ("on", MinMaxScaler(), [3, 0])], remainder="passthrough"
        ),
    ),
    "codes encoded once more": lambda: make_pipeline(
        _columns(StandardScaler(), _one_hot()),
        ColumnTransformer(
            [("on", StandardScaler(), [0, 1]), ("bits", _one_hot(drop="first"), slice(2, None))]
        ),
    ),
}


def _part(names):
    return training_rows()[list(names)]


def fitted(name):
    """A preprocessor of `READABLE`, fitted to the training rows."""
    return READABLE[name]().fit(training_rows())
