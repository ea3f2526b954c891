"""How faithful a student is to its teacher, and what it costs."""

from ._certificate import (
    FidelityCertificate,
    certificate_sample_size,
    disagreement_bound,
    fidelity_certificate,
)
from ._fidelity import fidelity_score
from ._report import DistillationReport, distillation_report
from ._spectrum import SpanSpectrum, SpanSpectrumDisplay, span_spectrum

__all__ = [
    "DistillationReport",
    "FidelityCertificate",
    "SpanSpectrum",
    "SpanSpectrumDisplay",
    "certificate_sample_size",
    "disagreement_bound",
    "distillation_report",
    "fidelity_certificate",
    "fidelity_score",
    "span_spectrum",
]
