"""Models from files, none of which can run code."""

import importlib
from pathlib import Path

from .._utils._extras import require

#: Files whose loading runs what they say.
PICKLES = (".joblib", ".pkl", ".pickle", ".pt", ".pth", ".bin")

#: Classes of scikit-learn that skops does not list, written in Python and holding plain values. Trees
#: and distances are not among them: they are compiled, and read memory where their state points.
HARMLESS = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


def load_model(path, trusted=()):
    """Load a fitted model from a file of skops, ONNX, or :func:`skcfq.save`.

    Parameters
    ----------
    path : path-like
        ``.skops``, ``.onnx`` or ``.safetensors``.
    trusted : sequence of str
        Types that a file of skops may hold beside those of scikit-learn, NumPy and this package.

    Returns
    -------
    classifier or OnnxModel

    Raises
    ------
    ValueError
        If the file cannot be read safely.
    OSError
        If there is no such file.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind in PICKLES:
        raise ValueError(
            f"{path}: loading a pickle runs whatever is in it. Save the model with skops.io.dump, as "
            "ONNX, or, if it is quantized by skcfq, with skcfq.save."
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if kind == ".onnx":
        from ..estimators import OnnxModel

        return OnnxModel(path)
    if kind == ".skops":
        return _from_skops(path, trusted)
    from ..export import load

    return load(path)


def _from_skops(path, trusted):
    require("a file of skops", "audit", "skops")
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
        ours = [name for name in unknown if name in HARMLESS or _is_our_class(name)]
        strange = sorted(set(unknown) - set(ours) - set(trusted))
        if not strange:
            return skops.io.load(path, trusted=sorted(set(unknown)))
    except Exception as error:  # zipfile, JSON, and skops's own kinds
        raise ValueError(f"{path} is no file of skops that can be read: {error}") from error
    options = " ".join(f"--trust {name}" for name in strange)
    raise ValueError(
        f"{path} holds types that nobody vouches for: {', '.join(strange)}. If you know who made the "
        f"file and what these are: {options}"
    )


def _is_our_class(name):
    """Whether a name is that of a class of this package: made from its state, it runs nothing."""
    module, _, attribute = name.rpartition(".")
    if module.split(".")[0] != "skcfq":
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.split(".")[0] == "skcfq"
