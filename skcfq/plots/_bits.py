"""How many bits each layer got."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..estimators import unwrap
from ..quantization import TERNARY_BITS, quant_layers
from ._drawing import GUIDE, REFERENCE, axes_of, tidy


class LayerBitsDisplay:
    """Bits per weight of each layer of a quantized network, with the layer's size.

    It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    bits : array-like of shape (n_layers,)
        Bits per weight, on average over a layer's outputs.
    shapes : array-like of shape (n_layers, 2)
        Inputs and outputs of each layer.
    average_bits : float
        Over all weights.
    bit_budget : float, default=None
        The limit of `average_bits`.
    channel_bits : sequence of sequence of float, default=None
        Bits of the weights of each output, on average over its inputs, for each layer. Where they differ, a
        line spans them.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from skcfq.plots import LayerBitsDisplay
    >>> display = LayerBitsDisplay(
    ...     bits=[4, 8], shapes=[(20, 64), (64, 2)], average_bits=4.36, bit_budget=5
    ... )
    >>> display.plot().ax_.get_xlabel()
    'bits per weight'
    """

    def __init__(self, *, bits, shapes, average_bits, bit_budget=None, channel_bits=None):
        self.bits = bits
        self.shapes = shapes
        self.average_bits = average_bits
        self.bit_budget = bit_budget
        self.channel_bits = channel_bits

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw a fitted quantized classifier.

        Parameters
        ----------
        estimator : fitted classifier
            A CFQClassifier, QATClassifier or PTQClassifier, also as the last step of a Pipeline
            or inside a search or FrozenEstimator.
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.

        Returns
        -------
        LayerBitsDisplay

        Raises
        ------
        TypeError
            If the classifier is not one that skcfq quantized.
        """
        model = unwrap(estimator)
        if isinstance(model, Pipeline):
            model = unwrap(model[-1])
        check_is_fitted(model)
        if not hasattr(model, "bits_"):
            raise TypeError(
                f"{type(model).__name__} has no bits per layer: give a CFQClassifier, QATClassifier "
                "or PTQClassifier."
            )
        layers = quant_layers(model.net_.module_)
        return cls(
            bits=np.array(model.bits_, dtype=float),
            shapes=np.array([(layer.in_features, layer.out_features) for layer in layers]),
            average_bits=float(model.average_bits_),
            bit_budget=model.bit_budget,
            channel_bits=[
                [
                    float(layer.output_bits(width) / layer.in_features)
                    for width in layer.channel_bits
                ]
                for layer in layers
            ],
        ).plot(ax)

    def plot(self, ax=None, **kwargs):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            ``None`` makes a figure.
        **kwargs
            Of ``Axes.barh``.

        Returns
        -------
        LayerBitsDisplay
        """
        bits, shapes = np.asarray(self.bits, dtype=float), np.asarray(self.shapes)
        rows = np.arange(len(bits))
        ax = axes_of(ax, type(self).__name__, (7, 1.2 + 0.55 * len(bits)))
        ax.barh(rows, bits, **{"color": REFERENCE["color"], "height": 0.62, **kwargs})
        by_output = self.channel_bits
        if by_output is None:
            by_output = [[width] for width in bits]
        widest = max(*map(max, by_output), self.average_bits, 2)
        for row, (widths, n_weights) in enumerate(
            zip(by_output, shapes.prod(axis=1).tolist(), strict=True)
        ):
            narrow, wide = min(widths), max(widths)
            name = _name(narrow)
            if wide > narrow:
                name = f"{bits[row]:.3g} bits ({_name(narrow).removesuffix(' bits')} to {wide:.3g})"
                ax.plot([narrow, wide], [row, row], color=GUIDE, linewidth=1.2, marker="|")
            # Ternary weights are packed five to a byte.
            each = [1 / 5 if _is_ternary(width) else width / 8 for width in widths]
            size = n_weights * np.mean(each) / 1024
            words = f"{name} · {n_weights:,} weights, {size:,.1f} KiB"
            ax.text(1.02, row, words, va="center", transform=ax.get_yaxis_transform())
        ax.axvline(self.average_bits, color=GUIDE, linestyle="--", linewidth=1.2, zorder=0)
        words = f"average {self.average_bits:.2f}"
        if self.bit_budget is not None:
            words += f", budget {self.bit_budget:g}"
        ax.set_title(words, fontsize="medium", loc="left")
        names = [f"layer {i + 1}\n{n_in} → {n_out}" for i, (n_in, n_out) in enumerate(shapes)]
        ax.set_yticks(rows, names)
        ax.tick_params(axis="y", length=0)
        ax.set(xlabel="bits per weight", xlim=(0, 1.02 * widest))
        ax.set_xticks(np.arange(0, widest + 1, 1 if widest <= 8 else 2))
        ax.invert_yaxis()
        tidy(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _is_ternary(width):
    return np.isclose(width, TERNARY_BITS)


def _name(width):
    return "ternary" if _is_ternary(width) else f"{width:.3g} bits"
