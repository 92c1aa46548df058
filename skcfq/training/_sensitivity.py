"""How sensitive layers and outputs are to rounding: objects that tell the worth of widths."""

import numpy as np
import torch
from sklearn.base import BaseEstimator

from ..quantization import (
    choose_input_shifts,
    linear_layers,
    mse_clip,
    pact_quantize,
    quant_layers,
)
from ..recourse import target_margin

#: How much an input counts for what varies among all rows, relative to where sensitivity is measured: who has a
#: rare category may not be among the advised, but will be given advice one day.
ELSEWHERE = 0.1

#: How far an input counts by what the others leave of it, 1, and not by all of it, 0. Rounding makes up for the
#: errors of one weight by those of others, though not in full.
MADE_UP_FOR = 0.5

#: Share of the mean moment that is added to each: inputs that hardly vary would else explain each other.
DAMPING = 0.01


class LayerSensitivity(BaseEstimator):
    """Common part: what rounding changes in the outputs of one layer, all others left as they are."""

    def __init__(self, *, per_channel=False, per_input=False):
        self.per_channel = per_channel
        self.per_input = per_input

    def _points(self, lesson):
        """Rows at which the change is looked at, tensor of shape (n_points, n_columns)."""
        raise NotImplementedError

    def _worth(self, linears, inputs, lesson):
        """A function ``worth(change, layer)`` of a change of a layer's outputs at the points."""
        raise NotImplementedError

    def _slopes(self, linears, inputs, lesson):
        """Pairs ``(share, gradients)`` whose ``share @ (gradients[layer] * change)**2`` is an output's loss.

        `share` is of shape (n_points,), the gradients of each layer of shape (n_points, out_features).
        """
        raise NotImplementedError

    @torch.no_grad()
    def values(self, module, network, lesson):
        """Worth of each width in each layer, or with `per_channel` for each of its outputs.

        Parameters
        ----------
        module : QuantMLP
            With candidate widths and their steps.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        ndarray of float64, shape (n_layers, n_candidates), or list of ndarray
            With `per_channel` one of shape (out_features, n_candidates) for each layer.
        """
        linears = linear_layers(network)
        inputs = layer_inputs(linears, self._points(lesson))
        if self.per_channel:
            slopes = list(self._slopes(linears, inputs, lesson))

            def worth(change, layer):
                return -sum(
                    share @ (gradients[layer] * change).square() for share, gradients in slopes
                ).double().numpy()  # fmt: skip

        else:
            worth = self._worth(linears, inputs, lesson)
        values = [
            np.stack(
                [
                    worth(inputs[i] @ (layer.quantized_weight(choice) - linears[i].weight).T, i)
                    for choice in range(len(layer.candidate_bits))
                ],
                axis=-1,
            )
            for i, layer in enumerate(quant_layers(module))
        ]
        return values if self.per_channel else np.stack(values)

    @torch.no_grad()
    def input_shifts(self, module, network, lesson, budget):
        """Lowest bits that each input can do without, see :func:`~skcfq.quantization.choose_input_shifts`.

        Parameters
        ----------
        module : QuantMLP
            With candidate widths and their steps.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson
        budget : float
            Average bits per weight.

        Returns
        -------
        list of list of int
            For each layer one per input.
        """
        linears = linear_layers(network)
        inputs = layer_inputs(linears, self._points(lesson))
        elsewhere = [ELSEWHERE * _spread(x, lesson.weight) for x in layer_inputs(linears, lesson.x)]
        importances, moments = [0.0] * len(linears), [0.0] * len(linears)
        for share, gradients in self._slopes(linears, inputs, lesson):
            for i, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
                # The bias makes up for what is the same everywhere.
                varying = x - share @ x / share.sum()
                slope = share[:, None] * gradient.square()
                importances[i] += slope.T @ (varying.square() + elsewhere[i].diagonal())
                moments[i] += varying.T @ (slope.sum(1, keepdim=True) * varying)
                moments[i] += slope.sum() * elsewhere[i]
        importances = [
            importance * unexplained(moment) ** MADE_UP_FOR
            for importance, moment in zip(importances, moments, strict=True)
        ]
        return choose_input_shifts(quant_layers(module), importances, budget)

    @torch.no_grad()
    def weight_effects(self, module, network, lesson):
        """What moving each weight by a level does to the output, as a root mean square, to first order.

        Parameters
        ----------
        module : QuantMLP
            With fixed widths and their steps.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        list of tensor of shape (out_features, in_features)
        """
        linears = linear_layers(network)
        inputs = layer_inputs(linears, self._points(lesson))
        squares = [0.0] * len(linears)
        for share, gradients in self._slopes(linears, inputs, lesson):
            for i, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
                squares[i] += (share[:, None] * gradient.square()).T @ x.square()
        return [
            square.sqrt() * layer.steps() * layer.grain()
            for square, layer in zip(squares, quant_layers(module), strict=True)
        ]

    @torch.no_grad()
    def activation_values(self, widths, network, lesson):
        """Worth of each width of each hidden activation.

        Parameters
        ----------
        widths : sequence of int
        network : torch.nn.Module
            What is quantized, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        ndarray of float64, shape (n_hidden_layers, n_widths)
        """
        linears = linear_layers(network)
        inputs = layer_inputs(linears, self._points(lesson))
        worth = self._worth(linears, inputs, lesson)
        values = []
        for i, x in enumerate(layer_inputs(linears, lesson.x)[:-1]):
            outputs, following = linears[i](inputs[i]), linears[i + 1].weight.T
            row = []
            for width in widths:
                clip = torch.tensor(mse_clip(linears[i](x), width, weight=lesson.weight))
                rounded = pact_quantize(outputs, clip, width)
                row.append(worth((rounded - inputs[i + 1]) @ following, i + 1))
            values.append(row)
        return np.asarray(values)

    @torch.no_grad()
    def unit_slopes(self, network, lesson):
        """What the hidden units do where sensitivity is looked at, and what the output's slopes in them are.

        Parameters
        ----------
        network : torch.nn.Module
            What is quantized, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        activations : list of tensor of shape (n_points, n_units)
            One for each hidden layer. Points without a share are left out.
        slopes : list of (share, slopes)
            As `_slopes` gives them, but in the activations: for each hidden layer (n_points, n_units).
        """
        linears = linear_layers(network)
        inputs = layer_inputs(linears, self._points(lesson))
        counted, slopes = 0.0, []
        for share, gradients in self._slopes(linears, inputs, lesson):
            counted = counted + share
            each = [gradients[i] @ linears[i].weight for i in range(1, len(linears))]
            slopes.append((share, each))
        kept = counted > 0
        slopes = [(share[kept], [x[kept] for x in each]) for share, each in slopes]
        return [x[kept] for x in inputs[1:]], slopes


