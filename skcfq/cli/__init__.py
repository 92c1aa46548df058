"""The command line: shows what the package does, on data of one's own machine."""

from ._entry import app

__all__ = ["app"]
