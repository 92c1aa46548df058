"""An audit as one HTML file that people can read, print and file."""

from ._verdict import LIMITED
from ._write import write_report

__all__ = ["LIMITED", "write_report"]
