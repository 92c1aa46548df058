"""What was audited with what: plain values for whoever repeats it."""

import importlib.metadata
import json
import platform
import re

import numpy as np

#: Packages whose version may change a figure.
PACKAGES = ("skcfq", "scikit-learn", "torch", "skorch", "numpy", "scipy", "pandas")


def describe(auditor):
    """The models and settings of a fitted auditor.

    Parameters
    ----------
    auditor : RecourseAuditor

    Returns
    -------
    dict of str to plain values
    """
    actions = auditor.actions
    return {
        "target": plain(auditor.target_),
        "classes": [plain(label) for label in auditor.classes_],
        "features": list(map(str, auditor.actions_.encoding.feature_names)),
        "reference": _text(auditor.reference_),
        "deployed": _text(auditor.deployed_),
        "actions": None if actions is None else _actions(actions),
        "solver": repr(auditor.solver),
    }


def versions():
    """Versions of what computes.

    Returns
    -------
    dict of str to str
    """
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from its sources
            from .. import __version__

            found[name] = __version__ if name == "skcfq" else "unknown"
    return found


def plain(value):
    """A label as JSON holds it."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _actions(actions):
    try:
        return json.loads(actions.to_json())
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return repr(actions)


def _text(model):
    if hasattr(model, "get_params"):
        return re.sub(r" at 0x[0-9a-f]+", "", repr(model))  # addresses say nothing
    return f"{type(model).__module__}.{getattr(model, '__qualname__', type(model).__qualname__)}"
