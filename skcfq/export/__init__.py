"""What is deployed: packed integer models that decide as audited."""

import lazy_loader as _lazy

# Names come on first use: a packed model is loaded and used without torch, skorch and pandas.
__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "_c": ["export_c"],
        "_encoder": ["CategoryColumn", "Encoder", "IgnoredColumn", "NumberColumn"],
        "_files": ["load", "save"],
        "_model": ["PackedLayer", "PackedModel"],
        "_onnx": ["OnnxCheck", "export_onnx"],
        "_onnx_run": ["OnnxClassifier", "load_onnx"],
        "_pack": ["export_packed"],
        "_packed": ["PackedClassifier"],
    },
)
