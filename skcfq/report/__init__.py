"""An audit as one HTML file that people can read, print and file, and in words."""

from ._limits import Limit, read_limits
from ._tables import group_rows, headline_rows
from ._verdict import LimitCheck, Verdict, judge
from ._write import write_report

__all__ = [
    "Limit",
    "LimitCheck",
    "Verdict",
    "group_rows",
    "headline_rows",
    "judge",
    "read_limits",
    "write_report",
]
