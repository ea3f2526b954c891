"""Students on analogue hardware: what finite levels, noise and drift do to their matrix."""

from copy import copy
from dataclasses import dataclass, fields, replace
from numbers import Real

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_array, check_consistent_length

from .._extras import import_extra
from .._finite import finite
from .._validation import check_random_state, is_integer
from ..lifting import ConvolutionalLifter, OpticalLifter
from ..rows import lifted_blocks
from ..students import split_student
from ._quantisation import check_rounding, convolutions_in, quantise_student, unit_levels


@dataclass(frozen=True)
class Hardware:
    r"""What is not perfect about a device that multiplies observables by a matrix.

    The device computes :math:`y_c = \sum_j K_{cj} \psi_j`, and intensities before that: by filters
    behind a lens, or by a random medium, and coarse pixels. All other lifting, and
    intercepts, are taken to be exact. By default everything is. Applied in this order:

    ============================ ============================================================
    making the filters           ``filter_bits``, then :math:`w + f \max|w| \xi`, drawn once for a
                                 chip
    programming the matrix       ``weight_bits`` (`levels`, `scale`, `feedback`), then
                                 :math:`K (1 + m \xi) + a \max|K| \xi'`, drawn once for a chip
    waiting                      :math:`K \, 10^{-\nu d}` after d decades of time, :math:`\nu` of
                                 standard deviation `drift_spread`, drawn once for an entry
    modulating the input         ``input_bits``, then noise of size `input_noise`, for each row
                                 anew
    pooling intensities          shot noise of ``pixel_electrons``, for each row anew
    sending observables          ``activation_bits``, each observable within its own range, then
                                 noise of size `observable_noise`, for each row anew
    detecting, for each row anew shot noise, then thermal noise, in electrons
    ============================ ============================================================

    Parameters
    ----------
    weight_bits : int, default=None
        Bits of an entry of the matrix; None rounds nothing.
    levels, scale, feedback
        How it is rounded, see `quantise_matrix`.
    activation_bits : int, default=None
        Bits of an observable, between plus and minus its largest value on the calibration rows.
    observable_noise : float, default=0.0
        Standard deviation of the noise of every observable, in their units: the `additive_noise`
        that students can be made aware of.
    multiplicative_noise : float, default=0.0
        Standard deviation m of an entry, relative to its value.
    additive_noise : float, default=0.0
        Standard deviation a of an entry, relative to the largest one, the full scale.
    drift_decades : float, default=0.0
        Decades d of time since the entries were first read: 4 for :math:`10^4` times as long.
    drift_spread : float, default=0.01
        Standard deviation of the exponents :math:`\nu` of the entries. Their mean is taken to be
        zero: what all entries lose is made good by a gain (drift compensation, [3]_).
    photoelectrons : float, default=None
        Electrons that the light of the brightest detector gives in one reading: that of full
        scale :math:`S = \max_{c, rows} \sum_j |K_{cj} \psi_j|`. Positive and negative parts are
        detected apart and subtracted (balanced detection), so the shot noise is that of their
        sum. None: no noise.
    thermal_electrons : float, default=0.0
        Standard deviation of the electrons that a detector gives without light: with temperature
        :math:`\Theta`, load R and time :math:`\tau` of a reading,
        :math:`\sqrt{2 k \Theta \tau / R} / q`. Needs `photoelectrons`.
    input_bits : int, default=None
        Bits of a feature, between the smallest and the largest of all on the calibration rows.
    input_noise : float, default=0.0
        Standard deviation of the noise of every feature, in their units.
    filter_bits : int, default=None
        Bits of a number of the filters of :class:`~sklearn_koopman.ConvolutionalLifter`, which
        are rounded as the matrix is.
    filter_noise : float, default=0.0
        Standard deviation f of such a number, relative to the largest one of its filter.
    pixel_electrons : float, default=None
        Electrons that the light of the brightest pooled pixel gives on the calibration rows. It
        is for dictionaries whose observables are intensities or, with ``root=True``, their roots:
        :class:`~sklearn_koopman.ConvolutionalLifter` and
        :class:`~sklearn_koopman.OpticalLifter` with ``nonlinearity="intensity"``. None: no noise.

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
                unit_levels(getattr(self, name), self.levels)
        for name in ("photoelectrons", "pixel_electrons"):
            value = getattr(self, name)
            if value is not None and not (_is_real(value) and 0 < value < np.inf):
                raise ValueError(
                    f"{name}={value!r}: must be a float in the range (0, inf) or None."
                )
        if self.thermal_electrons and self.photoelectrons is None:
            raise ValueError(
                f"thermal_electrons={self.thermal_electrons!r} is a number beside that of the "
                "light: give photoelectrons too."
            )

    @property
    def lifts_exactly(self):
        """Whether observables are what they are without the device."""
        return self == replace(
            self,
            input_bits=None,
            input_noise=0.0,
            filter_bits=None,
            filter_noise=0.0,
            pixel_electrons=None,
        )


def _is_real(value):
    return isinstance(value, Real) and not isinstance(value, bool)


class SimulatedChip:
    """One chip: a student whose matrix is on imperfect hardware.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with a Koopman matrix, or a pipeline or search that ends in one. It is
        left as it is.
    hardware : Hardware
    X_calibration : array-like of shape (n_samples, n_features)
        Rows, without labels, that ranges and rounding are set by. Training rows will do.
    random_state : int, RandomState instance or None, default=None
        Draws the chip, and the noise of its readings.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_observables)
        What the chip's matrix has become.
    classes_ : ndarray of shape (n_classes,)

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import Hardware, SimulatedChip
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2), multiplicative_noise=0.01).fit(X, y)
    >>> chip = SimulatedChip(
    ...     student, Hardware(multiplicative_noise=0.01), X, random_state=0
    ... )
    >>> bool(chip.score(X, y) > 0.9)
    True
    """

    def __init__(self, estimator, hardware, X_calibration, *, random_state=None):
        self.hardware = hardware
        self._random_state = check_random_state(random_state)
        if (hardware.weight_bits, hardware.filter_bits) != (None, None):
            estimator = quantise_student(
                estimator,
                X_calibration,
                bits=hardware.weight_bits,
                filter_bits=hardware.filter_bits,
                levels=hardware.levels,
                scale=hardware.scale,
                feedback=hardware.feedback,
            )
        transformers, classifier = split_student(estimator)
        if hardware.filter_noise:
            transformers = self._with_noisy_filters(transformers)
        X_calibration = check_array(X_calibration, dtype=[np.float64, np.float32])
        self._input_range = X_calibration.min(), X_calibration.max()
        self._steps = self._split_at_detectors(transformers, X_calibration)
        self.classes_ = classifier.classes_
        self._intercept = classifier.intercept_
        psi = self._lift(X_calibration)
        self._range = np.abs(psi).max(axis=0)
        self.coef_ = self._program(np.asarray(classifier.coef_, dtype=np.float64))
        self._full_scale = (np.abs(psi) @ np.abs(self.coef_).T).max()

    def decision_function(self, X):
        """Return the logits that the chip reads for rows, of all classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes)
        """
        return finite(self._read(self._lift(X), self._random_state), "The logits")

    def predict(self, X):
        """Return the class of the largest logit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self.classes_[self.decision_function(X).argmax(axis=1)]

    def score(self, X, y):
        """Return the share of labels that the chip finds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)

        Returns
        -------
        accuracy : float
        """
        return accuracy_score(y, self.predict(X))

    def _lift(self, X):
        rows = self._modulated(check_array(X, dtype=[np.float64, np.float32]))
        for lifter, detector in self._steps:
            rows = _lifted(lifter, rows)
            if detector is not None:
                rows = detector.read(rows, self._random_state)
        return rows

    def _modulated(self, X):
        """Return rows as a modulator sends them."""
        hardware = self.hardware
        if hardware.input_bits is not None:
            low, high = self._input_range
            step = (high - low) / (2**hardware.input_bits - 1) or X.dtype.type(1)
            X = low + np.rint((np.clip(X, low, high) - low) / step) * step
        if hardware.input_noise:
            noise = self._random_state.standard_normal(X.shape)
            X = X + (hardware.input_noise * noise).astype(X.dtype)
        return X

    def _with_noisy_filters(self, transformers):
        """Return a list of transformers with the filters of one chip."""
        size, noisy = self.hardware.filter_noise, list(transformers)
        for i in convolutions_in(transformers, f"filter_noise={size!r}"):
            noisy[i] = lifter = copy(transformers[i])
            noise = self._random_state.standard_normal(lifter.filters_.shape)
            largest = np.abs(lifter.filters_).max(axis=(1, 2, 3), keepdims=True)
            errors = size * largest * noise
            lifter.filters_ = lifter.filters_ + errors.astype(lifter.filters_.dtype)
        return noisy

    def _split_at_detectors(self, transformers, X_calibration):
        """Return what lifts rows, in parts, each with the detectors after it or None."""
        n_electrons, parts, start = self.hardware.pixel_electrons, [], 0
        if n_electrons is not None:
            rows = X_calibration
            for i, step in enumerate(transformers):
                if _gives_intensities(step):
                    lifter = make_pipeline(*transformers[start : i + 1])
                    rows = _lifted(lifter, rows)
                    parts.append((lifter, _Detectors.seeing(step, rows, n_electrons)))
                    start = i + 1
            if not parts:
                raise ValueError(
                    f"pixel_electrons={n_electrons!r} needs intensities, of a ConvolutionalLifter "
                    "or OpticalLifter that is a step of the student, and there are none; leave it "
                    "None."
                )
        rest = transformers[start:]
        return [*parts, (make_pipeline(*rest) if rest else None, None)]

    def _program(self, ideal):
        """Return the matrix with the errors of one chip, after drift."""
        hardware, draw = self.hardware, self._random_state.standard_normal
        coef = ideal
        if hardware.multiplicative_noise:
            coef = coef + hardware.multiplicative_noise * ideal * draw(ideal.shape)
        if hardware.additive_noise:
            coef = coef + hardware.additive_noise * np.abs(ideal).max() * draw(ideal.shape)
        if hardware.drift_decades:
            exponents = hardware.drift_spread * draw(ideal.shape)
            with np.errstate(over="ignore", invalid="ignore"):
                coef = coef * 10.0 ** (-exponents * hardware.drift_decades)
        if not np.isfinite(coef).all():
            raise ValueError(
                f"{hardware!r} makes a matrix that is not finite: its noise or drift is too large."
            )
        return coef

    def _read(self, psi, random_state):
        """Return the logits of lifted rows, read once."""
        hardware = self.hardware
        if hardware.activation_bits is not None:
            n_positive = 2 ** (hardware.activation_bits - 1) - 1
            step = np.where(self._range > 0, self._range, 1.0) / n_positive
            psi = np.clip(np.rint(psi / step), -n_positive, n_positive) * step
        if hardware.observable_noise:
            psi = psi + hardware.observable_noise * random_state.standard_normal(psi.shape)
        products = psi @ self.coef_.T
        if hardware.photoelectrons is not None:
            electron = self._full_scale / hardware.photoelectrons
            light = np.abs(psi) @ np.abs(self.coef_).T
            variance = electron * light + (electron * hardware.thermal_electrons) ** 2
            products += np.sqrt(variance) * random_state.standard_normal(products.shape)
        return products + self._intercept


