"""The table of a report, with a row for each model."""

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from .._axes import axes_to_draw_on
from .._extras import import_package
from ._report_classes import f1_scores

# The table of F1 scores shows the lowest ones.
MOST_CLASSES = 10
WITHOUT_PANDAS = "Without it, rows and confusion hold the same numbers."


@dataclass(frozen=True)
class ReportRow:
    """One model of a report.

    Attributes
    ----------
    model : str
        Name of the model.
    accuracy, accuracy_std : float
        Fraction of test rows with the right class; mean and standard deviation over the seeds. NaN
        if test rows have no labels.
    fidelity, fidelity_std : float
        Fraction of test rows with the teacher's class.
    parameters : int or None
        Number of fitted numbers. None if the model cannot be counted.
    multiplications : int or None
        Number of multiplications for one sample, from the raw row to the scores.
    nonlinear_multiplications : int or None
        Number of multiplications of two variables among these.
    fit_time, fit_time_std : float
        Seconds, without the time of the teacher. NaN if nothing was fitted.
    predict_time, predict_time_std : float
        Seconds for all test rows.
    """

    model: str
    accuracy: float
    accuracy_std: float
    fidelity: float
    fidelity_std: float
    parameters: int | None
    multiplications: int | None
    nonlinear_multiplications: int | None
    fit_time: float
    fit_time_std: float
    predict_time: float
    predict_time_std: float


