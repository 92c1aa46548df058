"""What recourse needs to see of a fitted classifier that is backed by a network."""

import dataclasses

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..actions import Encoding


@dataclasses.dataclass(frozen=True)
class NetworkView:
    """A fitted classifier as an encoding, a network and a decision.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the logits.
    encoding : Encoding
        Raw frame to the network's input.
    logits : torch.nn.Module
        float32 input rows to logits (n, n_classes), differentiable in the input.
    predict : callable
        Raw frame to class indices, by the classifier's own ``predict``.
    decide : callable or None
        The same from encoded rows in float64, if the classifier can.
    """

    classes: np.ndarray
    encoding: Encoding
    logits: nn.Module
    predict: object
    decide: object = None

    def solve(self, solver, frame, target, space):
        """Recourse of raw rows to a class label, checked against the classifier's decisions."""
        wanted = self.classes.tolist().index(target)
        return solver.solve(
            self.logits, frame, wanted, space, predict=self.predict, decide=self.decide
        )


def is_fitted(estimator):
    """Whether an estimator is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def unwrap(model):
    """The model inside FrozenEstimator and search wrappers."""
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def network_view(model, feature_names):
    """See a fitted classifier as a network.

    Parameters
    ----------
    model : fitted classifier
        A classifier of skcfq, :class:`sklearn.neural_network.MLPClassifier`,
        :class:`sklearn.linear_model.LogisticRegression`, a skorch net, or a
        :class:`sklearn.pipeline.Pipeline` of transformers that ends in one of them; also inside
        a FrozenEstimator or a search.
    feature_names : sequence of str
        Columns of the raw frame.

    Returns
    -------
    NetworkView

    Raises
    ------
    TypeError
        If there is no network to be found.
    """
    model = unwrap(model)
    steps, last = None, model
    if isinstance(model, Pipeline):
        last = unwrap(model[-1])
        steps = model[:-1]
    if hasattr(last, "network_view_"):
        inner = last.network_view_()
        encoding = inner.encoding
        if steps is not None and len(steps):
            encoding = Encoding(steps, feature_names).then(encoding)
        classes, logits, decide = inner.classes, inner.logits, inner.decide
    else:
        encoding = Encoding(steps if steps is not None and len(steps) else None, feature_names)
        (classes, logits), decide = _foreign_network(last), None
    index = {label: i for i, label in enumerate(classes.tolist())}
    named = hasattr(model, "feature_names_in_")

    def predict(frame):
        labels = model.predict(frame if named else _as_fitted(model, frame))
        return np.array([index[label] for label in np.asarray(labels).tolist()], dtype=np.int64)

    return NetworkView(np.asarray(classes), encoding, logits, predict, decide)


def _as_fitted(model, frame):
    """What a model fitted on arrays takes: an array."""
    values = frame.to_numpy()
    if values.dtype.kind in "iu":
        values = values.astype(float)
    return values.astype(np.float32) if _is_skorch(unwrap(model)) else values


def _is_skorch(model):
    return hasattr(model, "module_") and hasattr(model, "forward_iter")


def _foreign_network(model):
    """Classes and network of a classifier that is not ours."""
    if isinstance(model, LogisticRegression):
        return model.classes_, _sequential(
            [model.coef_.T], [model.intercept_], None, len(model.classes_)
        )
    if isinstance(model, MLPClassifier):
        activations = {
            "relu": nn.ReLU,
            "tanh": nn.Tanh,
            "logistic": nn.Sigmoid,
            "identity": nn.Identity,
        }
        network = _sequential(
            model.coefs_, model.intercepts_, activations[model.activation], len(model.classes_)
        )
        return model.classes_, network
    if _is_skorch(model) and hasattr(model, "classes_"):
        return np.asarray(model.classes_), _CpuModule(model.module_)
    raise TypeError(
        f"{type(model).__name__} is not backed by a network that recourse can be searched on. Give a "
        "classifier of skcfq, MLPClassifier, LogisticRegression, a skorch net with classes_, or a Pipeline "
        "that ends in one."
    )


class _BinaryHead(nn.Module):
    """Turn the one logit of scikit-learn's binary models into two."""

    def forward(self, z):
        return torch.cat([torch.zeros_like(z), z], dim=1)


class _CpuModule(nn.Module):
    """A skorch net's module in evaluation mode, fed from the CPU."""

    def __init__(self, module):
        super().__init__()
        self.inner = [module]  # in a list: not registered, its mode is not ours to change

    def forward(self, z):
        module = self.inner[0]
        mode = module.training
        module.eval()
        try:
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            out = module(z.to(device)).cpu()
        finally:
            module.train(mode)
        if out.ndim == 1 or out.shape[1] == 1:
            out = out.reshape(-1, 1)
            return torch.cat([torch.zeros_like(out), out], dim=1)
        return out


def _sequential(weights, biases, activation, n_classes):
    parts = []
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(np.asarray(weight).T))
            linear.bias.copy_(torch.as_tensor(np.asarray(bias)))
        parts.append(linear)
        if i < len(weights) - 1:
            parts.append(activation())
    if n_classes == 2 and parts[-1].out_features == 1:
        parts.append(_BinaryHead())
    return nn.Sequential(*parts).eval().requires_grad_(False)