@dataclass(frozen=True)
class _Detectors:
    """Pixels that count electrons.

    Attributes
    ----------
    electron : float
        The intensity that gives one.
    root : bool
        Whether observables are roots of intensities.
    """

    electron: float
    root: bool

    @classmethod
    def seeing(cls, lifter, psi, n_electrons):
        """Return detectors whose brightest reading of some observables has so many electrons."""
        root = isinstance(lifter, ConvolutionalLifter) and lifter.root
        brightest = float(psi.max()) ** (2 if root else 1)
        return cls(brightest / n_electrons, root)

    def read(self, psi, random_state):
        """Return observables as they are read, once."""
        intensity = np.square(psi) if self.root else psi
        noise = np.sqrt(self.electron * intensity) * random_state.standard_normal(psi.shape)
        read = np.maximum(intensity + noise, 0).astype(psi.dtype)
        return np.sqrt(read) if self.root else read


def _gives_intensities(step):
    is_optical = isinstance(step, ConvolutionalLifter | OpticalLifter)
    return is_optical and step.nonlinearity == "intensity"


def _lifted(lifter, rows):
    return lifted_blocks(lifter, rows).all_lifted()


def hardware_curve(
    estimator,
    X,
    y,
    *,
    vary,
    values,
    X_calibration,
    hardware=None,
    n_chips=10,
    random_state=None,
):
    """Return the accuracy of a student on chips that differ in one property.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with a Koopman matrix, or a pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Rows to classify.
    y : array-like of shape (n_samples,)
    vary : str
        Name of the property of `Hardware`.
    values : sequence
        What it takes, for example ``[2, 3, 4, 6, 8]`` bits.
    X_calibration : array-like of shape (n_samples, n_features)
        As for `SimulatedChip`.
    hardware : Hardware, default=None
        All other properties. None: perfect.
    n_chips : int, default=10
        Chips that are drawn for each value; their noise is the same for all values, up to its
        size.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    accuracies : ndarray of shape (n_values, n_chips)
    """
    hardware = Hardware() if hardware is None else hardware
    if vary not in {field.name for field in fields(Hardware)}:
        names = ", ".join(field.name for field in fields(Hardware))
        raise ValueError(f"vary={vary!r}: must be one of {names}.")
    if not is_integer(n_chips) or n_chips < 1:
        raise ValueError(f"n_chips={n_chips!r}: must be an int >= 1.")
    check_consistent_length(X, y)
    seeds = check_random_state(random_state).randint(2**31 - 1, size=n_chips)
    y, exact = np.asarray(y), None
    accuracies = np.empty((len(values), n_chips))
    for i, value in enumerate(values):
        device = replace(hardware, **{vary: value})
        for j, seed in enumerate(seeds):
            chip = SimulatedChip(estimator, device, X_calibration, random_state=int(seed))
            if not device.lifts_exactly:
                psi = chip._lift(X)
            else:
                psi = exact = chip._lift(X) if exact is None else exact
            logits = chip._read(psi, chip._random_state)
            accuracies[i, j] = np.mean(chip.classes_[logits.argmax(axis=1)] == y)
    return accuracies


