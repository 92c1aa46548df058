"""An audit as one HTML file that people can read, print and file."""

from ._verdict import LIMITED
from ._write import report_path_problems, write_report

__all__ = ["LIMITED", "report_path_problems", "write_report"]
