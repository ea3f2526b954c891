"""How faithful a student is to its teacher, what it costs, and what it computes.

`__all__` is for users; the other names are what the folder above uses of this one.
"""

from ._certificate import (
    FidelityCertificate,
    certificate_sample_size,
    disagreement_bound,
    fidelity_certificate,
)
from ._cost import Cost, UncountableError, cost
from ._cost_display import AccuracyCostDisplay
from ._fidelity import fidelity_score
from ._filter_display import FilterDisplay
from ._filter_weights_display import FilterWeightsDisplay
from ._filters import filter_weights, logit_maps
from ._koopman_spectrum import KoopmanSpectrum, koopman_spectrum
from ._logit_map_display import LogitMapDisplay
from ._polynomials._formula import Formula, formula
from ._polynomials._polynomial_student import PolynomialStudent as PolynomialStudent
from ._polynomials._shapley import ShapleyValues, shapley_values
from ._report import distillation_report
from ._report_table import DistillationReport
from ._robustness._coordinates import checked_rows as checked_rows
from ._robustness._radius import RadiusBounds, radius_bounds, robust_radius
from ._robustness._settings import (
    by_column as by_column,
    checked_fixed as checked_fixed,
    checked_scale as checked_scale,
    column_names as column_names,
)
from ._span_report import span_report
from ._spectrum import SpanSpectrum, SpanSpectrumDisplay, span_spectrum

__all__ = [
    "AccuracyCostDisplay",
    "Cost",
    "DistillationReport",
    "FidelityCertificate",
    "FilterDisplay",
    "FilterWeightsDisplay",
    "Formula",
    "KoopmanSpectrum",
    "LogitMapDisplay",
    "RadiusBounds",
    "ShapleyValues",
    "SpanSpectrum",
    "SpanSpectrumDisplay",
    "UncountableError",
    "certificate_sample_size",
    "cost",
    "disagreement_bound",
    "distillation_report",
    "fidelity_certificate",
    "fidelity_score",
    "filter_weights",
    "formula",
    "koopman_spectrum",
    "logit_maps",
    "radius_bounds",
    "robust_radius",
    "shapley_values",
    "span_report",
    "span_spectrum",
]
