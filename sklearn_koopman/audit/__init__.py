"""Everything that is known about a student, in one report, for people who must trust it."""

from ._audited_row import AuditedRow
from ._calibration import Calibration, ReliabilityDisplay
from ._certified import CertifiedAccuracy, CertifiedAccuracyDisplay
from ._confusion import ConfusionPairDisplay
from ._counterfactual_display import CounterfactualDisplay
from ._groups import AuditedGroup, GroupAccuracyDisplay
from ._intervals import Proportion
from ._report import AuditReport, audit_report
from ._terms import LeadingTermsDisplay

__all__ = [
    "AuditReport",
    "AuditedGroup",
    "AuditedRow",
    "Calibration",
    "CertifiedAccuracy",
    "CertifiedAccuracyDisplay",
    "ConfusionPairDisplay",
    "CounterfactualDisplay",
    "GroupAccuracyDisplay",
    "LeadingTermsDisplay",
    "Proportion",
    "ReliabilityDisplay",
    "audit_report",
]
