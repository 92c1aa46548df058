"""A packed classifier as recourse and audits see it."""

import math

import numpy as np
import torch
from torch import nn

from ..actions import Encoding
from ..actions._features import AffineFeature, FixedFeature, TableFeature
from ..estimators import NetworkView
from ..quantization import QuantReLU
from ..recourse import one_thread
from ._encoder import CategoryColumn, NumberColumn


@one_thread()
def packed_view(packed):
    """See a packed classifier as an encoding, a network and a decision.

    Parameters
    ----------
    packed : PackedClassifier

    Returns
    -------
    NetworkView
        Its network is that of the exported classifier, to the bit.
    """
    model = packed.model
    return NetworkView(
        model.classes,
        _encoding(packed),
        _network(model.layers),
        lambda frame: packed.logits(frame).argmax(axis=1),
        lambda encoded: model.logits(np.asarray(encoded, dtype=np.float64)).argmax(axis=1),
    )


def _network(layers):
    """The float32 network that recourse is searched on, as ``skcfq.training.deployed`` builds it."""
    parts = []
    for layer in layers:
        linear = nn.utils.skip_init(nn.Linear, layer.n_inputs, layer.n_outputs)
        weight = torch.from_numpy(layer.codes().astype(np.float32) * layer.steps[:, None])
        linear.weight = nn.Parameter(weight)
        linear.bias = nn.Parameter(torch.from_numpy(np.array(layer.bias)))
        parts.append(linear)
        if layer.activation_step is not None:
            clip = layer.activation_step * float(np.max(layer.top))
            activation = QuantReLU(layer.activation_bits, clip)
            with torch.no_grad():
                activation.log_clip.fill_(math.log(clip))
            parts.append(activation)
        elif layer.relu:
            parts.append(nn.ReLU())
    return nn.Sequential(*parts).eval().requires_grad_(False)


class _Transformer:
    """A packed encoder in the place of a fitted preprocessor."""

    def __init__(self, packed):
        self.packed = packed

    def transform(self, frame):
        return self.packed.encode(frame)


def _encoding(packed):
    model = packed.model
    names = model.feature_names or tuple(f"x{i}" for i in range(model.n_features))
    if model.encoder is None:
        return Encoding(None, names)
    features = [
        _feature(i, column, model.encoder.base) for i, column in enumerate(model.encoder.columns)
    ]
    return Encoding.of(_Transformer(packed), names, features, len(model.encoder.base))


def _feature(raw, record, base):
    if isinstance(record, NumberColumn):
        return AffineFeature(record.name, raw, record.column, record.scale, record.offset)
    if not isinstance(record, CategoryColumn):
        return FixedFeature(record.name, (raw,), "the preprocessor drops it")
    categories = [np.nan if category is None else category for category in record.categories]
    columns = np.array(sorted({column for each in record.cells for column, _ in each}), dtype=int)
    table = np.tile(np.array(base)[columns], (len(record.cells), 1))
    for row, each in zip(table, record.cells, strict=True):
        for column, value in each:
            row[np.searchsorted(columns, column)] = value
    values = np.empty((len(categories), 1), dtype=object)
    values[:, 0] = categories
    return TableFeature(record.name, (raw,), columns, tuple(categories), values, table)
