"""One chip: a student whose matrix is on imperfect hardware."""

from copy import copy
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline

from .._finite import finite
from .._validation import check_random_state, flat_rows
from ..lifting import ConvolutionalLifter, OpticalLifter
from ..students import split_student
from ._mesh import mesh_of
from ._parts import observables_of
from ._quantisation import convolutions_in, quantise_student


class SimulatedChip:
    """One chip: a student whose matrix is on imperfect hardware.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with a Koopman matrix, or a pipeline or search that ends in one. It does
        not change.
    hardware : Hardware
    X_calibration : array-like of shape (n_samples, n_features), default=None
        Rows, without labels, such as the training rows. They set the ranges of bits, electrons and
        modulators, and the phases of a mesh. None is enough if `hardware` has noise only.
    random_state : int, RandomState instance or None, default=None
        Seeds the chip and the noise of its readings.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_observables)
        The matrix of the chip.
    classes_ : ndarray of shape (n_classes,)

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import Hardware, SimulatedChip
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2), multiplicative_noise=0.01).fit(X, y)
    >>> chip = SimulatedChip(
    ...     student, Hardware(multiplicative_noise=0.01), random_state=0
    ... )
    >>> bool(chip.score(X, y) > 0.9)
    True
    """

    def __init__(self, estimator, hardware, X_calibration=None, *, random_state=None):
        self.hardware = hardware
        if X_calibration is None and hardware.calibrated_by:
            needed_by = ", ".join(hardware.calibrated_by)
            raise ValueError(
                f"X_calibration=None, but {needed_by} needs ranges: pass rows, for example the "
                "rows that the student was fitted to."
            )
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
        self.classes_ = classifier.classes_
        if X_calibration is None:
            self._steps, psi = self._split_at_detectors(transformers, None), None
        else:
            X_calibration = flat_rows(X_calibration)
            self._input_range = X_calibration.min(), X_calibration.max()
            self._steps = self._split_at_detectors(transformers, X_calibration)
            psi = self._lift(X_calibration)
            self._range = np.abs(psi).max(axis=0)
        self._program(classifier, psi)
        if psi is not None:
            self._full_scale = self._find_full_scale(psi)

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
        """Return the share of labels that the chip predicts correctly.

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
        rows = self._modulated(flat_rows(X))
        for lifter, detector in self._steps:
            rows = observables_of(lifter, rows)
            if detector is not None:
                rows = detector.read(rows, self._random_state)
        return rows

    def _modulated(self, X):
        """Return rows after a modulator."""
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
        """Split the transformers into parts, each with the detectors after it, or None."""
        n_electrons, parts, start = self.hardware.pixel_electrons, [], 0
        if n_electrons is not None:
            rows = X_calibration
            for i, step in enumerate(transformers):
                if _gives_intensities(step):
                    lifter = make_pipeline(*transformers[start : i + 1])
                    rows = observables_of(lifter, rows)
                    parts.append((lifter, _Detectors.seeing(step, rows, n_electrons)))
                    start = i + 1
            if not parts:
                raise ValueError(
                    f"pixel_electrons={n_electrons!r} needs the intensities of a "
                    "ConvolutionalLifter or OpticalLifter that is a step of the student, and "
                    "there are none. Leave it None."
                )
        rest = transformers[start:]
        return [*parts, (make_pipeline(*rest) if rest else None, None)]

    def _program(self, classifier, psi):
        """Make the matrix of one chip, from the perfect one and observables of calibration rows."""
        hardware = self.hardware
        coef = np.asarray(classifier.coef_, dtype=np.float64)
        intercept = classifier.intercept_
        if hardware.mesh is None:
            coef = self._with_errors(coef)
        else:
            mesh = mesh_of(classifier, psi, hardware.mesh)
            coef, intercept = mesh.fabricated(
                hardware.mesh_errors,
                recalibration_steps=hardware.recalibration_steps,
                random_state=self._random_state,
            )
        if not np.isfinite(coef).all():
            raise ValueError(
                f"{hardware!r} makes a matrix that is not finite: its noise, drift or loss is too "
                "large."
            )
        self.coef_, self._intercept = coef, intercept

    def _find_full_scale(self, psi):
        """Return the largest reading: the sum of intensities, or of waves that interfere."""
        if self.hardware.mesh is not None:
            return np.abs(psi @ self.coef_.T + self._intercept).max()
        return (np.abs(psi) @ np.abs(self.coef_).T).max()

    def _with_errors(self, ideal):
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
            products += self._noise_of_detectors(psi) * random_state.standard_normal(
                products.shape
            )
        return products + self._intercept

    def _noise_of_detectors(self, psi):
        """Return the standard deviation of a reading of each output."""
        hardware = self.hardware
        if hardware.mesh is not None:
            # With a bright local oscillator, half of the root of an electron, for every amplitude.
            return self._full_scale / (2 * np.sqrt(hardware.photoelectrons))
        electron = self._full_scale / hardware.photoelectrons
        light = np.abs(psi) @ np.abs(self.coef_).T
        return np.sqrt(electron * light + (electron * hardware.thermal_electrons) ** 2)


@dataclass(frozen=True)
class _Detectors:
    """Pixels that count electrons.

    Attributes
    ----------
    electron : float
        Intensity that gives one electron.
    root : bool
        Whether observables are roots of intensities.
    """

    electron: float
    root: bool

    @classmethod
    def seeing(cls, lifter, psi, n_electrons):
        """Return detectors whose brightest reading of some observables has this many electrons."""
        root = isinstance(lifter, ConvolutionalLifter) and lifter.root
        brightest = float(psi.max()) ** (2 if root else 1)
        return cls(brightest / n_electrons, root)

    def read(self, psi, random_state):
        """Return one reading of the observables."""
        intensity = np.square(psi) if self.root else psi
        noise = np.sqrt(self.electron * intensity) * random_state.standard_normal(psi.shape)
        read = np.maximum(intensity + noise, 0).astype(psi.dtype)
        return np.sqrt(read) if self.root else read


def _gives_intensities(step):
    is_optical = isinstance(step, ConvolutionalLifter | OpticalLifter)
    return is_optical and step.nonlinearity == "intensity"
