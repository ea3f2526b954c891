"""Students on an emulated microcontroller: flash, memory, instructions and labels."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from .._axes import axes_to_draw_on
from .._progress import progress, showing_progress
from ..microcontrollers import board_named, build, run
from ._c import CStudent


@dataclass(frozen=True)
class McuReport:
    """What a student needs on a microcontroller: `bench_on_mcu` makes it.

    Attributes
    ----------
    board, core : str
    flash : int
        Bytes that the student adds to a program: tables, code, and what it needs of libraries.
    tables : int
        Bytes of tables alone, as `CStudent` has them.
    memory : int
        Bytes of buffers, the row, and the stack at its deepest.
    buffers : int
        Bytes of buffers alone, as `CStudent` has them.
    instructions : float
        Instructions for one row: the mean over the rows that were counted. On AVR these are cycles.
    labels : ndarray of shape (n_rows,)
        The labels that the core returned.
    agreement : float
        The share of these labels that are equal to those of the twin in numpy.
    largest_difference : float
        The largest difference of a logit to that of the twin: 0 for integers.
    accuracy : float or None
        The share of labels that are right; None without labels to compare with.
    """

    board: str
    core: str
    flash: int
    tables: int
    memory: int
    buffers: int
    instructions: float
    labels: np.ndarray = field(repr=False)
    agreement: float
    largest_difference: float
    accuracy: float | None

    def row(self):
        """Return the numbers as a dictionary, for a table."""
        names = (
            *("board", "flash", "tables", "memory", "buffers", "instructions"),
            *("agreement", "accuracy"),
        )
        return {name: getattr(self, name) for name in names}


def bench_on_mcu(
    student, X, y=None, *, board="cortex-m0plus", n_counted=10, optimise="-O2", folder=None
):
    """Compile a student for a microcontroller and run it on the emulated core.

    Parameters
    ----------
    student : CStudent
        Result of `to_c`.
    X : array-like of shape (n_samples, n_features)
        Real rows, as the student takes them. On "avr" they are part of the program, so only a few
        have room.
    y : array-like of shape (n_samples,), default=None
        Labels of the same rows, to compute the accuracy.
    board : str, default="cortex-m0plus"
        "cortex-m0plus", "cortex-m3", "cortex-m4" (qemu's microbit, mps2-an385 and mps2-an386) or
        "avr" (simavr's atmega1284p).
    n_counted : int, default=10
        Number of rows, the first ones, for which instructions are counted.
    optimise : str, default="-O2"
        Option of the compiler.
    folder : str or Path, default=None
        Folder to keep all files in. None keeps no files.

    Returns
    -------
    report : McuReport

    Raises
    ------
    MissingToolError
        If a compiler or an emulator is not installed. The message says how to get it.
    RuntimeError
        If one of them fails.
    ValueError
        If the board has no room for the rows, or `y` has another length.

    See Also
    --------
    to_c : Writes the C.

    Notes
    -----
    The timer of the board counts instructions, in an emulator in which each takes a nanosecond. A
    real core takes one to three cycles for most of them, and more to read flash.

    References
    ----------
    .. [1] F. Bellard, "QEMU, a fast and portable dynamic translator", USENIX (2005);
       https://www.qemu.org.
    .. [2] M. Pollet, simavr, https://github.com/buserror/simavr.
    """
    if not isinstance(student, CStudent):
        raise TypeError(
            f"student={student!r} is not C yet: pass what to_c(student, X=X, number='integer') "
            "returns."
        )
    rows = student.encoded(X)
    if y is not None and len(y) != len(rows):
        raise ValueError(
            f"X has {len(rows):,} rows, and y has {len(y):,} labels: pass one label for each row, "
            "such as X[:20], y[:20]."
        )
    board = board_named(board)
    board.check_tools()
    most = board.most_rows(student.tables, rows[0].nbytes)
    if most is not None and len(rows) > most:
        raise ValueError(
            f"X has {len(rows):,} rows, and board={board.name!r} takes at most {most} rows of "
            f"{rows[0].nbytes} bytes, because rows are part of the program there. Pass X[:{most}]."
        )
    with TemporaryDirectory() as made:
        where = Path(made if folder is None else folder)
        where.mkdir(parents=True, exist_ok=True)
        built = build(board, student, where, rows=rows, optimise=optimise)
        counted = rows if board.is_avr else rows[:n_counted]
        title = f"{len(rows):,} rows on an emulated {board.name}"
        with showing_progress(None), progress(title):
            words, counts, stack = run(board, built, counted)
            if len(counted) < len(rows):
                words, _, stack = run(board, built, rows, counts=False)
    if student.number == "integer":
        logits, twin = words.view(np.int32), student.integer_logits(X)
    else:
        logits, twin = words.view(np.float32), student.decision_function(X)
    codes = logits.argmax(axis=1)
    labels = student.classes_[codes]
    return McuReport(
        board.name,
        board.core,
        built.flash,
        student.tables,
        built.memory + stack,
        student.buffers,
        float(np.mean(counts)),
        labels,
        float(np.mean(codes == twin.argmax(axis=1))),
        float(np.abs(logits.astype(np.float64) - twin).max()),
        None if y is None else float(np.mean(labels == np.asarray(y))),
    )


class FlashDisplay:
    """Accuracy of students against the flash that they need.

    Parameters
    ----------
    flash : dict of str to array-like
        Series by name: the bytes of each student.
    accuracy : dict of str to array-like
        The accuracies of the same students.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D

    Examples
    --------
    >>> from sklearn_koopman.deployment import FlashDisplay
    >>> display = FlashDisplay({"digits": [800, 1500]}, {"digits": [0.95, 0.97]}).plot()
    >>> display.ax_.get_xlabel()
    'flash (kB)'
    """

    def __init__(self, flash, accuracy):
        self.flash = flash
        self.accuracy = accuracy

    @classmethod
    def from_reports(cls, reports, *, ax=None):
        """Draw reports.

        Parameters
        ----------
        reports : dict of str to list of McuReport
            Series by name. The reports need an accuracy.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : FlashDisplay
        """
        flash = {name: [each.flash for each in some] for name, some in reports.items()}
        accuracy = {name: [each.accuracy for each in some] for name, some in reports.items()}
        return cls(flash, accuracy).plot(ax)

    def plot(self, ax=None):
        """Draw a line for each series.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : FlashDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        self.lines_ = {}
        for name, sizes in self.flash.items():
            order = np.argsort(sizes)
            x, y = np.asarray(sizes)[order] / 1024, 100 * np.asarray(self.accuracy[name])[order]
            (self.lines_[name],) = self.ax_.plot(x, y, "o-", label=name)
        self.ax_.set(xscale="log", xlabel="flash (kB)", ylabel="accuracy (%)")
        self.ax_.xaxis.set_major_formatter("{x:g}")
        self.ax_.xaxis.set_minor_formatter("{x:g}")
        self.ax_.legend()
        return self
