"""From a fitted classifier to a packed one."""

import dataclasses
import math

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from ..actions import Encoding
from ..estimators import unwrap
from ..quantization import linear_layers, quant_layers
from ._codes import FLOAT, TERNARY, list_blocks, pack_codes
from ._model import PackedLayer, PackedModel
from ._packed import PackedClassifier
from ._read_encoding import pack_encoding


def export_packed(clf, *, audit=None):
    """Pack a fitted classifier: integer weights at their widths, computed in NumPy.

    Parameters
    ----------
    clf : CFQClassifier, QATClassifier, FullPrecisionClassifier or Pipeline
        Fitted. A pipeline of transformers that ends in one of them; also inside a
        ``FrozenEstimator`` or a search. Full-precision weights are stored as float32. Raw frames
        are encoded as the preprocessor does, which has to consist of scalers, imputers,
        ``OneHotEncoder`` and ``OrdinalEncoder``.
    audit : AuditResult, RecourseScore or mapping of str to float, default=None
        Figures that the model carries along: what an audit of it found.

    Returns
    -------
    PackedClassifier
        Same integer codes, same decisions, see there.

    Raises
    ------
    TypeError
        If `clf` is not one of our classifiers.
    ValueError
        Lists the columns whose encoding cannot be exported.

    Examples
    --------
    >>> from skcfq import CFQClassifier
    >>> from skcfq.datasets import make_recourse_classification
    >>> from skcfq.export import export_packed
    >>> data = make_recourse_classification(n_samples=400, random_state=0)
    >>> clf = CFQClassifier((8,), bits=4, max_epochs=2, random_state=0)
    >>> export_packed(clf.fit(data.data, data.target)).bits_
    (4, 4)
    """
    if isinstance(clf, PackedClassifier):
        return clf if audit is None else _with_audit(clf, audit)
    model = unwrap(clf)
    last = unwrap(model[-1]) if isinstance(model, Pipeline) else model
    if not hasattr(last, "network_view_"):
        raise TypeError(
            f"export_packed takes a classifier of skcfq or a Pipeline that ends in one, got {type(last).__name__}."
        )
    check_is_fitted(last)
    names = getattr(model, "feature_names_in_", None)
    n_features = model.n_features_in_
    encoding = last.encoding_
    if isinstance(model, Pipeline) and len(model) > 1:
        raw = [f"x{i}" for i in range(n_features)] if names is None else list(names)
        encoding = Encoding(model[:-1], raw).then(encoding)
    allow_missing = last._imputes() or isinstance(model, Pipeline)
    module = last.net_.module_
    actions = last.actions
    return PackedClassifier(
        PackedModel(
            _packed_layers(module),
            pack_encoding(encoding, allow_missing),
            np.array(last.classes_),
            int(n_features),
            None if names is None else tuple(map(str, names)),
            last.target_,
            None if actions is None else actions.to_json(),
            {
                "classifier": type(last).__name__,
                "skcfq": __version__,
                "bit_budget": getattr(last, "bit_budget", None),
                **({} if audit is None else {"audit": _figures(audit)}),
            },
        )
    )


def _with_audit(packed, audit):
    model = packed.model
    info = {**model.info, "audit": _figures(audit)}
    return PackedClassifier(dataclasses.replace(model, info=info))


def _figures(audit):
    """Names and numbers of an audit; undefined figures are None."""
    figures = getattr(audit, "measures", audit)
    figures = figures.as_dict() if hasattr(figures, "as_dict") else figures
    figures = {str(name): float(value) for name, value in figures.items()}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def _packed_layers(module):
    """The layers of a network of this package."""
    quantized = quant_layers(module)
    layers = quantized or linear_layers(module)
    activations = list(module.activations) if quantized else []
    packed = []
    for i, layer in enumerate(layers):
        hidden = i + 1 < len(layers)
        activation_bits = activation_step = None
        if quantized and hidden:
            activation_bits = activations[i].unit_bits or activations[i].bits
        if activation_bits is not None:
            # As ``deployed`` computes it: the clip's logarithm is float32, its exponential float64.
            clip = activations[i].log_clip.detach().double().exp()
            activation_step = float(clip / (2 ** np.max(activation_bits) - 1))
        packed.append(
            PackedLayer(
                layer.in_features,
                layer.out_features,
                *(_quantized_weight(layer) if quantized else _float_weight(layer)),
                _bias(layer),
                hidden,
                activation_bits,
                activation_step,
                _shifts(layer) if quantized else None,
            )
        )
    return tuple(packed)


def _quantized_weight(layer):
    codes = layer.codes().cpu().numpy()
    bits = tuple(width if isinstance(width, int) else TERNARY for width in layer.channel_bits)
    bits = bits if len(set(bits)) > 1 else bits[0]
    blocks = list_blocks(bits, _shifts(layer), layer.out_features, layer.in_features)
    packed = [
        pack_codes(codes[np.ix_(outputs, inputs)] >> shift, width)
        for width, shift, outputs, inputs in blocks
    ]
    return bits, b"".join(packed), layer.steps().cpu().numpy().astype(np.float32).ravel()


def _shifts(layer):
    """Lowest bits that are 0 in the codes of each input; None if there are none."""
    shifts = tuple(layer.input_shifts.tolist())
    return shifts if any(shifts) else None


def _float_weight(layer):
    weight = layer.weight.detach().cpu().numpy().astype("<f4")
    return FLOAT, weight.tobytes(), np.ones(1, dtype=np.float32)


def _bias(layer):
    if layer.bias is None:
        return np.zeros(layer.out_features, dtype=np.float32)
    return np.array(layer.bias.detach().cpu().to(torch.float32).numpy())