class RecourseSensitivity(LayerSensitivity):
    """Bits where recourse needs them: what quantizing a layer alone does to the teacher's advice.

    The worth of a width in a layer is minus the mean squared change of the target's margin at the
    teacher's recourse when only this layer is quantized. Changes of different layers are nearly
    uncorrelated, so their squares add up, as the knapsack takes them to do. It is an error if
    nobody needs recourse and has advice.

    With `per_channel`, every output of a layer has a width of its own, and the change is taken to first
    order: a bit for an output that the margin hardly depends on is worth less than one for
    another, in the same layer. So it is for the activations of hidden units with ``activation_bits="auto"``.

    Parameters
    ----------
    per_channel : bool, default=False
        Whether each output has a width of its own, or each layer. Steps have to be per channel, too.
    per_input : bool, default=False
        Whether inputs may do with fewer bits than outputs ask for, see
        :func:`~skcfq.quantization.choose_input_shifts`: those that vary or matter little, and those that
        others explain, since rounding that makes up for itself (:class:`~skcfq.OutputObjective`) has others stand in for them. The
        commonest column of each one-hot group then takes none, see
        :func:`~skcfq.quantization.drop_reference_columns`.

    Examples
    --------
    >>> from skcfq import PTQClassifier, RecourseSensitivity
    >>> PTQClassifier(allocation=RecourseSensitivity()).allocation
    RecourseSensitivity()
    """

    needs_recourse = True

    def _points(self, lesson):
        return torch.from_numpy(lesson.advice.encoded)

    def _share(self, lesson):
        """Share of each row in the mean over the advised."""
        weight = lesson.weight * lesson.counted
        if not weight.any():
            raise ValueError(
                "RecourseSensitivity: nobody among the training rows needs recourse and has advice, so "
                "no width can be preferred. Check target and actions, or use FisherSensitivity."
            )
        return weight / weight.sum()

    def _worth(self, linears, inputs, lesson):
        """Minus the mean squared change of the margin."""
        weight = self._share(lesson)
        wanted = torch.full((len(weight),), lesson.target)

        def margin(outputs, layer):
            for linear in linears[layer + 1 :]:
                outputs = linear(outputs.relu_())  # nobody else has them
            return target_margin(outputs, wanted)

        exact = margin(linears[-1](inputs[-1]), len(linears) - 1)

        def worth(change, layer):
            moved = margin(linears[layer](inputs[layer]).add_(change), layer) - exact
            return -float(weight @ moved.square())

        return worth

    def _slopes(self, linears, inputs, lesson):
        """The gradient of the margin."""
        with torch.enable_grad():
            logits = linears[-1](inputs[-1]).detach().requires_grad_()
            wanted = torch.full((len(logits),), lesson.target)
            (gradient,) = torch.autograd.grad(target_margin(logits, wanted).sum(), logits)
        yield self._share(lesson), layer_gradients(linears, inputs, gradient)


