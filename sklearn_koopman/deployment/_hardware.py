"""Errors and noise of analogue hardware."""

from dataclasses import dataclass, fields, replace
from numbers import Real

import numpy as np

from .._validation import is_integer
from ..meshes import LAYOUTS, MeshErrors
from ._quantisation import check_bits, check_rounding


@dataclass(frozen=True)
class Hardware:
    r"""Errors and noise of a device that multiplies observables by a matrix.

    The device computes :math:`y_c = \sum_j K_{cj} \psi_j`. Before that it may compute intensities:
    of filters after a lens, or of a random medium, on coarse pixels. All other lifting and the
    intercepts are exact. By default everything is exact. Errors apply in this order:

    ============================ ============================================================
    making the filters           ``filter_bits``, then :math:`w + f \max|w| \xi`, drawn once for a
                                 chip
    programming the matrix       ``weight_bits`` (`levels`, `scale`, `feedback`), then
                                 :math:`K (1 + m \xi) + a \max|K| \xi'`, drawn once for a chip
    waiting                      :math:`K \, 10^{-\nu d}` after d decades of time, :math:`\nu` of
                                 standard deviation `drift_spread`, drawn once for an entry
    modulating the input         ``input_bits``, then noise of size `input_noise`, new for each
                                 row
    pooling intensities          shot noise of ``pixel_electrons``, new for each row
    sending observables          ``activation_bits``, each observable within its own range, then
                                 noise of size `observable_noise`, new for each row
    detecting                    shot noise, then thermal noise, in electrons, new for each row
    ============================ ============================================================

    With ``mesh`` the matrix and the intercept are not programmed entry by entry. They are two
    meshes of interferometers with attenuators between them, see `to_mesh`. Drivers have
    ``phase_bits``. ``phase_error`` and ``splitter_error`` are drawn once for a chip. There are
    ``crosstalk`` and ``interferometer_loss`` as well. ``recalibration_steps`` then adjust the chip,
    and one gain for all detectors makes up for what all outputs lose. Detectors are homodyne.

    Parameters
    ----------
    weight_bits : int, default=None
        Bits of an entry of the matrix; None rounds nothing.
    levels, scale, feedback
        How it is rounded, see `quantise_matrix`.
    activation_bits : int, default=None
        Bits of an observable, between plus and minus its largest value on the calibration rows.
    observable_noise : float, default=0.0
        Standard deviation of the noise of every observable, in its units. The `additive_noise` of
        students prepares for it.
    multiplicative_noise : float, default=0.0
        Standard deviation m of an entry, relative to its value.
    additive_noise : float, default=0.0
        Standard deviation a of an entry, relative to the largest one, the full scale.
    drift_decades : float, default=0.0
        Decades d of time since the entries were first read: 4 for :math:`10^4` times as long.
    drift_spread : float, default=0.01
        Standard deviation of the exponents :math:`\nu` of the entries. Their mean is zero, because
        a gain makes up for what all entries lose (drift compensation, [3]_).
    photoelectrons : float, default=None
        Electrons that the light of the brightest detector gives in one reading: that of full
        scale :math:`S = \max_{c, rows} \sum_j |K_{cj} \psi_j|`. Positive and negative parts are
        detected separately and subtracted (balanced detection), so the shot noise is that of their
        sum. None: no noise.
    thermal_electrons : float, default=0.0
        Standard deviation of the electrons that a detector gives without light: with temperature
        :math:`\Theta`, load R and time :math:`\tau` of a reading,
        :math:`\sqrt{2 k \Theta \tau / R} / q`. Needs `photoelectrons`.
    input_bits : int, default=None
        Bits of a feature, between the smallest and the largest of all on the calibration rows.
    input_noise : float, default=0.0
        Standard deviation of the noise of every feature, in its units.
    filter_bits : int, default=None
        Bits of a number of the filters of :class:`~sklearn_koopman.ConvolutionalLifter`, which
        are rounded as the matrix is.
    filter_noise : float, default=0.0
        Standard deviation f of such a number, relative to the largest one of its filter.
    pixel_electrons : float, default=None
        Electrons that the light of the brightest pooled pixel gives on the calibration rows. This
        is for dictionaries whose observables are intensities or, with ``root=True``, their roots:
        :class:`~sklearn_koopman.ConvolutionalLifter` and
        :class:`~sklearn_koopman.OpticalLifter` with ``nonlinearity="intensity"``. None: no noise.
    mesh : {"tree", "clements", "reck"}, default=None
        The order of the interferometers, see `to_mesh`. None: no mesh; the matrix is programmed
        entry by entry.
    phase_error : float, default=0.0
        Standard deviation of the error of each phase shifter, in radians.
    splitter_error : float, default=0.0
        Standard deviation of the angle of each splitter, in radians. An angle of :math:`\pi / 4`
        divides light into halves; an error of 0.01 gives 51 : 49.
    interferometer_loss : float, default=0.0
        Power that is lost in an interferometer, in decibels.
    crosstalk : float, default=0.0
        What a phase shifter adds to its neighbours, those of its kind that are next to it in its
        column, as a share of its own phase.
    phase_bits : int, default=None
        Bits of a driver of phases, which sets them between 0 and :math:`2 \pi`. None rounds
        nothing.
    recalibration_steps : int, default=0
        Steps of L-BFGS that adjust all phases and attenuators on the chip. They use what the chip
        is measured to do with the calibration rows, and gradients of light that is sent backwards
        [7]_.

    References
    ----------
    .. [1] A. N. Tait et al., "Neuromorphic photonic networks using silicon photonic weight banks",
       Scientific Reports 7, 7430 (2017): weights as ring resonators, balanced detection.
    .. [2] Y. Shen et al., "Deep learning with coherent nanophotonic circuits", Nature Photonics 11,
       441-446 (2017): meshes of interferometers, errors of phases and of detection.
    .. [3] V. Joshi et al., "Accurate deep neural network inference using computational phase-change
       memory", Nature Communications 11, 2473 (2020): programming noise, power-law drift.
    .. [4] T. Wang et al., "An optical neural network using less than 1 photon per multiplication",
       Nature Communications 13, 123 (2022): shot noise as the limit.
    .. [5] J. Chang et al., "Hybrid optical-electronic convolutional neural networks with optimized
       diffractive optics for image classification", Scientific Reports 8, 12324 (2018): filters
       behind a lens.
    .. [6] B. E. A. Saleh and M. C. Teich, "Fundamentals of Photonics", chapter on semiconductor
       photon detectors: shot and thermal noise.
    .. [7] T. W. Hughes et al., "Training of photonic neural networks through in situ
       backpropagation and gradient measurement", Optica 5, 864-871 (2018); M. Y.-S. Fang et al.,
       "Design of optical neural networks with component imprecisions", Optics Express 27,
       14009-14029 (2019): errors of phases and splitters.
    """

    weight_bits: int | None = None
    levels: str = "uniform"
    scale: str = "row"
    feedback: bool = True
    activation_bits: int | None = None
    observable_noise: float = 0.0
    multiplicative_noise: float = 0.0
    additive_noise: float = 0.0
    drift_decades: float = 0.0
    drift_spread: float = 0.01
    photoelectrons: float | None = None
    thermal_electrons: float = 0.0
    input_bits: int | None = None
    input_noise: float = 0.0
    filter_bits: int | None = None
    filter_noise: float = 0.0
    pixel_electrons: float | None = None
    mesh: str | None = None
    phase_error: float = 0.0
    splitter_error: float = 0.0
    interferometer_loss: float = 0.0
    crosstalk: float = 0.0
    phase_bits: int | None = None
    recalibration_steps: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and not (_is_real(value) and 0 <= value < np.inf):
                raise ValueError(
                    f"{field.name}={value!r}: must be a float in the range [0, inf)."
                )
        check_rounding(self.levels, self.scale, self.feedback)
        for name in ("weight_bits", "activation_bits", "input_bits", "filter_bits"):
            if getattr(self, name) is not None:
                check_bits(getattr(self, name), name)
        for name in ("photoelectrons", "pixel_electrons"):
            value = getattr(self, name)
            if value is not None and not (_is_real(value) and 0 < value < np.inf):
                raise ValueError(
                    f"{name}={value!r}: must be a float in the range (0, inf) or None."
                )
        if self.thermal_electrons and self.photoelectrons is None:
            raise ValueError(
                f"thermal_electrons={self.thermal_electrons!r} is compared with the electrons of "
                "the light: set photoelectrons too."
            )
        self._check_mesh()

    def _check_mesh(self):
        if self.mesh is not None and self.mesh not in LAYOUTS:
            raise ValueError(f"mesh={self.mesh!r}: must be one of {LAYOUTS} or None.")
        for name, lowest in (("phase_bits", 1), ("recalibration_steps", 0)):
            value = getattr(self, name)
            if value is not None and not (is_integer(value) and value >= lowest):
                raise ValueError(f"{name}={value!r}: must be an int >= {lowest}.")
        perfect = {field.name: field.default for field in fields(self)}
        with_mesh = _OF_MESHES if self.mesh is None else _OF_ENTRIES
        for name in with_mesh:
            if getattr(self, name) != perfect[name]:
                advice = (
                    'is about a mesh: give mesh="tree" too, or leave it'
                    if self.mesh is None
                    else f"is not about a mesh: leave it, or mesh={self.mesh!r},"
                )
                raise ValueError(f"{name}={getattr(self, name)!r} {advice} as it is.")

    @property
    def mesh_errors(self):
        """The errors of the mesh of a chip."""
        return MeshErrors(
            phase_error=self.phase_error,
            splitter_error=self.splitter_error,
            loss=self.interferometer_loss,
            crosstalk=self.crosstalk,
            phase_bits=self.phase_bits,
        )

    @property
    def lifts_exactly(self):
        """Whether the device leaves observables as they are."""
        return self == replace(
            self,
            input_bits=None,
            input_noise=0.0,
            filter_bits=None,
            filter_noise=0.0,
            pixel_electrons=None,
        )

    @property
    def calibrated_by(self):
        """Names of the properties that are not perfect and need rows to set their ranges."""
        return [name for name in _CALIBRATED if getattr(self, name) != getattr(Hardware, name)]


def _is_real(value):
    return isinstance(value, Real) and not isinstance(value, bool)


_OF_MESHES = (
    "phase_error",
    "splitter_error",
    "interferometer_loss",
    "crosstalk",
    "phase_bits",
    "recalibration_steps",
)
# Errors of single entries of a matrix, and of detectors without a local oscillator.
_OF_ENTRIES = (
    "weight_bits",
    "multiplicative_noise",
    "additive_noise",
    "drift_decades",
    "thermal_electrons",
)
# Properties that depend on the ranges of rows, observables or readings.
_CALIBRATED = (
    "weight_bits",
    "activation_bits",
    "photoelectrons",
    "input_bits",
    "filter_bits",
    "pixel_electrons",
    "mesh",
)
