"""Turn a fitted preprocessor into a packed encoder."""

import warnings

import numpy as np
import pandas as pd

from .._utils._errors import raise_problems
from ..actions._features import AffineFeature, FixedFeature, TableFeature
from ..actions._read import DROPPED
from ._encoder import CategoryColumn, Encoder, IgnoredColumn, NumberColumn


def pack_encoding(encoding, allow_missing):
    """An encoder of plain numbers that encodes as a fitted preprocessor does.

    Parameters
    ----------
    encoding : Encoding
        Of a fitted classifier.
    allow_missing : bool
        Whether the classifier leaves missing numbers to its preprocessor.

    Returns
    -------
    Encoder or None
        None where raw rows are the network's inputs.

    Raises
    ------
    ValueError
        Lists the columns whose encoding is neither affine nor a table of categories.
    """
    if encoding.preprocessor is None:
        return None
    problems = [
        f"column {feature.name!r}: {feature.reason}. Encode it before the classifier, or use "
        "scalers, OneHotEncoder and OrdinalEncoder."
        for feature in encoding.features
        if isinstance(feature, FixedFeature) and feature.reason != DROPPED
    ]
    raise_problems("A preprocessor that cannot be exported", problems)
    ask = _Probe(encoding)
    base = ask.reference.copy()
    tables = [f for f in encoding.features if isinstance(f, TableFeature)]
    for feature in tables:
        base[feature.columns] = [_most_common(values) for values in feature.table.T]
    for feature in encoding.features:
        if isinstance(feature, AffineFeature):
            base[feature.column] = 0.0
    columns = []
    for raw, feature in enumerate(encoding.features):
        name = str(encoding.feature_names[raw])
        if isinstance(feature, AffineFeature):
            missing = ask(raw, np.nan) if allow_missing else None
            at = None if missing is None else float(missing[feature.column])
            columns.append(NumberColumn(name, feature.column, feature.scale, feature.offset, at))
        elif isinstance(feature, TableFeature):
            columns.append(_category_column(ask, raw, name, feature, base))
        else:
            columns.append(IgnoredColumn(name))
    encoder = Encoder(tuple(columns), tuple(base.tolist()))
    _check(encoder, encoding, ask)
    return encoder


class _Probe:
    """Encodes one row in which one value is replaced, and tells whether that is refused."""

    def __init__(self, encoding):
        self.encoding = encoding
        self.row = {}
        for raw, name in enumerate(encoding.feature_names):
            self.row[name] = _typical(encoding.features[raw])
        self.frame = pd.DataFrame({name: pd.Series([value]) for name, value in self.row.items()})
        self.reference = encoding.encode(self.frame)[0]

    def frame_with(self, raw, values):
        """The reference row once for each value of one column."""
        name = self.encoding.feature_names[raw]
        frame = self.frame.loc[[0] * len(values)].reset_index(drop=True)
        categories = getattr(self.encoding.features[raw], "categories", ())
        dtype = object if any(isinstance(c, str | bool) or c is None for c in categories) else None
        return frame.assign(**{name: pd.Series(values, dtype=dtype)})

    def __call__(self, raw, value):
        """The encoded row, None if the preprocessor refuses the value or does not fill it in."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unknown categories that are taken for none
            try:
                encoded = self.encoding.encode(self.frame_with(raw, [value]))[0]
            except (TypeError, ValueError):
                return None
        return encoded if np.isfinite(encoded).all() else None


def _typical(feature):
    """An ordinary raw value of a feature."""
    if isinstance(feature, AffineFeature):
        return -feature.offset / feature.scale
    return feature.values[0, 0] if isinstance(feature, TableFeature) else 0.0


def _category_column(ask, raw, name, feature, base):
    def cells(encoded):
        different = np.flatnonzero(encoded != base[feature.columns])
        return tuple((int(feature.columns[k]), float(encoded[k])) for k in different)

    def answer(value):
        encoded = ask(raw, value)
        return None if encoded is None else cells(encoded[feature.columns])

    categories = tuple(_plain(name, category) for category in feature.categories)
    if len(set(categories)) < len(categories):
        raise ValueError(f"column {name!r} has categories that are equal: {list(categories)}.")
    return CategoryColumn(
        name,
        categories,
        tuple(cells(encoded) for encoded in feature.table),
        missing=None if None in categories else answer(np.nan),
        unknown=answer(_unlike(categories)),
    )


def _plain(name, category):
    """A category as a plain value; missing ones are None."""
    category = category.item() if isinstance(category, np.generic) else category
    if pd.api.types.is_scalar(category) and pd.isna(category):
        return None
    if not isinstance(category, str | int | float | bool):
        raise ValueError(
            f"column {name!r} has the category {category!r}: only text, numbers and booleans are exported."
        )
    return category


def _unlike(categories):
    """A value of their type that is none of the categories."""
    known = [category for category in categories if category is not None]
    if known and not any(isinstance(category, str | bool) for category in known):
        return max(known) + 1
    return "\0" + max((str(category) for category in known), default="")


def _most_common(values):
    found, counts = np.unique(values, return_counts=True)
    return found[counts.argmax()]


def _check(encoder, encoding, ask):
    """Raise unless both encode every category, and numbers of every size, alike."""
    frames = []
    for raw, feature in enumerate(encoding.features):
        if isinstance(feature, TableFeature):
            frames.append(ask.frame_with(raw, list(feature.values[:, 0])))
        elif isinstance(feature, AffineFeature):
            values = (np.array([-100.0, -1.0, 0.0, 1.0, 100.0]) - feature.offset) / feature.scale
            frames.append(ask.frame_with(raw, values.tolist()))
    if not frames:
        return
    frame = pd.concat(frames, ignore_index=True)
    found = encoder.encode([frame.iloc[:, k] for k in range(frame.shape[1])])
    if not np.allclose(found, encoding.encode(frame), rtol=1e-12, atol=1e-10):
        raise ValueError(
            "The preprocessor is not the sum of its columns: it cannot be exported. Encode before "
            "the classifier, with preprocessor=None."
        )