class FisherSensitivity(LayerSensitivity):
    """Bits where the outputs need them: second-order sensitivity without a Hessian.

    The worth of a width in a layer is ``-1/2 * v' F v``, with the change ``v`` of the layer's weights
    and the Fisher information ``F`` [2]_ in place of the Hessian [1]_: the rise of the
    cross-entropy against the network's own predictions, to second order. Nothing is approximated by
    a diagonal or a trace: ``v' F v`` is the mean of ``(d log p(y | x) / d z . dz)**2`` over rows and
    classes, ``dz`` being the change of the layer's outputs. No labels are needed. With
    `per_channel`, every output of a layer has a width of its own.

    Parameters
    ----------
    per_channel : bool, default=False
        Whether each output has a width of its own, or each layer. Steps have to be per channel, too.
    per_input : bool, default=False
        Whether inputs may do with fewer bits than outputs ask for, see
        :func:`~skcfq.quantization.choose_input_shifts`: those that vary or matter little, and those that
        others explain, since rounding that makes up for itself (:class:`~skcfq.OutputObjective`) has others stand in for them. The
        commonest column of each one-hot group then takes none, see
        :func:`~skcfq.quantization.drop_reference_columns`.

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

    def _points(self, lesson):
        return lesson.x

    def _worth(self, linears, inputs, lesson):
        """Minus the expected rise of the cross-entropy."""
        share = lesson.weight / lesson.weight.sum()
        classes = list(output_gradients(linears, inputs))

        def worth(change, layer):
            return -0.5 * sum(
                float((share * probability) @ (gradients[layer] * change).sum(1).square())
                for probability, gradients in classes
            )

        return worth

    def _slopes(self, linears, inputs, lesson):
        """The gradient of each class's log-probability, by half its probability."""
        share = 0.5 * lesson.weight / lesson.weight.sum()
        for probability, gradients in output_gradients(linears, inputs):
            yield share * probability, gradients


def _spread(x, weight):
    """Covariance of the inputs over the rows, and a hundredth of their mean variance: an input may be new."""
    found = column_moments(x, weight)[0].to(x)
    found.diagonal().add_(0.01 * found.diagonal().mean())
    return found


def column_moments(x, weight):
    """Covariance and mean of the columns, in double precision.

    Parameters
    ----------
    x : tensor of shape (n_samples, n_columns)
    weight : tensor of shape (n_samples,)

    Returns
    -------
    covariance : tensor of shape (n_columns, n_columns)
    mean : tensor of shape (n_columns,)
    """
    share = (weight / weight.sum()).double()
    mean = share @ x.double()
    centred = x.double() - mean
    return centred.T @ (centred * share[:, None]), mean


def unexplained(moments):
    """Share of each input's second moment that the best linear combination of the others leaves.

    Parameters
    ----------
    moments : tensor of shape (n_inputs, n_inputs)

    Returns
    -------
    tensor of shape (n_inputs,)
        In (0, 1]; 1 of an input that has nothing to do with the others.

    Examples
    --------
    >>> unexplained(torch.tensor([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 9.0]]))
    tensor([0.6650, 0.6650, 1.0000])
    """
    exact = moments.double()
    size = exact.diagonal().mean()
    if not size > 0:
        return torch.ones_like(moments.diagonal())
    exact = exact + DAMPING * size * torch.eye(len(exact), dtype=exact.dtype)
    return (1 / (exact.diagonal() * torch.linalg.inv(exact).diagonal())).to(moments)


def variance(x, weight):
    """Variance of each column.

    Parameters
    ----------
    x : tensor of shape (n_samples, n_columns)
    weight : tensor of shape (n_samples,)

    Returns
    -------
    tensor of shape (n_columns,)
    """
    share = weight / weight.sum()
    return share @ (x - share @ x).square_()


def layer_inputs(linears, x):
    """What each layer of a ReLU network is given.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
    x : tensor of shape (n_samples, n_columns)

    Returns
    -------
    list of tensor of shape (n_samples, in_features)
    """
    inputs = [x]
    for linear in linears[:-1]:
        inputs.append(linear(inputs[-1]).relu())
    return inputs


def output_gradients(linears, inputs):
    """Gradients of the log-probability of each class in the outputs of each layer, row by row.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
    inputs : list of tensor
        Of :func:`layer_inputs`.

    Yields
    ------
    probability : tensor of shape (n_samples,)
        Of the class.
    gradients : list of tensor of shape (n_samples, out_features)
    """
    probabilities = linears[-1](inputs[-1]).softmax(1)
    for label in range(probabilities.shape[1]):
        gradient = -probabilities.clone()
        gradient[:, label] += 1
        yield probabilities[:, label], layer_gradients(linears, inputs, gradient)


def layer_gradients(linears, inputs, gradient):
    """Gradients in the outputs of each layer of a ReLU network, of one in its logits.

    Parameters
    ----------
    linears : sequence of torch.nn.Linear
    inputs : list of tensor
        Of :func:`layer_inputs`.
    gradient : tensor of shape (n_samples, n_classes)

    Returns
    -------
    list of tensor of shape (n_samples, out_features)
    """
    gradients = [gradient]
    for i in reversed(range(1, len(linears))):
        gradients.insert(0, (gradients[0] @ linears[i].weight) * (inputs[i] > 0))
    return gradients
