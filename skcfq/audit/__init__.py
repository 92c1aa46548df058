"""Any two fitted classifiers, compared by the advice that they give."""

from ._auditor import RecourseAuditor
from ._certificate import margin_certificate
from ._result import AuditResult

__all__ = ["AuditResult", "RecourseAuditor", "margin_certificate"]
