"""Before training: is this data set poisoned? One file a kind of evidence, one verdict."""

from countguard.audit.audit import audit
from countguard.audit.report import AuditReport

__all__ = ["AuditReport", "audit"]
