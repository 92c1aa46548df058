"""Optional dependencies: a clear word when they are not installed."""

import importlib


def require(subject, extra, *modules):
    """Raise if a module of an extra cannot be imported.

    Parameters
    ----------
    subject : str
        What needs them.
    extra : str
        The extra of skcfq that installs them.
    *modules : str

    Raises
    ------
    ImportError
        Names all that is missing, and the command that installs it.

    Examples
    --------
    >>> require("a sum", "export", "math")
    >>> require("a dream", "export", "math", "no_such_module")
    Traceback (most recent call last):
    ...
    ImportError: a dream needs no_such_module: pip install "skcfq[export]".
    """
    missing = []
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise ImportError(f'{subject} needs {" and ".join(missing)}: pip install "skcfq[{extra}]".')
