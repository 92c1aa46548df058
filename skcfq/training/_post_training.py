"""What post-training quantization keeps: objects that calibrate a quantized network."""

import math

import torch
from sklearn.base import BaseEstimator

from ..quantization import equalize, linear_layers, mse_clip, quant_layers, reconstruct
from ._nearness import is_scale, nearness
from ._objectives import negative_values


class WeightObjective(BaseEstimator):
    """Post-training quantization that keeps the weights.

    Weights go to the nearest level, with steps of least squared error; clips of the activations have
    the least squared error on the training rows. Nobody's recourse is looked at.

    Examples
    --------
    >>> from skcfq import PTQClassifier, WeightObjective
    >>> PTQClassifier(objective=WeightObjective()).objective
    WeightObjective()
    """

    needs_recourse = False

    @torch.no_grad()
    def calibrate(self, module, network, lesson):
        """Set the clips; steps are those that the layers came with.

        Parameters
        ----------
        module : QuantMLP
            With fixed widths. Changed in place.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson
        """
        x = lesson.x
        for linear, activation in zip(linear_layers(network), module.activations, strict=False):
            x = linear(x)
            _set_clip(activation, x, x.relu(), lesson.weight)
            x = x.relu()


class OutputObjective(BaseEstimator):
    """Post-training quantization that keeps what each layer computes: CF-PTQ.

    Layer by layer, codes, steps, biases and clips are chosen so that the quantized network's layer
    computes what the layer in full precision does (see :func:`~skcfq.quantization.reconstruct`), at
    the training rows and at the teacher's recourse, where the decision boundary is. If activations
    are quantized, hidden units are first scaled to equal ranges (:func:`~skcfq.quantization.equalize`).

    Parameters
    ----------
    recourse : float, default=1.0
        How much the rows after the teacher's recourse count together, relative to the rows as
        they are. 0 leaves them out.
    nearness : float, default=inf
        Gap of the network's two largest logits at which a row counts half: ``1 / (1 + (gap / nearness)**2)``.
        Infinite: all count alike.

    Examples
    --------
    >>> from skcfq import OutputObjective, PTQClassifier
    >>> PTQClassifier(objective=OutputObjective(recourse=2.0)).get_params()["objective__recourse"]
    2.0
    """

    def __init__(self, *, recourse=1.0, nearness=math.inf):
        self.recourse = recourse
        self.nearness = nearness

    @property
    def needs_recourse(self):
        """Whether the teacher's recourse is to be solved."""
        return self.recourse > 0

    def problems(self):
        """Sentences about wrong parameters, empty if there are none."""
        problems = negative_values(self, ["recourse"])
        if not is_scale(self.nearness):
            problems.append(
                f"nearness={self.nearness!r}: a number > 0 is needed, infinity allowed."
            )
        return problems

    @torch.no_grad()
    def calibrate(self, module, network, lesson):
        """Set codes, steps, biases and clips.

        Parameters
        ----------
        module : QuantMLP
            With fixed widths. Changed in place.
        network : torch.nn.Module
            What it quantizes, linear layers with ReLUs between them.
        lesson : Lesson

        Returns
        -------
        torch.nn.Module
            What it has quantized: `network`, or a copy with scaled units.
        """
        exact, weight = lesson.x, lesson.weight
        if self.recourse:
            advised = weight * lesson.counted
            # Nobody to advise: the rows alone.
            advised = advised * self.recourse * weight.sum() / advised.sum().clamp(min=1e-12)
            counted = advised > 0
            exact = torch.cat([exact, torch.from_numpy(lesson.advice.encoded)[counted]])
            weight = torch.cat([weight, advised[counted]])
        weight = weight * nearness(network(exact), self.nearness)
        given = exact
        layers, linears = quant_layers(module), linear_layers(network)
        # Units with widths of their own have their ranges already.
        if any(each.bits is not None and each.unit_bits is None for each in module.activations):
            network = equalize(network, exact[weight > 0])
            linears = linear_layers(network)
            for layer, linear in zip(layers, linears, strict=True):
                layer.weight.copy_(linear.weight)
        for i, (layer, linear) in enumerate(zip(layers, linears, strict=True)):
            wanted = linear(exact)
            reconstruct(layer, given, wanted, weight)
            if i < len(module.activations):
                exact, given = wanted.relu_(), layer(given)
                _set_clip(module.activations[i], given, exact, weight)
                given = module.activations[i](given)
        return network


def _set_clip(activation, inputs, outputs, weight):
    if activation.bits is not None:
        clip = mse_clip(inputs, activation.unit_bits or activation.bits, outputs, weight)
        activation.log_clip.fill_(math.log(clip))
