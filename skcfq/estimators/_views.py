"""What recourse needs to see of a fitted classifier, and of one that is backed by a network."""

import copy
import dataclasses
import math

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from torch import nn

from .._utils._errors import raise_problems
from ..actions import Encoding, bind_actions
from ..quantization import linear_layers
from ..recourse import GreedySolver, one_thread


@dataclasses.dataclass(frozen=True)
class ClassifierView:
    """A fitted classifier as an encoding, scores and a decision.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the logits.
    encoding : Encoding
        Raw frame to the rows that `logits` takes.
    logits : callable
        float32 rows, a tensor of shape (n, n_columns), to scores (n, n_classes), of which the
        largest decides.
    predict : callable
        Raw frame to class indices, by the classifier's own ``predict``.
    decide : callable or None
        The same from encoded rows in float64, if the classifier can.
    """

    classes: np.ndarray
    encoding: Encoding
    logits: object
    predict: object
    decide: object = None

    def bind(self, actions, frame):
        """An action set, or None, bound to this encoding and to training rows in raw units."""
        return bind_actions(actions, self.encoding, frame)

    def solve(self, solver, frame, target, space, encoded=None, **options):
        """Recourse of raw rows to a class label, checked against the classifier's decisions.

        Parameters
        ----------
        solver : BaseSolver or None
            ``None`` is the default for this kind of classifier.
        frame : DataFrame of shape (n_samples, n_raw_features)
        target : label
        space : ActionSpace
        encoded : ndarray of shape (n_samples, n_columns), default=None
            The rows of `frame`, if they are encoded already.
        **options
            Further arguments of :meth:`skcfq.recourse.BaseSolver.solve`.

        Returns
        -------
        RecourseResult
        """
        solver, wanted = self._prepared(solver, target)
        return solver.solve(
            self.logits,
            frame,
            wanted,
            space,
            predict=self.predict,
            decide=self.decide,
            encoded=encoded,
            **options,
        )

    def solve_diverse(self, n, solver, frame, target, space, encoded=None):
        """Up to `n` different actions of each person, see :meth:`skcfq.recourse.BaseSolver.solve_diverse`."""
        solver, wanted = self._prepared(solver, target)
        return solver.solve_diverse(
            n,
            self.logits,
            frame,
            wanted,
            space,
            predict=self.predict,
            decide=self.decide,
            encoded=encoded,
        )

    def _prepared(self, solver, target):
        solver = self.default_solver() if solver is None else solver
        return solver, self.classes.tolist().index(target)

    def default_solver(self):
        """The solver that ``solver=None`` stands for."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class NetworkView(ClassifierView):
    """A fitted classifier that is backed by a network.

    As :class:`ClassifierView`, with a :class:`torch.nn.Module` for `logits`, differentiable in its
    input.

    Attributes
    ----------
    exact : torch.nn.Module
        The same network in the precision in which the classifier decides: float64, but for
        skorch nets.
    """

    exact: nn.Module | None = None

    def default_solver(self):
        """A GreedySolver, which follows gradients."""
        return GreedySolver()


def is_fitted(estimator):
    """Whether an estimator is fitted; a function of scores always is."""
    if not hasattr(estimator, "fit"):
        return True
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


def missing_network(role, model):
    """A sentence if a classifier, fitted or not, is not backed by a network.

    Parameters
    ----------
    role : str
        What the model is, for the sentence.
    model : classifier

    Returns
    -------
    list of str
    """
    inner = model
    while not hasattr(inner, "network_view_"):
        if isinstance(inner, Pipeline):
            inner = inner.steps[-1][1]
        elif hasattr(inner, "best_estimator_"):
            inner = inner.best_estimator_
        elif isinstance(inner, FrozenEstimator) or hasattr(inner, "refit"):  # a search
            inner = inner.estimator
        elif isinstance(inner, (LogisticRegression, MLPClassifier)) or (
            isinstance(inner, NeuralNet) and is_classifier(inner)
        ):
            break
        else:
            return [
                f"the {role} {type(inner).__name__} is not backed by a network that recourse can be "
                "searched on. Give a classifier of skcfq, MLPClassifier, LogisticRegression, a skorch "
                "classifier, or a Pipeline that ends in one."
            ]
    return []


@one_thread()
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
        classes, logits, exact, decide = inner.classes, inner.logits, inner.exact, inner.decide
    else:
        encoding = Encoding(steps if steps is not None and len(steps) else None, feature_names)
        classes, exact = _foreign_network(last)
        logits, decide = copy.deepcopy(exact).float(), None
    index = {label: i for i, label in enumerate(classes.tolist())}
    named = hasattr(model, "feature_names_in_")

    def predict(frame):
        labels = model.predict(frame if named else as_fitted(model, frame))
        return np.array([index[label] for label in np.asarray(labels).tolist()], dtype=np.int64)

    return NetworkView(np.asarray(classes), encoding, logits, predict, decide, exact)


def as_fitted(model, frame):
    """What a model that is fitted on arrays takes: an array.

    Parameters
    ----------
    model : classifier
    frame : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features)
    """
    values = frame.to_numpy()
    if values.dtype.kind in "iu":
        values = values.astype(float)
    # skorch and torch want single precision, in an array of their own.
    return np.array(values, dtype=np.float32) if isinstance(unwrap(model), NeuralNet) else values


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
    if isinstance(model, NeuralNet) and is_classifier(model):
        return np.asarray(model.classes_), _SkorchLogits(model)
    raise_problems("network_view", missing_network("model", model), TypeError)


class _SkorchLogits(nn.Module):
    """Logits of a skorch classifier, from a copy of its module that nobody else changes."""

    def __init__(self, net):
        super().__init__()
        self.module = copy.deepcopy(net.module_).cpu().eval().requires_grad_(False)
        # With these criteria, skorch's modules return probabilities.
        self.probabilities = isinstance(net.criterion_, (nn.NLLLoss, nn.BCELoss))
        threshold = getattr(net, "threshold", 0.5)
        self.shift = math.log(threshold / (1 - threshold))

    def forward(self, z):
        out = self.module(z)
        out = out[0] if isinstance(out, tuple) else out
        if out.ndim == 1 or out.shape[1] == 1:
            out = out.reshape(-1, 1)
            logit = torch.logit(out, eps=1e-7) if self.probabilities else out
            return torch.cat([torch.zeros_like(logit), logit - self.shift], dim=1)
        return out.clamp(min=1e-30).log() if self.probabilities else out


def _sequential(weights, biases, activation, n_classes):
    """Linear layers, from weights of shape (n_inputs, n_outputs), with activations between."""
    weights = [torch.as_tensor(np.array(weight.T), dtype=torch.float64) for weight in weights]
    biases = [torch.as_tensor(np.array(bias), dtype=torch.float64) for bias in biases]
    if n_classes == 2 and len(weights[-1]) == 1:
        # One logit of scikit-learn's binary models, shared out over the two classes.
        weights[-1] = torch.cat([-weights[-1] / 2, weights[-1] / 2])
        biases[-1] = torch.cat([-biases[-1] / 2, biases[-1] / 2])
    parts = []
    for weight, bias in zip(weights, biases, strict=True):
        # Without initial weights: drawing them would move torch's global random state.
        linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        parts += [linear] if activation is None else [linear, activation()]
    return nn.Sequential(*parts[: 2 * len(weights) - 1]).eval().requires_grad_(False)


def relu_twin(view):
    """Linear layers with ReLUs between them that compute what a network computes.

    Parameters
    ----------
    view : NetworkView

    Returns
    -------
    torch.nn.Sequential or None
        A copy; None if there is none, as with other activations or layers. That is found out by
        comparing probabilities on random rows of three sizes.
    """
    layers = [copy.deepcopy(layer) for layer in linear_layers(view.logits)]
    sizes = [layer.in_features for layer in layers] + [layer.out_features for layer in layers[-1:]]
    fitting = [layer.out_features for layer in layers] == sizes[1:]
    if not layers or not fitting or sizes[0] != view.encoding.n_columns:
        return None
    for layer in layers:
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros_like(layer.weight[:, 0]))
    if sizes[-1] == 1:
        # The one logit of a binary skorch net, shared out over the two classes.
        last = layers.pop()
        bias = last.bias - getattr(view.logits, "shift", 0.0)
        layers.append(nn.utils.skip_init(nn.Linear, last.in_features, 2))
        layers[-1].weight = nn.Parameter(torch.cat([-last.weight / 2, last.weight / 2]))
        layers[-1].bias = nn.Parameter(torch.cat([-bias / 2, bias / 2]))
    parts = [part for layer in layers for part in (layer, nn.ReLU())][:-1]
    twin = nn.Sequential(*parts).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    probes = torch.cat([torch.randn(200, sizes[0], generator=generator) * k for k in (0.3, 2, 20)])
    with torch.no_grad(), one_thread():
        expected, found = view.logits(probes).softmax(1), twin(probes).softmax(1)
    same = found.shape == expected.shape and torch.allclose(found, expected, atol=1e-4)
    return twin if same else None
