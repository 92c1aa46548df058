"""How each raw feature appears in the encoded matrix that a network sees."""

import copy
import dataclasses

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)


@dataclasses.dataclass(frozen=True)
class AffineFeature:
    """A numeric feature with ``encoded = scale * raw + offset`` in one column.

    Attributes
    ----------
    name : str or int
        Name of the raw feature.
    raw_column : int
        Its position in the raw frame.
    column : int
        Its position in the encoded matrix.
    scale, offset : float
        Encoded units per raw unit, and the encoded value of raw 0.
    """

    name: object
    raw_column: int
    column: int
    scale: float
    offset: float


@dataclasses.dataclass(frozen=True)
class TableFeature:
    """A feature with finitely many values, each with its own encoded vector.

    Attributes
    ----------
    name : str or int
        Name of the raw feature, or of the one-hot group.
    raw_columns : tuple of int
        Positions in the raw frame: one, or all columns of a one-hot group.
    columns : ndarray of shape (n_columns,)
        Positions in the encoded matrix.
    categories : tuple
        The values' labels.
    values : ndarray of shape (n_categories, n_raw_columns), dtype object
        What stands in the raw frame for each category.
    table : ndarray of shape (n_categories, n_columns)
        Encoded vector of each category.
    """

    name: object
    raw_columns: tuple
    columns: np.ndarray
    categories: tuple
    values: np.ndarray
    table: np.ndarray

    def locate(self, frame):
        """Index of each row's category, -1 for a value that is not in the table."""
        if len(self.raw_columns) == 1:
            return category_codes(frame.iloc[:, self.raw_columns[0]], self.categories)
        rows = frame.iloc[:, list(self.raw_columns)].to_numpy(float)
        match = (rows[:, None, :] == self.values.astype(float)[None]).all(axis=2)
        return np.where(match.any(axis=1), match.argmax(axis=1), -1)


@dataclasses.dataclass(frozen=True)
class FixedFeature:
    """A raw feature that recourse cannot move, and why."""

    name: object
    raw_columns: tuple
    reason: str


def category_codes(column, categories):
    """Position of each value of a Series among `categories`; -1 where it is not one of them."""
    labels = pd.Index(list(categories), dtype=object)
    missing = np.asarray(pd.isna(labels))
    codes = pd.Index(column.astype(object)).map(
        {c: i for i, c in enumerate(labels) if not missing[i]}
    )
    codes = np.asarray(pd.Series(codes, dtype=object).fillna(-1).infer_objects(), dtype=np.int64)
    if missing.any():
        codes[column.isna().to_numpy()] = int(np.argmax(missing))
    return codes