class HardwareDisplay:
    """Accuracy of students against bits, noise or age of the hardware.

    Parameters
    ----------
    values : sequence of float
        What the property takes.
    accuracies : dict of str -> ndarray of shape (n_values, n_chips)
        By the name of the student.
    vary : str
        Name of the property.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib artists
        Means over chips.
    bands_ : list of matplotlib artists
        From the worst chip to the best.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import HardwareDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, y)
    >>> display = HardwareDisplay.from_estimators(
    ...     {"EDMD": student}, X, y, vary="weight_bits", values=[2, 4, 8], X_calibration=X
    ... )
    >>> display.accuracies["EDMD"].shape
    (3, 1)
    """

    def __init__(self, values, accuracies, *, vary):
        self.values = values
        self.accuracies = accuracies
        self.vary = vary

    @classmethod
    def from_estimators(cls, estimators, X, y, *, vary, values, ax=None, **settings):
        """Simulate chips of several students and draw their accuracies.

        Parameters
        ----------
        estimators : dict of str -> estimator
            Fitted students by name.
        X, y, vary, values, **settings
            As for `hardware_curve`. Where nothing is drawn at random, `n_chips` is 1.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : HardwareDisplay
        """
        hardware = settings.get("hardware") or Hardware()
        if vary not in _RANDOM and not any(getattr(hardware, name) for name in _RANDOM):
            settings["n_chips"] = 1
        accuracies = {
            name: hardware_curve(estimator, X, y, vary=vary, values=values, **settings)
            for name, estimator in estimators.items()
        }
        return cls(values, accuracies, vary=vary).plot(ax)

    def plot(self, ax=None):
        """Draw the accuracies.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : HardwareDisplay
        """
        plt = import_extra("matplotlib.pyplot", "Drawing", "plot")
        self.ax_ = plt.subplots()[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        for name, accuracies in self.accuracies.items():
            (line,) = self.ax_.plot(
                self.values, accuracies.mean(axis=1), marker="o", markersize=3, label=name
            )
            band = self.ax_.fill_between(
                self.values,
                accuracies.min(axis=1),
                accuracies.max(axis=1),
                color=line.get_color(),
                alpha=0.2,
                linewidth=0,
            )
            self.lines_.append(line)
            self.bands_.append(band)
        if self.vary in ("photoelectrons", "pixel_electrons"):
            self.ax_.set_xscale("log")
        self.ax_.set(xlabel=_AXES.get(self.vary, self.vary), ylabel="accuracy")
        self.ax_.legend()
        return self


# Properties that draw something at random.
_RANDOM = (
    "observable_noise",
    "multiplicative_noise",
    "additive_noise",
    "drift_decades",
    "photoelectrons",
    "thermal_electrons",
    "input_noise",
    "filter_noise",
    "pixel_electrons",
)
_AXES = {
    "weight_bits": "bits of an entry of the matrix",
    "activation_bits": "bits of an observable",
    "observable_noise": "noise of an observable, in its units",
    "multiplicative_noise": "noise of an entry, relative to its value",
    "additive_noise": "noise of an entry, relative to the full scale",
    "drift_decades": "decades of time since programming",
    "photoelectrons": "photoelectrons of a reading at full scale",
    "thermal_electrons": "thermal noise (electrons)",
    "input_bits": "bits of a feature",
    "input_noise": "noise of a feature, in its units",
    "filter_bits": "bits of a number of a filter",
    "filter_noise": "noise of a filter, relative to its largest entry",
    "pixel_electrons": "electrons of the brightest pooled pixel",
}
