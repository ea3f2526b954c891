"""Accuracy of students on chips that differ in one property: a curve and its picture."""

from dataclasses import fields, replace

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._axes import axes_to_draw_on
from .._progress import progress, showing_progress
from .._validation import check_random_state, is_integer
from ._chip import SimulatedChip
from ._hardware import Hardware


def hardware_curve(
    estimator,
    X,
    y,
    *,
    vary,
    values,
    X_calibration=None,
    hardware=None,
    n_chips=10,
    random_state=None,
    verbose=None,
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
        Name of a property of `Hardware`.
    values : sequence
        Values of the property, for example ``[2, 3, 4, 6, 8]`` bits.
    X_calibration : array-like of shape (n_samples, n_features), default=None
        As for `SimulatedChip`. Noise needs no rows.
    hardware : Hardware, default=None
        All other properties. None: a perfect device.
    n_chips : int, default=10
        How many chips are drawn for each value. For all values the same noise is drawn, and scaled
        to its size.
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=None
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step. None is 1 where stderr is a terminal, and in notebooks, else 0.

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
    with showing_progress(verbose), progress("chips", accuracies.size, "chip") as steps:
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
                steps.done(f"{vary}={value}: accuracy {accuracies[i, j]:.4f}")
    return accuracies


class HardwareDisplay:
    """Accuracy of students against bits, noise or age of the hardware.

    Parameters
    ----------
    values : sequence of float
        Values of the property.
    accuracies : dict of str -> ndarray of shape (n_values, n_chips)
        Accuracies of each student, by its name.
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
            As for `hardware_curve`. If nothing is drawn at random, `n_chips` is 1.
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
        self.ax_ = axes_to_draw_on(ax)
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
        self.ax_.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
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
    "phase_error",
    "splitter_error",
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
    "phase_error": "error of a phase (rad)",
    "splitter_error": "error of a splitter (rad)",
    "interferometer_loss": "loss of an interferometer (dB)",
    "crosstalk": "phase that a neighbour receives, as a share",
    "phase_bits": "bits of a phase",
    "recalibration_steps": "steps of recalibration",
}
