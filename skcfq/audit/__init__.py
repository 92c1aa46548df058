"""Any two fitted classifiers, compared by the advice that they give."""

from ._auditor import RecourseAuditor
from ._result import AuditResult

__all__ = ["AuditResult", "RecourseAuditor"]
