"""How faithful a student is to its teacher, and what it costs."""

from ._fidelity import fidelity_score
from ._report import DistillationReport, distillation_report

__all__ = ["DistillationReport", "distillation_report", "fidelity_score"]