class Encoding:
    """A fitted preprocessor, read as one record per raw feature.

    Parameters
    ----------
    preprocessor : fitted ColumnTransformer, Pipeline or transformer, or None
        ``None``: the raw frame is numeric and is the encoded matrix.
    feature_names : sequence of str or int
        Names of the raw columns.

    Attributes
    ----------
    features : tuple of AffineFeature, TableFeature or FixedFeature
        In raw column order.
    n_columns : int
        Width of the encoded matrix.
    """

    def __init__(self, preprocessor, feature_names):
        self.preprocessor = preprocessor
        self.feature_names = tuple(feature_names)
        self._following = None
        if preprocessor is None:
            self.n_columns = len(self.feature_names)
            self.features = tuple(
                AffineFeature(name, i, i, 1.0, 0.0) for i, name in enumerate(self.feature_names)
            )
        else:
            self.features, self.n_columns = _read_preprocessor(preprocessor, self.feature_names)

    def then(self, following):
        """This encoding followed by another one that only rescales, e.g. of a Pipeline's last step.

        Parameters
        ----------
        following : Encoding
            Its raw columns are this encoding's columns; all its features are affine.

        Returns
        -------
        Encoding
        """
        if not all(isinstance(f, AffineFeature) for f in following.features):
            raise TypeError(
                "The last step of the Pipeline encodes categories once more: leave the encoding to one step, "
                "or give the ColumnTransformer as preprocessor=..."
            )
        scale = np.array([f.scale for f in following.features])
        offset = np.array([f.offset for f in following.features])
        column = np.array([f.column for f in following.features])
        joined = copy.copy(self)
        joined._following = following
        joined.n_columns = following.n_columns
        features = []
        for f in self.features:
            if isinstance(f, AffineFeature):
                at = f.column
                f = dataclasses.replace(
                    f,
                    column=int(column[at]),
                    scale=f.scale * scale[at],
                    offset=f.offset * scale[at] + offset[at],
                )
            elif isinstance(f, TableFeature):
                at = f.columns
                f = dataclasses.replace(
                    f, columns=column[at], table=f.table * scale[at] + offset[at]
                )
            features.append(f)
        joined.features = tuple(features)
        return joined

    def encode(self, frame):
        """Encode raw rows in float64.

        Parameters
        ----------
        frame : DataFrame of shape (n_samples, n_raw_features)

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
        """
        if self.preprocessor is None:
            return frame.to_numpy(dtype=float)
        encoded = self.preprocessor.transform(frame)
        encoded = encoded.toarray() if hasattr(encoded, "toarray") else encoded
        encoded = np.asarray(encoded, dtype=float)
        if self._following is None:
            return encoded
        names = self._following.feature_names
        return self._following.encode(pd.DataFrame(encoded, columns=list(names)))

    def decode(self, encoded):
        """Raw rows of encoded ones; features that cannot be read back are missing.

        Parameters
        ----------
        encoded : ndarray of shape (n_samples, n_columns)

        Returns
        -------
        DataFrame of shape (n_samples, n_raw_features)
            Infrequent categories that share a code come back as the first of them.
        """
        encoded = np.asarray(encoded, dtype=float)
        raw = {i: np.full(len(encoded), np.nan) for i in range(len(self.feature_names))}
        for feature in self.features:
            if isinstance(feature, AffineFeature):
                raw[feature.raw_column] = (
                    encoded[:, feature.column] - feature.offset
                ) / feature.scale
            elif isinstance(feature, TableFeature):
                block = encoded[:, feature.columns]
                distance = ((block[:, None, :] - feature.table[None]) ** 2).sum(axis=2)
                values = feature.values[distance.argmin(axis=1)]
                for k, column in enumerate(feature.raw_columns):
                    raw[column] = pd.Series(list(values[:, k])).infer_objects().array
        return pd.DataFrame({self.feature_names[i]: column for i, column in raw.items()})

    def unknown_categories(self, frame):
        """Sentences about values that the encoder has not seen, empty if there are none."""
        problems = []
        for feature in self.features:
            if not isinstance(feature, TableFeature) or len(feature.raw_columns) != 1:
                continue
            column = frame.iloc[:, feature.raw_columns[0]]
            found = column[feature.locate(frame) < 0].drop_duplicates().tolist()
            if found:
                known = ", ".join(repr(c) for c in feature.categories[:8])
                more = ", ..." if len(feature.categories) > 8 else ""
                problems.append(
                    f"column {feature.name!r} holds {', '.join(repr(v) for v in found[:3])}"
                    f"{', ...' if len(found) > 3 else ''}, not seen in fit; known are {known}{more}."
                )
        return problems


def auto_preprocessor(frame, sample_weight=None):
    """Fit the preprocessor that ``preprocessor="auto"`` stands for.

    Numbers are standardised, but columns that hold only 0 and 1 stay as they are; all other
    columns become one-hot codes in which a missing value is a category of its own.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights for means and standard deviations.

    Returns
    -------
    ColumnTransformer
        Fitted.
    """
    numeric = [
        i
        for i, dtype in enumerate(frame.dtypes)
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    ]
    binary = [i for i in numeric if frame.iloc[:, i].isin((0, 1)).all()]
    scaled = [i for i in numeric if i not in set(binary)]
    categorical = [i for i in range(frame.shape[1]) if i not in set(numeric)]
    # Routing carries the weights through the ColumnTransformer to the scaler.
    with config_context(enable_metadata_routing=True):
        branches = [
            ("num", StandardScaler().set_fit_request(sample_weight=True), scaled),
            ("bin", "passthrough", binary),
            ("cat", OneHotEncoder(sparse_output=False), categorical),
        ]
        transformer = ColumnTransformer(
            [branch for branch in branches if branch[2]],
            verbose_feature_names_out=False,
            sparse_threshold=0.0,
        )
        params = {} if sample_weight is None or not scaled else {"sample_weight": sample_weight}
        return transformer.fit(frame, **params)


def _read_preprocessor(preprocessor, names):
    """Features of a fitted preprocessor, and the width of its output."""
    steps = _steps(preprocessor)
    if len(steps) == 1 and isinstance(steps[0], ColumnTransformer):
        preprocessor = steps[0]
        branches = [
            (transformer, _positions(columns, names), preprocessor.output_indices_[name])
            for name, transformer, columns in preprocessor.transformers_
        ]
        n_columns = max((out.stop for _, _, out in branches), default=0)
    else:
        n_columns = len(preprocessor.get_feature_names_out())
        branches = [(preprocessor, tuple(range(len(names))), slice(0, n_columns))]
    found = {}
    for transformer, raw_columns, out in branches:
        for feature in _read_branch(_steps(transformer), raw_columns, out, names):
            for raw in getattr(feature, "raw_columns", None) or (feature.raw_column,):
                found.setdefault(raw, []).append(feature)
    features = []
    for raw, name in enumerate(names):
        uses = [
            f
            for f in found.get(raw, [])
            if not (isinstance(f, FixedFeature) and f.reason == _DROPPED)
        ]
        if len(uses) == 1:
            features.append(uses[0])
        elif uses:
            features.append(FixedFeature(name, (raw,), "it feeds several transformers"))
        else:
            features.append(FixedFeature(name, (raw,), _DROPPED))
    return tuple(features), n_columns


