"""Read a fitted preprocessor: one record per raw feature."""

import dataclasses

import numpy as np
import pandas as pd
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

from ._features import AffineFeature, FixedFeature, TableFeature, category_codes

#: Reason of a FixedFeature that no model sees.
DROPPED = "the preprocessor drops it"


def read_preprocessor(preprocessor, names):
    """Features of a fitted preprocessor, and the width of its output.

    Parameters
    ----------
    preprocessor : fitted ColumnTransformer, Pipeline or transformer
    names : sequence of str or int
        Names of the raw columns.

    Returns
    -------
    features : tuple of AffineFeature, TableFeature or FixedFeature
        One for each raw column, in order.
    n_columns : int
    """
    return _read_steps(_steps(preprocessor), tuple(names))


def join_feature(feature, following):
    """A feature after a second encoding of its columns.

    Parameters
    ----------
    feature : AffineFeature, TableFeature or FixedFeature
    following : sequence of AffineFeature, TableFeature or FixedFeature
        What becomes of each column that the first encoding puts out.

    Returns
    -------
    AffineFeature, TableFeature or FixedFeature
    """
    if isinstance(feature, FixedFeature):
        return feature
    if isinstance(feature, TableFeature):
        return _join_table(feature, following)
    after, place = following[feature.column], (feature.raw_column,)
    if isinstance(after, AffineFeature):
        return dataclasses.replace(
            feature,
            column=after.column,
            scale=feature.scale * after.scale,
            offset=feature.offset * after.scale + after.offset,
        )
    if isinstance(after, TableFeature) and (feature.scale, feature.offset) != (1.0, 0.0):
        return FixedFeature(feature.name, place, "it is rescaled before it becomes a category code")
    return dataclasses.replace(after, name=feature.name, raw_columns=place)


def _join_table(feature, following):
    """A table whose encoded columns are each encoded once more."""
    columns, vectors = [], []
    for column, values in zip(feature.columns, feature.table.T, strict=True):
        after = following[column]
        if isinstance(after, FixedFeature) and after.reason == DROPPED:
            continue
        if isinstance(after, AffineFeature) and not np.isnan(values).any():
            columns.append([after.column])
            vectors.append((values * after.scale + after.offset)[:, None])
            continue
        codes = np.array([-1])
        if isinstance(after, TableFeature):
            codes = category_codes(pd.Series(values), after.categories)
        if (codes < 0).any():
            reason = getattr(after, "reason", "its code is encoded once more")
            return FixedFeature(feature.name, feature.raw_columns, reason)
        columns.append(after.columns)
        vectors.append(after.table[codes])
    if feature.columns.size and not columns:
        return FixedFeature(feature.name, feature.raw_columns, DROPPED)
    return dataclasses.replace(
        feature,
        columns=np.concatenate([np.zeros(0, int), *columns]).astype(int),
        table=np.hstack([np.zeros((len(feature.table), 0)), *vectors]),
    )


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


def _read_steps(steps, names, n_columns=None):
    """Features of fitted transformers one after another, and the width of their output.

    Positions count from 0. A ColumnTransformer tells the width of its branches, `n_columns`.
    """
    if len(steps) == 1 and isinstance(steps[0], str):  # "drop"
        return tuple(FixedFeature(name, (raw,), DROPPED) for raw, name in enumerate(names)), 0
    features = tuple(AffineFeature(name, raw, raw, 1.0, 0.0) for raw, name in enumerate(names))
    width = len(names)
    while steps:
        n_here = next((i for i, s in enumerate(steps) if isinstance(s, ColumnTransformer)), None)
        n_here = 1 if n_here == 0 else n_here  # a ColumnTransformer alone, or all before it
        here, steps = steps[:n_here], steps[n_here:] if n_here else []
        seen = getattr(here[0], "feature_names_in_", range(width))
        if isinstance(here[0], ColumnTransformer):
            following, width = _read_columns(here[0], seen)
        else:
            width = steps[0].n_features_in_ if steps else n_columns or _width(here[-1], width)
            following = _read_chain(here, seen, width)
        features = tuple(join_feature(feature, following) for feature in features)
    return features, width


