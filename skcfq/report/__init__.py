"""An audit as one HTML file that people can read, print and file."""

from ._write import report_path_problems, write_report

__all__ = ["report_path_problems", "write_report"]