@dataclass(frozen=True, repr=False)
class DistillationReport:
    """Result of `distillation_report`. It prints as a table.

    Attributes
    ----------
    rows : list of ReportRow
        One row per model, the teacher first.
    n_train, n_test : int
        Numbers of rows.
    random_states : tuple of int
        The seeds.
    chosen : tuple of dict, default=()
        For each seed, the settings that a search or the student's own cross-validation has chosen.
        Empty if nothing was chosen.
    classes : ndarray of shape (n_classes,), default=()
        The classes of `confusion`.
    confusion : dict of str to ndarray of shape (n_classes, n_classes), default={}
        For each model, the confusion matrix: how many test rows of each class (row) it puts into
        each class (column). Means over the seeds.
    uncounted : dict of str to str, default={}
        For each model that cannot be counted, the reason.
    """

    rows: list
    n_train: int
    n_test: int
    random_states: tuple
    chosen: tuple = ()
    classes: Any = ()
    confusion: dict = field(default_factory=dict)
    uncounted: dict = field(default_factory=dict)

    def to_frame(self):
        """Return the table as a pandas DataFrame, indexed by the model.

        Returns
        -------
        frame : pandas.DataFrame
            The attributes of `ReportRow` as columns.
        """
        pd = import_package("pandas", "to_frame", WITHOUT_PANDAS)
        return pd.DataFrame([asdict(row) for row in self.rows]).set_index("model")

    def classes_to_frame(self):
        """Return the F1 scores as a pandas DataFrame: classes as rows, models as columns.

        Returns
        -------
        frame : pandas.DataFrame
            The first column, "n_test", has the number of test rows of each class.
        """
        pd = import_package("pandas", "classes_to_frame", WITHOUT_PANDAS)
        scores = self._f1_scores()
        frame = pd.DataFrame({"n_test": self._test_rows(), **scores}, index=self.classes)
        return frame.rename_axis("class")

    def plot_confusion(self, models=None, **kwargs):
        """Draw the confusion matrices of models, side by side.

        Parameters
        ----------
        models : sequence of str, default=None
            Names of models. None draws the teacher and its student.
        **kwargs : dict
            Arguments of :meth:`~sklearn.metrics.ConfusionMatrixDisplay.plot`.

        Returns
        -------
        displays : list of sklearn.metrics.ConfusionMatrixDisplay
        """
        models = list(self.confusion)[:2] if models is None else list(models)
        unknown = [model for model in models if model not in self.confusion]
        if unknown:
            raise ValueError(f"models={models!r}: must be of {list(self.confusion)}.")
        axes = axes_to_draw_on(None, (len(models),), figsize=(5 * len(models), 5))
        settings = {"colorbar": False, "cmap": "Blues", "values_format": ".4g"} | kwargs
        displays = []
        for model, axis in zip(models, axes, strict=True):
            shown = ConfusionMatrixDisplay(
                self.confusion[model].round(1), display_labels=self.classes
            )
            displays.append(shown.plot(ax=axis, **settings))
            axis.set_title(model)
        return displays

    def __str__(self):
        return "\n".join([_as_text(self._table()), self._caption(), *self._text_of_classes()])

    def _table(self):
        table = [_HEADER, *(self._cells(row) for row in self.rows)]
        if all(np.isnan(row.accuracy) for row in self.rows):  # test rows have no labels
            return [[first, *rest] for first, _, *rest in table]
        return table

    def _f1_scores(self):
        return {model: f1_scores(each) for model, each in self.confusion.items()}

    def _test_rows(self):
        return next(iter(self.confusion.values())).sum(axis=1).astype(int)

    def _table_of_classes(self):
        """Return titles, and then the classes in ascending order of the second model's F1 score."""
        if not self.confusion:
            return []
        scores = self._f1_scores()
        _, of_student, *_ = scores.values()
        order = np.argsort(of_student, kind="stable")[:MOST_CLASSES]
        rows = self._test_rows()
        lines = [
            [
                str(self.classes[i]),
                str(rows[i]),
                *(f"{each[i]:.3f}" for each in scores.values()),
            ]
            for i in order
        ]
        return [["F1 of class", "rows", *scores], *lines]

    def _text_of_classes(self):
        table = self._table_of_classes()
        return ["", _as_text(table)] if table else []

    __repr__ = __str__

    def _repr_html_(self):
        of_classes = self._table_of_classes()
        return _as_html(self._table(), self._caption()) + (
            _as_html(of_classes, "classes with the lowest F1 scores") if of_classes else ""
        )

    def _cells(self, row):
        with_std = len(self.random_states) > 1
        return [
            row.model,
            _score(row.accuracy, row.accuracy_std, with_std),
            _score(row.fidelity, row.fidelity_std, with_std),
            _count(row.parameters),
            _count(row.multiplications),
            _count(row.nonlinear_multiplications),
            _seconds(row.fit_time),
            _seconds(row.predict_time),
        ]

    def _caption(self):
        n_seeds = len(self.random_states)
        seeds = f"mean ± std of {n_seeds} seeds" if n_seeds > 1 else "1 seed"
        caption = (
            f"{self.n_train} training rows, {self.n_test} test rows, {seeds}; "
            "multiplications per sample, seconds for all rows"
        )
        if self.uncounted:
            reasons = dict.fromkeys(self.uncounted.values())
            caption += f"; n/a: {'; '.join(reasons)}"
        if not self.chosen:
            return caption
        choices = dict.fromkeys(
            ", ".join(f"{name}={value!r}" for name, value in settings.items())
            for settings in self.chosen
        )
        caption = f"{caption}; chosen on the training rows: {'; or '.join(choices)}"
        if any(self._learns_from_labels_alone(settings) for settings in self.chosen):
            caption += (
                "; with a soft weight of 0 nothing is learned from the teacher, so the distilled "
                "student is the student without teacher"
            )
        return caption

    @staticmethod
    def _learns_from_labels_alone(settings):
        return any(
            name.endswith("soft_weight") and value == 0 for name, value in settings.items()
        )


_HEADER = [
    "model",
    "accuracy",
    "fidelity",
    "parameters",
    "multiplications",
    "nonlinear",
    "fit (s)",
    "predict (s)",
]


def _as_text(cells):
    """Return a table, whose first row has the titles, as lines of text."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            [first.ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        )
        for first, *rest in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _as_html(cells, caption):
    head, *lines = cells
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(
        "<tr><th style='text-align:left'>{}</th>{}</tr>".format(
            escape(first), "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        )
        for first, *rest in lines
    )
    return (
        f"<table><caption style='caption-side:bottom'>{escape(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
    )


def _score(mean, std, with_std):
    return f"{mean:.4f} ± {std:.4f}" if with_std else f"{mean:.4f}"


def _count(number):
    return "n/a" if number is None else f"{number:,}"


def _seconds(time):
    return "-" if np.isnan(time) else f"{time:.3g}"
