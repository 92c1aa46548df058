"""An audit as one HTML file that people can read, print and file."""

from ._write import write_report

__all__ = ["write_report"]
