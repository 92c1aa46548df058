"""Widths of the layers: from what was learned, or from how sensitive each layer is."""

import math

import numpy as np
import torch
from sklearn.base import BaseEstimator

from ..quantization import (
    allocate_bits,
    apply_allocation,
    bit_preferences,
    linear_layers,
    quant_layers,
)
from ..recourse import target_margin


def allocate_by_value(module, values, budget):
    """Fix the widths that are worth most within the budget. Layers that are fixed already stay.

    A wider layer is never worth less than a narrower one: bits that no layer asks for are spent
    all the same, since they only bring the weights closer to full precision.

    Parameters
    ----------
    module : QuantMLP
        Changed in place.
    values : ndarray of shape (n_layers, n_candidates)
        Worth of each width, columns in rising order of width.
    budget : float
        Average bits per weight.

    Raises
    ------
    ValueError
        If the fixed layers alone break the budget.
    """
    layers = quant_layers(module)
    apply_allocation(
        module,
        allocate_bits(
            np.maximum.accumulate(values, axis=1),
            [layer.n_weights for layer in layers],
            layers[0].candidate_bits,
            budget,
            {i: layer.bits for i, layer in enumerate(layers) if layer.bits is not None},
        ),
    )


def allocate_by_preference(module, budget):
    """Fix the widths that the learned preferences like best within the budget.

    Parameters
    ----------
    module : QuantMLP
        Changed in place, see :func:`allocate_by_value`.
    budget : float
        Average bits per weight.
    """
    allocate_by_value(module, bit_preferences(module), budget)


class RecourseSensitivity(BaseEstimator):
    """Bits where recourse needs them: what quantizing a layer alone does to the teacher's advice.

    The worth of a width in a layer is minus the mean squared change of the target's margin at the
    teacher's recourse when only this layer is quantized. Changes of different layers are nearly
    uncorrelated, so their squares add up, as the knapsack takes them to do.

    Examples
    --------
    >>> from skcfq import PTQClassifier, RecourseSensitivity
    >>> PTQClassifier(allocation=RecourseSensitivity()).allocation
    RecourseSensitivity()
    """

    needs_recourse = True

    @torch.no_grad()
    def values(self, module, network, lesson):
        """Worth of each width in each layer.

        Parameters
        ----------
        module : QuantMLP
            With candidate widths and their steps.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        ndarray of float64, shape (n_layers, n_candidates)

        Raises
        ------
        ValueError
            If nobody needs recourse and has advice.
        """
        weight = lesson.weight * lesson.counted
        if not weight.any():
            raise ValueError(
                "RecourseSensitivity: nobody among the training rows needs recourse and has advice, so "
                "no width can be preferred. Check target and actions, or use FisherSensitivity."
            )
        linears = linear_layers(network)
        points = torch.from_numpy(lesson.advice.encoded)
        wanted = torch.full((len(points),), lesson.target)
        inputs = _layer_inputs(linears, points)
        exact = target_margin(network(points), wanted)
        values = []
        for i, layer in enumerate(quant_layers(module)):
            row = []
            for choice in range(len(layer.candidate_bits)):
                x = inputs[i] @ layer.quantized_weight(choice).T + linears[i].bias
                for linear in linears[i + 1 :]:
                    x = linear(x.relu())
                change = target_margin(x, wanted) - exact
                row.append(-float(weight @ change.square() / weight.sum()))
            values.append(row)
        return np.asarray(values)


class FisherSensitivity(BaseEstimator):
    """Bits where the outputs need them: second-order sensitivity without a Hessian.

    The worth of a width in a layer is ``-1/2 * sum_i F_i * (w_i - Q(w_i))**2``, the expected rise of
    the cross-entropy to second order [1]_, with the diagonal ``F`` of the Fisher information in
    place of the Hessian [2]_. ``F`` is exact: an expectation over the classes as the network itself
    predicts them, so that no labels are needed.

    References
    ----------
    .. [1] Z. Dong, Z. Yao, D. Arfeen, A. Gholami, M. W. Mahoney, K. Keutzer (2020). "HAWQ-V2:
       Hessian Aware trace-Weighted Quantization of Neural Networks". arXiv:1911.03852
    .. [2] J. Martens (2020). "New Insights and Perspectives on the Natural Gradient Method".
       arXiv:1412.1193

    Examples
    --------
    >>> from skcfq import FisherSensitivity, QATClassifier
    >>> QATClassifier(allocation=FisherSensitivity()).allocation
    FisherSensitivity()
    """

    needs_recourse = False

    @torch.no_grad()
    def values(self, module, network, lesson):
        """Worth of each width in each layer.

        Parameters
        ----------
        module : QuantMLP
            With candidate widths and their steps.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        ndarray of float64, shape (n_layers, n_candidates)
        """
        linears = linear_layers(network)
        importance = fisher_diagonal(linears, lesson.x, lesson.weight)
        values = []
        for layer, linear, fisher in zip(quant_layers(module), linears, importance, strict=True):
            changes = [
                layer.quantized_weight(choice) - linear.weight
                for choice in range(len(layer.candidate_bits))
            ]
            values.append([-0.5 * math.fsum((fisher * c**2).sum(1)) for c in changes])
        return np.asarray(values)


def fisher_diagonal(linears, x, weight):
    """Diagonal of the Fisher information of a ReLU network's weights.

    ``F = sum_n weight_n E_y[(d log p(y | x_n) / d w)**2] / sum_n weight_n``, ``y`` drawn from the
    network's own probabilities: computed in closed form, class by class.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
        With ReLUs between them.
    x : tensor of shape (n_samples, n_columns)
    weight : tensor of shape (n_samples,)

    Returns
    -------
    list of tensor of shape (out_features, in_features)
    """
    inputs = _layer_inputs(linears, x)
    probability = linears[-1](inputs[-1]).softmax(1)  # (n_samples, n_classes)
    share = weight / weight.sum()
    fisher = [torch.zeros_like(linear.weight) for linear in linears]
    for label in range(probability.shape[1]):
        # Gradients of log p(label | x) in the outputs of each layer, row by row.
        gradient = -probability.clone()
        gradient[:, label] += 1
        for i in reversed(range(len(linears))):
            counted = (share * probability[:, label])[:, None] * gradient.square()
            fisher[i] += counted.T @ inputs[i].square()
            gradient = (gradient @ linears[i].weight) * (inputs[i] > 0)
    return fisher


def _layer_inputs(linears, x):
    """What each layer is given."""
    inputs = [x]
    for linear in linears[:-1]:
        inputs.append(linear(inputs[-1]).relu())
    return inputs
