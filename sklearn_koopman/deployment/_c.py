"""A student as C that runs on a microcontroller."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._files import replaced_when_whole
from .._validation import flat_rows, is_integer
from ..microcontrollers import (
    Program,
    Settings,
    as_bytes,
    board_named,
    fixed_program,
    from_bytes,
    most_table_bytes,
    write_program,
)
from ..students import flat_steps
from ._parts import check_has_no_network, n_features_of
from ._quantisation import levels_of_matrix, row_weights

# A name of C that does not begin with an underscore.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class CStudent:
    """The C of a student, what it takes, and what it will say: `to_c` makes it.

    Attributes
    ----------
    name : str
    header, source : str
        The text of ``name.h`` and ``name.c``.
    tables : int
        Bytes of tables, all of them in flash. The code takes another few kilobytes of flash, which
        `bench_on_mcu` measures.
    buffers : int
        Bytes of buffers, all of them in memory. The row and the stack, some dozen bytes, take more,
        which `bench_on_mcu` measures.
    classes_ : ndarray
        What the numbers that the C returns stand for.
    number : {"float32", "integer"}
    byte_range : tuple of float or None
    """

    name: str
    header: str
    source: str
    tables: int
    buffers: int
    classes_: np.ndarray
    number: str
    byte_range: tuple[float, float] | None
    table_names: tuple[str, ...] = field(repr=False)
    _program: Any = field(repr=False)
    _logit_unit: float = field(repr=False)

    def integer_logits(self, X):
        """Return what ``name_logits`` writes, to the last bit: ndarray of int, one row each.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Real rows, as the student takes them.
        """
        if self.number != "integer":
            raise ValueError("number='float32' has no integer logits: take decision_function.")
        return self._program.apply(self.encoded(X))

    def decision_function(self, X):
        """Return the logits that the C gives, in floats: of float32 to rounding only.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes)
            Of all classes, two as well.
        """
        if self.number == "integer":
            return self.integer_logits(X) * self._logit_unit
        rows = self.encoded(X)
        if self.byte_range is not None:
            rows = from_bytes(rows, self.byte_range)
        return self._program.apply(rows)

    def predict(self, X):
        """Return the labels that the C gives.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        """
        logits = self.integer_logits if self.number == "integer" else self.decision_function
        return self.classes_[logits(X).argmax(axis=1)]

    def score(self, X, y):
        """Return the accuracy of the labels that the C gives."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def encoded(self, X):
        """Return rows as the C takes them: float32, or bytes.

        All other methods begin with this, so what the twin says is about the rows that the C gets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Raises
        ------
        ValueError
            If a number is outside of `byte_range`.
        """
        X = flat_rows(X)
        return X.astype(np.float32) if self.byte_range is None else as_bytes(X, self.byte_range)

    def write(self, folder):
        """Write ``name.h`` and ``name.c`` into a folder, which is made if it is not there.

        Returns
        -------
        files : list of Path
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{self.name}.h", folder / f"{self.name}.c"]
        for file, text in zip(files, (self.header, self.source), strict=True):
            with replaced_when_whole(file, text=True) as content:
                content.write(text)
        return files


def to_c(
    estimator,
    folder=None,
    *,
    X=None,
    number="float32",
    bits=8,
    filter_bits=8,
    reducer_bits=8,
    activation_bits=12,
    byte_range=None,
    softmax=False,
    name="student",
    board=None,
):
    r"""Return a student as C: one header and one source that need nothing else.

    C99 with ``<stdint.h>``, and ``<math.h>`` where a function of real numbers is needed; constant
    tables, static buffers, nothing allocated. In floating point, or in integers. There

    - a weight has few bits, packed below 8, and is rounded as `quantise_student` does it; each
      matrix makes up for what was rounded before it;
    - a number between two steps is an integer in units that come from training rows, larger ones
      are clipped;
    - sums have 32 bits, and are shown to fit by bounds of all that is added, whatever the row is;
    - a numpy twin, `CStudent`, computes the same integers, to the last bit.

    The functions are ``int name_predict(row)``, the number of the class, ``name_logits(row,
    logits)`` and, on request, ``name_probabilities(row, probabilities)``.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package or a linear one of scikit-learn, or a pipeline or search
        that ends in one. Before it may stand PCA, scalers, `PolynomialFeatures`, selections of
        features, `RBFSampler`, `Nystroem` with a Gaussian kernel, all dictionaries of this package,
        unions of them, and what has a method `add_to_program`
        (:class:`~sklearn_koopman.lifting.SupportsC`).
    folder : str or Path, default=None
        Where ``name.h`` and ``name.c`` are written. None writes nothing.
    X : array-like of shape (n_samples, n_features), default=None
        Training rows, without labels, which say how large numbers become and which errors matter;
        some thousand are enough. Needed for integers.
    number : {"float32", "integer"}, default="float32"
    bits : int, default=8
        Of an entry of the last matrix, from 2 to 16. This and the following count for integers.
    filter_bits : int, default=8
        Of a number of a filter of `ConvolutionalLifter`, from 2 to 8.
    reducer_bits : int, default=8
        Of an entry of any other matrix, as that of PCA.
    activation_bits : int, default=12
        Of a number between two steps, one of them the sign.
    byte_range : tuple of float, default=None
        Rows are bytes, and 0 and 255 stand for these two: ``(0.0, 1.0)`` for images that the
        student takes from 0 to 1. None: rows are floats.
    softmax : bool, default=False
        Whether there are probabilities, too.
    name : str, default="student"
        Of the files, and what names in them begin with.
    board : str or Board, default=None
        What it must fit into, as `bench_on_mcu` knows boards.

    Returns
    -------
    student : CStudent
        The text, its bytes, and its twin.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a step has no form in C.
    ValueError
        If bounds cannot exclude that a sum overflows, or the board has no room. Nothing is written
        then.

    See Also
    --------
    bench_on_mcu : Flash, memory and instructions, on an emulated core.
    quantise_student : Few bits within scikit-learn.

    References
    ----------
    .. [1] B. Jacob et al., "Quantization and training of neural networks for efficient
       integer-arithmetic-only inference", CVPR (2018), arXiv:1712.05877.
    .. [2] E. Frantar, S. Ashkboos, T. Hoefler and D. Alistarh, "GPTQ: accurate post-training
       quantization for generative pre-trained transformers", arXiv:2210.17323 (2022).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter, EDMDClassifier
    >>> from sklearn_koopman.deployment import to_c
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=8, filter_size=3, grid=2, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter, ridge=1e-3).fit(X / 16, y)
    >>> small = to_c(student, X=X / 16, number="integer", bits=4, byte_range=(0.0, 1.0))
    >>> small.tables, small.buffers
    (522, 153)
    >>> bool(abs(small.score(X / 16, y) - student.score(X / 16, y)) < 0.01)
    True
    >>> print(next(line for line in small.header.splitlines() if "_logits(" in line))
    void student_logits(const uint8_t *row, int32_t *logits);
    """
    check_is_fitted(estimator)
    check_has_no_network(estimator, "to_c")
    _check_numbers(number, bits, filter_bits, reducer_bits, activation_bits, byte_range)
    _check_name(name)
    program, classes = as_program(estimator)
    if number == "float32":
        made: Any = program
        steps, unit = program.steps, 1.0
    else:
        if X is None:
            raise ValueError(
                "number='integer' needs X: training rows, which say how large numbers become."
            )
        X = flat_rows(X)
        settings = Settings(levels_of_matrix, bits, reducer_bits, filter_bits, activation_bits)
        made = fixed_program(program, X, row_weights(estimator, X), settings, byte_range)
        steps, unit = made.steps, float(made.steps[-1].scale[0])
    files = write_program(steps, name, classes, byte_range=byte_range, softmax=softmax)
    student = CStudent(
        name,
        files.header,
        files.source,
        files.tables,
        files.buffers,
        classes,
        number,
        byte_range,
        files.table_names,
        made,
        unit,
    )
    if board is not None:
        board_named(board).check_room(student.tables, student.buffers)
    if folder is not None:
        student.write(folder)
    return student


def tables_at_most(
    estimator,
    *,
    bits=8,
    filter_bits=8,
    reducer_bits=8,
    activation_bits=12,
    byte_range=None,
):
    """Return how many bytes the tables of `to_c` take at most, with ``number="integer"``.

    What the student has learned does not matter, its sizes do. The result is a few bytes for each
    class, filter and coordinate above `CStudent.tables`.

    Parameters
    ----------
    estimator : estimator
        As for `to_c`.
    bits, filter_bits, reducer_bits, activation_bits, byte_range
        As for `to_c`.
    """
    _check_numbers("integer", bits, filter_bits, reducer_bits, activation_bits, byte_range)
    settings = Settings(None, bits, reducer_bits, filter_bits, activation_bits)
    program, _ = as_program(estimator)
    return most_table_bytes(program, settings, takes_bytes=byte_range is not None)


def as_program(estimator):
    """Return a fitted classifier, or a pipeline that ends in one, as a program, and its classes."""
    *transformers, classifier = flat_steps(estimator)
    if not all(hasattr(classifier, each) for each in ("coef_", "intercept_", "classes_")):
        raise TypeError(
            f"estimator={estimator!r} ends in {type(classifier).__name__}, which has no matrix: "
            "pass a fitted classifier of this package, a linear one, or a pipeline that ends in "
            "one."
        )
    transformers += flat_steps(getattr(classifier, "lifter_", None))
    program = Program(n_features_of((transformers or [classifier])[0], estimator))
    rows = program.rows
    for transformer in transformers:
        rows = program.transformer(transformer, rows)
    matrix, offset = np.atleast_2d(classifier.coef_), np.atleast_1d(classifier.intercept_)
    if len(matrix) == 1:  # the first of two classes has the logit zero
        matrix, offset = np.vstack([0 * matrix, matrix]), np.append(0.0, offset)
    program.affine(rows, matrix, offset * np.ones(len(matrix)))
    return program, classifier.classes_


def _check_numbers(number, bits, filter_bits, reducer_bits, activation_bits, byte_range):
    if number not in ("float32", "integer"):
        raise ValueError(f"number={number!r}: must be 'float32' or 'integer'.")
    ranges = {
        "bits": (bits, 2, 16),
        "filter_bits": (filter_bits, 2, 8),
        "reducer_bits": (reducer_bits, 2, 16),
        "activation_bits": (activation_bits, 4, 16),
    }
    for parameter, (value, least, most) in ranges.items():
        if not is_integer(value) or not least <= value <= most:
            raise ValueError(
                f"{parameter}={value!r}: must be an int in the range [{least}, {most}]."
            )
    if byte_range is not None:
        is_pair = isinstance(byte_range, tuple | list) and len(byte_range) == 2
        if not is_pair or not float(byte_range[0]) < float(byte_range[1]):
            raise ValueError(
                f"byte_range={byte_range!r}: must be None or (low, high), what the bytes 0 and 255 "
                "stand for."
            )


def _check_name(name):
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValueError(f"name={name!r}: must be a name of C, letters and digits.")
