"""How each raw feature appears in the encoded matrix that a network sees."""

import copy
import functools

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from ._direct import direct_encoder
from ._features import AffineFeature, FixedFeature, TableFeature
from ._read import DROPPED, join_feature, read_preprocessor

#: Rows that are transformed at a time.
N_ROWS = 8192


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
            self.features, self.n_columns = read_preprocessor(preprocessor, self.feature_names)

    @classmethod
    def of(cls, transformer, feature_names, features, n_columns):
        """An encoding whose features are known already.

        Parameters
        ----------
        transformer : object with ``transform``
            Encodes raw frames.
        feature_names : sequence of str or int
        features : sequence of AffineFeature, TableFeature or FixedFeature
            In raw column order.
        n_columns : int

        Returns
        -------
        Encoding
        """
        encoding = cls(None, feature_names)
        encoding.preprocessor, encoding.features = transformer, tuple(features)
        encoding.n_columns = n_columns
        return encoding

    @property
    def unreadable(self):
        """Features that a model sees and recourse cannot move, tuple of FixedFeature."""
        return tuple(
            f for f in self.features if isinstance(f, FixedFeature) and f.reason != DROPPED
        )

    @property
    def one_hot_groups(self):
        """Columns of each feature that has several, a list of ndarray of int."""
        tables = [f for f in self.features if isinstance(f, TableFeature)]
        return [f.columns for f in tables if len(f.columns) > 1]

    def then(self, following):
        """Follow this encoding by another one, e.g. by that of a Pipeline's last step.

        Parameters
        ----------
        following : Encoding
            Its raw columns are this encoding's columns.

        Returns
        -------
        Encoding
        """
        joined = copy.copy(self)
        joined._following = (
            following if self._following is None else self._following.then(following)
        )
        joined.n_columns = following.n_columns
        joined.features = tuple(join_feature(f, following.features) for f in self.features)
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
            return frame.to_numpy(dtype=float, na_value=np.nan)
        # What transformers compute on the way takes several times the room of what they return.
        encoded = np.empty((len(frame), self.n_columns))
        for start in range(0, len(frame), N_ROWS):
            part = slice(start, start + N_ROWS)
            encoded[part] = self._encode(frame.iloc[part])
        return encoded

    @functools.cached_property
    def _direct(self):
        return direct_encoder(self.preprocessor)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_direct"}

    def _encode(self, frame):
        encoded = None if self._direct is None else self._direct.encode(frame)
        if encoded is None:
            encoded = self.preprocessor.transform(frame)
        encoded = encoded.toarray() if hasattr(encoded, "toarray") else encoded
        if self._following is None:
            return np.asarray(encoded, dtype=float)
        names = list(self._following.feature_names)
        return self._following.encode(pd.DataFrame(encoded).set_axis(names, axis=1))

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
    numeric, categorical = _kinds(frame)
    binary = [i for i in numeric if frame.iloc[:, i].isin((0, 1)).all()]
    scaled = [i for i in numeric if i not in set(binary)]
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


def raw_preprocessor(frame):
    """Fit a preprocessor that keeps numbers as they are and numbers the categories.

    The encoding of models that take raw rows. A missing category is -1, a missing number stays
    missing.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ColumnTransformer
        Fitted.
    """
    numeric, categorical = _kinds(frame)
    branches = [
        ("num", "passthrough", numeric),
        ("cat", OrdinalEncoder(encoded_missing_value=-1), categorical),
    ]
    transformer = ColumnTransformer(
        [branch for branch in branches if branch[2]], verbose_feature_names_out=False
    )
    return transformer.fit(frame)


def _kinds(frame):
    """Positions of the numeric columns, and of all others."""
    numeric = [
        i
        for i, dtype in enumerate(frame.dtypes)
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    ]
    return numeric, [i for i in range(frame.shape[1]) if i not in set(numeric)]