def _read_columns(transformer, names):
    """Features of a ColumnTransformer, and the width of its output."""
    found, n_columns = {}, 0
    places = getattr(transformer, "output_indices_", {})  # not set if every branch is dropped
    for branch, inner, columns in transformer.transformers_:
        raws = _positions(columns, names)
        if not raws:
            continue
        out = places.get(branch, slice(0, 0))
        n_columns = max(n_columns, out.stop)
        inner_features, _ = _read_steps(
            _steps(inner), tuple(names[raw] for raw in raws), out.stop - out.start
        )
        for raw, feature in zip(raws, inner_features, strict=True):
            found.setdefault(raw, []).append(_shifted(feature, raw, out.start))
    features = []
    for raw, name in enumerate(names):
        uses = [f for f in found.get(raw, []) if getattr(f, "reason", None) != DROPPED]
        if len(uses) == 1:
            features.append(uses[0])
        else:
            reason = "it feeds several transformers" if uses else DROPPED
            features.append(FixedFeature(name, (raw,), reason))
    return tuple(features), n_columns


def _shifted(feature, raw, start):
    """A branch's feature at its place in the ColumnTransformer's input and output."""
    if isinstance(feature, AffineFeature):
        return dataclasses.replace(feature, raw_column=raw, column=feature.column + start)
    if isinstance(feature, TableFeature):
        return dataclasses.replace(feature, raw_columns=(raw,), columns=feature.columns + start)
    return dataclasses.replace(feature, raw_columns=(raw,))


def _positions(columns, names):
    """Positions of a ColumnTransformer branch's columns."""
    lookup = {name: i for i, name in enumerate(names)}
    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        if isinstance(start, str) or isinstance(stop, str):
            start = None if start is None else lookup[start]
            stop = None if stop is None else lookup[stop] + 1
        return tuple(range(len(names))[slice(start, stop, columns.step)])
    columns = np.atleast_1d(np.asarray(columns, dtype=object))
    if len(columns) and all(isinstance(c, (bool, np.bool_)) for c in columns):
        return tuple(np.flatnonzero(columns.astype(bool)).tolist())
    return tuple(lookup[c] if isinstance(c, str) else int(c) % len(names) for c in columns)


def _read_chain(steps, names, width):
    """Features of transformers that each take all columns: affine, tables, or fixed."""
    encoders = [
        i for i, step in enumerate(steps) if isinstance(step, (OneHotEncoder, OrdinalEncoder))
    ]
    rest = [step for i, step in enumerate(steps) if i not in encoders]
    known = all(_affine(step) is not None for step in rest)
    if known and not encoders and width == len(names):
        scale, offset = np.ones(width), np.zeros(width)
        for step in steps:
            step_scale, step_offset = _affine(step)
            scale, offset = scale * step_scale, offset * step_scale + step_offset
        return tuple(
            AffineFeature(name, i, i, float(scale[i]), float(offset[i]))
            for i, name in enumerate(names)
        )
    # A scaler in front of the encoder would make its categories other than the raw values.
    unscaled = encoders and all(isinstance(s, SimpleImputer) for s in steps[: encoders[0]])
    if known and len(encoders) == 1 and unscaled:
        return _read_tables(steps, steps[encoders[0]], names)
    kinds = " and ".join(type(step).__name__ for step in steps)
    reason = f"{kinds} is neither affine nor a category code"
    return tuple(FixedFeature(name, (i,), reason) for i, name in enumerate(names))


def _width(step, n_columns):
    """Number of columns that the last step of all puts out."""
    if isinstance(step, (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)):
        return n_columns
    try:
        return len(step.get_feature_names_out())
    except AttributeError as error:
        raise ValueError(
            f"preprocessor: {type(step).__name__} does not tell how many columns it puts out. Give it "
            "get_feature_names_out (a FunctionTransformer: feature_names_out='one-to-one')."
        ) from error


def _affine(step):
    """Scale and offset of an affine step, scalars or of shape (n_columns,); None for others."""
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
    # An imputer that replaces an ordinary value is no identity.
    if isinstance(step, SimpleImputer) and not step.add_indicator and pd.isna(step.missing_values):
        return 1.0, 0.0
    return None


def _read_tables(steps, encoder, names):
    """Encoded vector of every category, read off the fitted transformers themselves."""
    features = []
    base = [categories[0] for categories in encoder.categories_]
    for raw, name in enumerate(names):
        categories = list(encoder.categories_[raw])
        probe = pd.DataFrame(
            {
                other: pd.Series(
                    categories if k == raw else [base[k]] * len(categories),
                    dtype=encoder.categories_[k].dtype,
                )
                for k, other in enumerate(names)
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
            TableFeature(name, (raw,), block, tuple(categories), values, encoded[:, block])
        )
    return tuple(features)
