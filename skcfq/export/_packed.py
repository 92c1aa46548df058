"""The deployed classifier, with scikit-learn's methods.

This module and those that it imports need NumPy and scikit-learn alone, so that a packed model is
loaded and used where torch, skorch and pandas are not installed.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ._rows import as_numbers, read_columns


class PackedClassifier(ClassifierMixin, BaseEstimator):
    """A quantized classifier as it is deployed: packed integer weights, NumPy, nothing to train.

    Made by :func:`export_packed` or :func:`skcfq.load`. It is fitted from the start, decides as
    the classifier that it was exported from, and is loaded and used without torch, skorch or
    pandas. ``joblib.dump`` writes a file of its size; :func:`skcfq.save` one that is safe to load
    from strangers.

    Both compute in float64, but a matrix product may add in another order, so logits agree to
    about 1e-12 of the largest term and not to the last bit. Decisions can differ only for a row
    whose two largest logits are that close, or, with quantized activations, for one of whose
    hidden values lies that close to the middle of two levels.

    Parameters
    ----------
    model : PackedModel
        Layers, encoder, classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of raw columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if the exported classifier was fitted with names.
    bits_ : tuple of float
        Bits of each layer's weights, on average.
    average_bits_ : float
        Average over all weights.
    target_ : label
        The class that recourse leads to.

    See Also
    --------
    export_packed : Makes one.
    skcfq.save : Writes one to a file that is safe to load.

    Examples
    --------
    >>> from skcfq import QATClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.export import export_packed
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = QATClassifier((8,), max_epochs=2, random_state=0).fit(data.data, data.target)
    >>> packed = export_packed(clf)
    >>> bool((packed.predict(data.data) == clf.predict(data.data)).all())
    True
    >>> packed.predict({name: data.data[name].to_numpy()[:2] for name in data.data}).shape
    (2,)
    """

    _doc_link_module = "skcfq"

    def __init__(self, model):
        self.model = model

    @property
    def classes_(self):
        """Class labels."""
        return self.model.classes

    @property
    def n_features_in_(self):
        """Number of raw columns."""
        return self.model.n_features

    @property
    def feature_names_in_(self):
        """Names of the raw columns."""
        if self.model.feature_names is None:
            raise AttributeError("The exported classifier was fitted without column names.")
        return np.array(self.model.feature_names, dtype=object)

    @property
    def bits_(self):
        """Bits of each layer's weights, on average."""
        return tuple(layer.average_bits for layer in self.model.layers)

    @property
    def average_bits_(self):
        """Average bits over all weights, rounded once."""
        return self.model.average_bits

    @property
    def target_(self):
        """The class that recourse leads to."""
        return self.model.target

    @property
    def actions(self):
        """The :class:`~skcfq.ActionSet` that the classifier was trained with, or None."""
        if self.model.actions is None:
            return None
        from ..actions import ActionSet  # needs pandas

        return ActionSet.from_json(self.model.actions)

    def fit(self, X=None, y=None):
        """Do nothing: a packed classifier is fitted.

        Parameters
        ----------
        X, y : object
            Ignored.

        Returns
        -------
        self : PackedClassifier
        """
        return self

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_clone__(self):
        return self

    def encode(self, X):
        """The network's input for raw rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_inputs)

        Raises
        ------
        ValueError
            For other columns than in fit, text or infinity in numbers, and missing values and
            unknown categories that the exported classifier refuses.
        """
        model = self.model
        names, n_features, encoder = model.feature_names, model.n_features, model.encoder
        needed = [True] * n_features if encoder is None else encoder.needed
        columns = read_columns(X, names, n_features, needed)
        if encoder is not None:
            return encoder.encode(columns)
        if not isinstance(columns, np.ndarray):
            columns = np.column_stack([as_numbers(column) for column in columns])
        x = np.asarray(columns, dtype=np.float64)
        if not np.isfinite(x).all():
            raise ValueError("Input X of PackedClassifier contains NaN or infinity.")
        return x

    def logits(self, X):
        """Logits of raw rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
        """
        return self.model.logits(self.encode(X))

    def decision_function(self, X):
        """Logit of the second class minus the first; all logits with more classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        logits = self.logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        logits = self.logits(X)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def predict(self, X):
        """Most probable class; the first of equals.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), data frame, dict of columns or structured array
            Rows in the units of ``fit``.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.classes_[self.logits(X).argmax(axis=1)]

    def network_view_(self):
        """The classifier as recourse and audits see it; this needs torch.

        Returns
        -------
        NetworkView
        """
        from ._view import packed_view

        return packed_view(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.categorical = self.model.encoder is not None
        return tags
