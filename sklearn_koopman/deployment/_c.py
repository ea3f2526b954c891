"""A student as C that runs on a microcontroller."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._files import replaced_when_whole
from .._progress import showing_progress
from .._validation import flat_rows, is_integer
from .._warnings import warn_user
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
from ..students import check_is_no_regressor, flat_steps
from ._parts import check_has_no_network, n_features_of
from ._quantisation import levels_of_matrix, row_weights

# A name in C that does not begin with an underscore.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
# Words of C99, and names of files that are compiled together with the student's files.
_TAKEN = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|"
    "int|long|register|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|"
    "unsigned|void|volatile|while|main|math|stdint|stub"
)
# If training rows use no more than this many of the 256 bytes, they are probably in other units.
FEW_BYTES = 16


@dataclass(frozen=True)
class CStudent:
    """The C of a student, its size, and its twin in Python: `to_c` makes it.

    The twin computes what the C computes: integers to the last bit, float32 to rounding.

    Attributes
    ----------
    name : str
    header, source : str
        The text of ``name.h`` and ``name.c``.
    tables : int
        Bytes of tables. They are in flash. The code needs a few kilobytes of flash as well;
        `bench_on_mcu` measures it.
    buffers : int
        Bytes of buffers. They are in memory. The row and the stack need memory as well;
        `bench_on_mcu` measures them.
    classes_ : ndarray
        The classes. The C returns the number of one, from 0.
    number : {"float32", "integer"}
    byte_range : tuple of float or None
        What the bytes 0 and 255 stand for; None if rows are floats.
    """

    name: str
    header: str = field(repr=False)
    source: str = field(repr=False)
    tables: int
    buffers: int
    classes_: np.ndarray
    number: str
    byte_range: tuple[float, float] | None
    table_names: tuple[str, ...] = field(repr=False)
    _program: Any = field(repr=False)
    _logit_unit: float = field(repr=False)

    def integer_logits(self, X):
        """Return the integers that ``name_logits`` writes, to the last bit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Real rows, as the student takes them.

        Returns
        -------
        logits : ndarray of int of shape (n_samples, n_classes)
        """
        if self.number != "integer":
            raise ValueError("number='float32' has no integer logits: take decision_function.")
        return self._program.apply(self.encoded(X))

    def decision_function(self, X):
        """Return the logits that the C gives, as floats.

        Integers are multiplied by their unit. Logits in float32 are equal up to rounding.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes)
            One column for each class, also if there are two.
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
        check_consistent_length(X, y)
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def encoded(self, X):
        """Return rows as the C takes them: float32, or bytes.

        All other methods begin with this, so the twin sees exactly the rows that the C gets.

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


@showing_progress(None)
def to_c(
    estimator,
    folder=None,
    *,
    X=None,
    number=None,
    bits=None,
    filter_bits=None,
    reducer_bits=None,
    activation_bits=None,
    byte_range=None,
    softmax=False,
    name="student",
    board=None,
):
    r"""Return a student as C: one header and one source that need nothing else.

    The files are C99. They include ``<stdint.h>``, and ``<math.h>`` if a function of real numbers
    is needed. Tables are constant, buffers are static, and nothing is allocated. The functions are
    ``int name_predict(row)``, which returns the number of the class, ``name_logits(row, logits)``
    and, with `softmax`, ``name_probabilities(row, probabilities)``.

    The student computes in floating point, or in integers:

    - A weight has few bits. Weights of up to 8 bits are packed. They are rounded as in
      `quantise_student`, and each matrix corrects for what was rounded before it.
    - A number between two steps is an integer. Its unit comes from training rows, and larger
      numbers are clipped.
    - Sums have 32 bits. Bounds of all that is added prove that they fit, whatever the row is.
    - A twin in numpy, `CStudent`, computes the same integers, to the last bit. If rows are floats,
      this needs a compiler that does not fuse multiplications and additions: ``-std=c99`` or
      ``-ffp-contract=off``.

    A :class:`~sklearn_koopman.search.KoopmanSearchCV` with ``cost="tables"`` has counted integers
    with its `c_settings`. So `number`, `byte_range` and the four numbers of bits have the values of
    `c_settings` where they are None here. What is given here counts more; then the tables may take
    more bytes than the budget. Its students alone, such as `best_estimator_`, know no settings.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of this package or a linear one of scikit-learn, or a pipeline or search
        that ends in one. Steps before it may be PCA, scalers, `PolynomialFeatures`, selections of
        features, `RBFSampler`, `Nystroem` with a Gaussian kernel, all dictionaries of this package,
        unions of them, and any transformer that has a method `add_to_program`
        (:class:`~sklearn_koopman.lifting.SupportsC`).
    folder : str or Path, default=None
        Where ``name.h`` and ``name.c`` are written. None writes nothing.
    X : array-like of shape (n_samples, n_features), default=None
        Training rows, without labels. They tell how large numbers become, and which errors matter.
        Some thousand rows are enough. Integers need them.
    number : {"float32", "integer"}, default=None
        What the student computes in. None: "float32", or "integer" for a search with
        ``cost="tables"``.
    bits : int, default=None
        Bits of an entry of the last matrix, from 2 to 16. None: 8. This and the next three
        parameters are for integers only.
    filter_bits : int, default=None
        Bits of a number of a filter of `ConvolutionalLifter`, from 2 to 8. None: 8.
    reducer_bits : int, default=None
        Bits of an entry of any other matrix, such as that of PCA, from 2 to 16. None: 8.
    activation_bits : int, default=None
        Bits of a number between two steps, from 4 to 16; one of them is the sign. None: 12.
    byte_range : tuple of float, default=None
        Rows are bytes, and 0 and 255 stand for these two numbers: ``(0.0, 1.0)`` for images that
        the student takes from 0 to 1. None: rows are floats.
    softmax : bool, default=False
        Whether the C can return probabilities too.
    name : str, default="student"
        The name of the files, and the beginning of the names in them.
    board : str or Board, default=None
        A board that it must fit into, as in `bench_on_mcu`.

    Returns
    -------
    student : CStudent
        The text, its size, and its twin.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a step has no form in C.
    ValueError
        If a sum could overflow, or the board has no room. Then nothing is written.

    See Also
    --------
    bench_on_mcu : Flash, memory and instructions on an emulated core.
    quantise_student : A student of few bits in scikit-learn.

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
    counted = _counted_settings(estimator)
    number = counted.get("number", "float32") if number is None else number
    byte_range = counted.get("byte_range") if byte_range is None else byte_range
    bits_of = {
        "bits": bits,
        "filter_bits": filter_bits,
        "reducer_bits": reducer_bits,
        "activation_bits": activation_bits,
    }
    if number == "integer":
        bits_of = {
            each: counted.get(each) if value is None else value
            for each, value in bits_of.items()
        }
    widths = _checked_widths(number, **bits_of)
    _check_byte_range(byte_range)
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
        settings = Settings(levels_of_matrix, *widths)
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
    if byte_range is not None and X is not None:
        _warn_of_few_bytes(student.encoded(X), byte_range)
    if board is not None:
        board_named(board).check_room(student.tables, student.buffers)
    if folder is not None:
        student.write(folder)
    return student


