"""Any two fitted classifiers, compared by the advice that they give."""

from ._auditor import RecourseAuditor
from ._certificate import margin_certificate
from ._differences import GroupTest
from ._result import AuditResult
from ._sketch import GapSketch

__all__ = ["AuditResult", "GapSketch", "GroupTest", "RecourseAuditor", "margin_certificate"]
