"""The table of a report: a row for each model."""

from dataclasses import asdict, dataclass
from html import escape

import numpy as np


@dataclass(frozen=True)
class ReportRow:
    """One model of a report.

    Attributes
    ----------
    model : str
        Its name.
    accuracy, accuracy_std : float
        Fraction of test rows with the right class; mean and standard deviation over the seeds.
    fidelity, fidelity_std : float
        Fraction of test rows with the teacher's class.
    parameters : int or None
        Fitted numbers; None where the model cannot be counted.
    multiplications : int or None
        Multiplications for one sample, from the raw row to the scores.
    nonlinear_multiplications : int or None
        Those among them that multiply two variables.
    fit_time, fit_time_std : float
        Seconds, without those of the teacher; NaN where nothing was fitted.
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
    """What `distillation_report` found; printed, it is a table.

    Attributes
    ----------
    rows : list of ReportRow
        One per model, the teacher first.
    n_train, n_test : int
        Numbers of rows.
    random_states : tuple of int
        The seeds.
    chosen : tuple of dict, default=()
        For each seed the settings that a search, or cross-validation inside, has chosen for the
        student. Empty, if they were given.
    """

    rows: list
    n_train: int
    n_test: int
    random_states: tuple
    chosen: tuple = ()

    def to_frame(self):
        """Return the table as a pandas DataFrame, indexed by the model.

        Returns
        -------
        frame : pandas.DataFrame
            The attributes of `ReportRow` as columns.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas: pip install pandas. Without it, rows holds the same "
                "numbers.",
                name="pandas",
            ) from error
        return pd.DataFrame([asdict(row) for row in self.rows]).set_index("model")

    def __str__(self):
        cells = [_HEADER, *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                [first.ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
            )
            for first, *rest in cells
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], self._caption()])

    __repr__ = __str__

    def _repr_html_(self):
        head = "".join(f"<th>{escape(title)}</th>" for title in _HEADER)
        body = "".join(
            "<tr><th style='text-align:left'>{}</th>{}</tr>".format(
                escape(first), "".join(f"<td>{escape(cell)}</td>" for cell in rest)
            )
            for first, *rest in map(self._cells, self.rows)
        )
        return (
            f"<table><caption style='caption-side:bottom'>{escape(self._caption())}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
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
        if not self.chosen:
            return caption
        choices = dict.fromkeys(
            ", ".join(f"{name}={value!r}" for name, value in settings.items())
            for settings in self.chosen
        )
        return f"{caption}; chosen on the training rows: {'; or '.join(choices)}"


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


def _score(mean, std, with_std):
    return f"{mean:.4f} ± {std:.4f}" if with_std else f"{mean:.4f}"


def _count(number):
    return "n/a" if number is None else f"{number:,}"


def _seconds(time):
    return "-" if np.isnan(time) else f"{time:.3g}"