def tables_at_most(
    estimator,
    *,
    number="integer",
    bits=None,
    filter_bits=None,
    reducer_bits=None,
    activation_bits=None,
    byte_range=None,
):
    """Return how many bytes the tables of `to_c` take at most, with ``number="integer"``.

    Only the sizes of the student count, not what it has learned. The result is above
    `CStudent.tables` by a few bytes for each class, filter and coordinate, or equal to it.

    Parameters
    ----------
    estimator : estimator
        As for `to_c`.
    number : {"integer"}, default="integer"
        Tables of floats are not counted.
    bits, filter_bits, reducer_bits, activation_bits, byte_range
        As for `to_c`.
    """
    if number != "integer":
        raise ValueError(f"number={number!r}: only the tables of number='integer' are counted.")
    widths = _checked_widths(number, bits, filter_bits, reducer_bits, activation_bits)
    _check_byte_range(byte_range)
    settings = Settings(None, *widths)
    program, _ = as_program(estimator)
    return most_table_bytes(program, settings, takes_bytes=byte_range is not None)


def as_program(estimator):
    """Return a fitted classifier, or a pipeline that ends in one, as a program, and its classes."""
    *transformers, classifier = flat_steps(estimator)
    check_is_no_regressor(classifier)
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


def _counted_settings(estimator):
    """Return the arguments with which a search has counted tables; none without such a search."""
    while estimator is not None:
        if hasattr(estimator, "c_settings") and estimator.cost == "tables":
            return {"number": "integer"} | (estimator.c_settings or {})
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        else:
            estimator = getattr(estimator, "best_estimator_", None)
    return {}


def _checked_widths(number, bits, filter_bits, reducer_bits, activation_bits):
    """Return the bits of all numbers, in the order of `Settings`."""
    if number not in ("float32", "integer"):
        raise ValueError(f"number={number!r}: must be 'float32' or 'integer'.")
    found = []
    for name, value, default, least, most in (
        ("bits", bits, 8, 2, 16),
        ("reducer_bits", reducer_bits, 8, 2, 16),
        ("filter_bits", filter_bits, 8, 2, 8),
        ("activation_bits", activation_bits, 12, 4, 16),
    ):
        if value is not None and (not is_integer(value) or not least <= value <= most):
            raise ValueError(
                f"{name}={value!r}: must be an int in the range [{least}, {most}]."
            )
        if value is not None and number == "float32":
            raise ValueError(
                f"{name}={value!r} is for integers, and number='float32': give number='integer' "
                "and X, or leave it None."
            )
        found.append(default if value is None else int(value))
    return found


def _check_byte_range(byte_range):
    if byte_range is None:
        return
    is_pair = isinstance(byte_range, tuple | list) and len(byte_range) == 2
    if not is_pair or not float(byte_range[0]) < float(byte_range[1]):
        raise ValueError(
            f"byte_range={byte_range!r}: must be None or (low, high), what the bytes 0 and 255 "
            "stand for."
        )


def _warn_of_few_bytes(rows, byte_range):
    low, high = int(rows.min()), int(rows.max())
    if high - low < FEW_BYTES:
        warn_user(
            f"byte_range={byte_range!r}, but all rows of X are bytes from {low} to {high}: give "
            "the numbers that the bytes 0 and 255 stand for in the units of X, (0.0, 1.0) for "
            "images that the student takes from 0 to 1."
        )


def _check_name(name):
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValueError(
            f"name={name!r}: must be a name of C, of letters, digits and underscores, which begins "
            "with a letter."
        )
    if _TAKEN.fullmatch(name):
        raise ValueError(
            f"name={name!r}: is a word of C, or of the files beside it. Take another."
        )