_DROPPED = "the preprocessor drops it"


def _positions(columns, names):
    """Positions of a ColumnTransformer branch's columns."""
    if isinstance(columns, slice):
        lookup = {name: i for i, name in enumerate(names)}
        start, stop = columns.start, columns.stop
        if isinstance(start, str) or isinstance(stop, str):
            start = None if start is None else lookup[start]
            stop = None if stop is None else lookup[stop] + 1
        return tuple(range(len(names))[slice(start, stop, columns.step)])
    columns = np.atleast_1d(np.asarray(columns, dtype=object))
    if len(columns) and all(isinstance(c, (bool, np.bool_)) for c in columns):
        return tuple(np.flatnonzero(columns.astype(bool)).tolist())
    lookup = {name: i for i, name in enumerate(names)}
    return tuple(lookup[c] if isinstance(c, str) else int(c) % len(names) for c in columns)


def _steps(transformer):
    """Flatten nested Pipelines into a list of fitted transformers, without identities."""
    if isinstance(transformer, FrozenEstimator):
        return _steps(transformer.estimator)
    if isinstance(transformer, Pipeline):
        return [step for _, inner in transformer.steps for step in _steps(inner)]
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return []
    if isinstance(transformer, FunctionTransformer) and transformer.func is None:
        return []
    return [transformer]


def _read_branch(steps, raw_columns, out, names):
    """Features of one branch: affine, tables, or fixed where it is neither."""
    if steps and isinstance(steps[0], str) and steps[0] == "drop":
        return [FixedFeature(names[raw], (raw,), _DROPPED) for raw in raw_columns]
    columns = list(range(out.start, out.stop))
    encoders = [
        i for i, step in enumerate(steps) if isinstance(step, (OneHotEncoder, OrdinalEncoder))
    ]
    rest = [step for i, step in enumerate(steps) if i not in encoders]
    known = all(_affine(step, 1) is not None for step in rest)
    if known and not encoders and len(columns) == len(raw_columns):
        scale, offset = np.ones(len(columns)), np.zeros(len(columns))
        for step in steps:
            step_scale, step_offset = _affine(step, len(columns))
            scale, offset = scale * step_scale, offset * step_scale + step_offset
        return [
            AffineFeature(names[raw], raw, column, float(a), float(b))
            for raw, column, a, b in zip(raw_columns, columns, scale, offset, strict=True)
        ]
    if known and len(encoders) == 1:
        return _read_tables(steps, steps[encoders[0]], raw_columns, columns, names)
    reason = f"{' and '.join(type(step).__name__ for step in steps)} is neither affine nor a category code"
    return [FixedFeature(names[raw], (raw,), reason) for raw in raw_columns]


def _affine(step, n_columns):
    """Scale and offset of an affine step, each broadcastable to (n_columns,); None for others."""
    if isinstance(step, StandardScaler):
        scale = 1.0 if step.scale_ is None else 1.0 / step.scale_
        return scale, (0.0 if step.mean_ is None or not step.with_mean else -step.mean_ * scale)
    if isinstance(step, MinMaxScaler) and not step.clip:
        return step.scale_, step.min_
    if isinstance(step, MaxAbsScaler) and not getattr(step, "clip", False):
        return 1.0 / step.scale_, 0.0
    if isinstance(step, RobustScaler):
        scale = 1.0 / step.scale_ if step.with_scaling else 1.0
        return scale, (-step.center_ * scale if step.with_centering else 0.0)
    if isinstance(step, SimpleImputer) and not step.add_indicator:
        return 1.0, 0.0
    return None


def _read_tables(steps, encoder, raw_columns, columns, names):
    """Encoded vector of every category, read off the fitted transformers themselves."""
    features = []
    base = [categories[0] for categories in encoder.categories_]
    for i, raw in enumerate(raw_columns):
        categories = list(encoder.categories_[i])
        probe = pd.DataFrame(
            {
                names[other]: pd.Series(
                    categories if k == i else [base[k]] * len(categories),
                    dtype=encoder.categories_[k].dtype,
                )
                for k, other in enumerate(raw_columns)
            }
        )
        encoded = probe
        for step in steps:
            # Statistics were fitted on frames or arrays; values are all that matters here.
            given = encoded if hasattr(step, "feature_names_in_") else np.asarray(encoded)
            encoded = step.transform(given)
            encoded = encoded.toarray() if hasattr(encoded, "toarray") else encoded
        encoded = np.asarray(encoded, dtype=float)
        block = np.flatnonzero((encoded != encoded[:1]).any(axis=0))
        values = np.empty((len(categories), 1), dtype=object)
        values[:, 0] = categories
        features.append(
            TableFeature(
                names[raw],
                (raw,),
                np.asarray(columns)[block],
                tuple(categories),
                values,
                encoded[:, block],
            )
        )
    return features
