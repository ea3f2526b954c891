"""The report of an audit: all of it in one object, and in one page."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from sklearn.utils.validation import column_or_1d

from .._progress import showing_progress
from .._validation import is_integer
from ..inspection import (
    Cost,
    FidelityCertificate,
    Formula,
    UncountableError,
    by_column,
    cost,
    fidelity_certificate,
    formula,
)
from ..rows import taken
from ..students import KoopmanMatrix, flat_steps
from ._auditing import Audited, columns_of_few_values
from ._calibration import Calibration, calibration
from ._certified import CertifiedAccuracy
from ._confusion import ConfusionPairDisplay
from ._groups import attributes_of, audited_groups
from ._html import fragment, page
from ._intervals import Proportion
from ._sections import body_of

# Rows on which the variance of logits is measured.
N_VARIANCE = 5000


@dataclass(frozen=True)
class StudentSummary:
    """Who the student is.

    Attributes
    ----------
    steps : list of str
        What runs one after the other.
    n_features, n_classes : int
    n_observables : int or None
    cost : sklearn_koopman.inspection.Cost or None
        None where a step cannot be counted.
    """

    steps: list
    n_features: int
    n_classes: int
    n_observables: int | None
    cost: Cost | None


@dataclass(frozen=True, repr=False)
class AuditReport:
    """What `audit_report` found. In a notebook it is the page; printed, a few lines.

    Attributes
    ----------
    title : str
    student : StudentSummary
    n_samples : int
    delta : float
        Probability with which each interval may be wrong.
    accuracy : Proportion
    teacher_accuracy : Proportion or None
    fidelity : sklearn_koopman.inspection.FidelityCertificate or None
    calibration : Calibration or None
        None for a student without probabilities.
    confusion : ConfusionPairDisplay
    certified : CertifiedAccuracy or None
    without_radius : str or None
        Why `certified` is None.
    hardest : list of AuditedRow
        Rows that the student is wrong about, those that it is surest of first.
    least_robust : list of AuditedRow
        Rows that it is right about, the nearest to another class first.
    typical : list of AuditedRow
        Rows that it is right about, as far from another class as half of these are.
    formula : sklearn_koopman.inspection.Formula or None
        None for a student that is not one matrix.
    groups : list of AuditedGroup
    column_names : list of str
    image_shape : tuple of int or None
    fixed : list of str
        The columns that radii hold fixed.
    chosen : list of AuditedRow
        Those asked for as `rows`.
    """

    title: str
    student: StudentSummary
    n_samples: int
    delta: float
    accuracy: Proportion
    teacher_accuracy: Proportion | None
    fidelity: FidelityCertificate | None
    calibration: Calibration | None
    confusion: ConfusionPairDisplay
    certified: CertifiedAccuracy | None
    without_radius: str | None
    hardest: list
    least_robust: list
    typical: list
    formula: Formula | None
    groups: list
    column_names: list
    image_shape: tuple | None
    fixed: list
    chosen: list

    def to_html(self):
        """Return the report as one page that needs nothing else: no file, no script, no network.

        Returns
        -------
        html : str
        """
        return page(self.title, self._repr_html_())

    def save(self, path):
        """Write the page to a file.

        Parameters
        ----------
        path : str or path
        """
        Path(path).write_text(self.to_html(), encoding="utf-8")

    def __str__(self):
        lines = [
            self.title,
            f"accuracy {self.accuracy} of {self.n_samples:,} rows",
        ]
        if self.teacher_accuracy is not None:
            lines.append(f"teacher  {self.teacher_accuracy}")
        if self.fidelity is not None:
            lines.append(
                f"disagrees with the teacher on {self.fidelity.disagreement:.2%}, on at most "
                f"{self.fidelity.bound:.2%} of all inputs"
            )
        if self.calibration is not None:
            lines.append(f"expected calibration error {self.calibration.expected_error:.2%}")
        if self.certified is not None:
            lines.append(f"median radius {self.certified.median_radius:.3g}")
            if self.fixed:
                lines.append(f"held fixed: {', '.join(self.fixed)}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        return fragment(body_of(self))


def audit_report(
    student,
    X,
    y,
    *,
    teacher=None,
    groups=None,
    image_shape=None,
    bounds=None,
    scale="auto",
    fixed="auto",
    title=None,
    delta=0.05,
    n_rows=6,
    rows=(),
    max_rows=10_000,
    random_state=0,
    verbose=None,
):
    """Return all that can be said of a fitted student, with rows that it has not learnt from.

    The report has

    - who the student is: its steps, its size, what a prediction costs;
    - accuracy and fidelity, with exact confidence bounds (Clopper and Pearson);
    - calibration: how often it is right, when it is so sure;
    - the confusions of teacher and student, side by side;
    - certified accuracy: how many rows are right however they are changed by a distance, from the
      radius of each row (exact for students of degree 1 and 2, see
      :func:`~sklearn_koopman.inspection.robust_radius`);
    - what speaks for the answer about rows that you choose (`rows`), and what would change it;
    - the hardest rows with what speaks for the wrong class (Shapley values), and the least robust
      and some typical ones with the smallest change that makes another class of them;
    - the leading terms of its formula, with their shares of the variance of the logits;
    - of groups of rows, accuracy, fidelity and radius, and how often each class is said.

    Its bounds hold for rows that are drawn independently from the inputs that they are about, and
    that nothing of the student was learnt or chosen with: give test rows.

    Parameters
    ----------
    student : classifier
        Fitted: any classifier, or pipeline or search that ends in one. What is not known of it is
        left out: radii, formula and Shapley values need a Koopman matrix.
    X : array-like of shape (n_samples, n_features)
        Rows that it has not learnt from. Of a student that begins with
        :class:`~sklearn_koopman.Flatten`, images too.
    y : array-like of shape (n_samples,)
        Their classes.
    teacher : object, default=None
        A fitted estimator, a torch module, an ONNX file, a callable or a teacher, which sees X;
        or what it says of the rows of X: their classes, or a score for each class. None: the
        report is of the student alone.
    groups : array-like of shape (n_samples,), or dict or DataFrame of such, default=None
        Which group each row is in; several attributes by their names. A pandas Series has the
        same index as X, in the same order.
    image_shape : tuple of int, default=None
        Height and width, and channels, where rows are images: rows are then shown as pictures.
    bounds : tuple (low, high), default=None
        What the features are within, as for `robust_radius`: (0, 1) for pixels.
    scale : "auto", "std", array-like of shape (n_features,) or None, default="auto"
        What a distance of 1 is in each column: "std", its standard deviation in X, where columns
        have different units; None: 1. "auto" is "std", but None with `image_shape`.
    fixed : "auto", list of column names or numbers, or None, default="auto"
        Columns that cannot change, as for `robust_radius`. "auto": those with one or two values in
        X, such as dummies of categories, where other columns have more, but none with
        `image_shape`. A change of dummies that is not from one value to the other would be of a row
        that cannot be.
    title : str, default=None
    delta : float, default=0.05
        Probability with which each of the intervals may be wrong.
    n_rows : int, default=6
        How many of the hardest and of the least robust rows are shown, and half as many typical
        ones.
    rows : sequence of int, default=()
        Places in X of more rows to show: what speaks for the student's answer, and the smallest
        change to another one.
    max_rows : int, default=10_000
        The most rows to find the radii of; of more, some are drawn. 200 at most of students whose
        radii are bounded instead of exact, which takes longer.
    random_state : int, RandomState instance or None, default=0
        Draws them.
    verbose : int, default=None
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step. None is 1 where stderr is a terminal, and in notebooks, else 0.

    Returns
    -------
    report : AuditReport
        Shown in a notebook, or `save` it as a page.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
    >>> from sklearn_koopman.audit import audit_report
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    >>> student = make_pipeline(
    ...     StandardScaler(),
    ...     MonomialLifter(2),
    ...     KoopmanDistilledClassifier(soft_weight=0, ridge=1e-2),
    ... ).fit(X, y)
    >>> report = audit_report(student, X_test, y_test, title="Is it cancer?")
    >>> print(report.accuracy)
    95.80% [91.09%, 98.44%]
    >>> report.to_html()[:15]
    '<!doctype html>'
    """
    if isinstance(scale, str) and scale == "auto":
        scale = "std" if image_shape is None else None
    if isinstance(fixed, str) and fixed == "auto":
        fixed = columns_of_few_values(X) if image_shape is None else None
    for name, value, least in (("n_rows", n_rows, 0), ("max_rows", max_rows, 1)):
        if not is_integer(value) or value < least:
            raise ValueError(f"{name}={value!r}: must be an int in the range [{least}, inf).")
    labels = X if hasattr(X, "reindex") else y
    y = column_or_1d(y, warn=True)
    rows = _checked_places(rows, len(y))
    attributes = attributes_of(groups, len(y), labels)
    with showing_progress(verbose):
        audited = Audited(
            student,
            X,
            y,
            teacher=teacher,
            bounds=bounds,
            scale=scale,
            fixed=fixed,
            chosen=rows,
            max_rows=max_rows,
            random_state=random_state,
        )
        faithful = fidelity = teacher_accuracy = None
        if audited.teacher_labels is not None:
            faithful = audited.teacher_labels == audited.predicted
            fidelity = fidelity_certificate(
                audited.teacher_labels, audited.predicted, delta=delta
            )
            teacher_accuracy = Proportion.of(audited.teacher_labels == audited.y, delta)
        reliability = None
        if hasattr(student, "predict_proba"):
            probabilities = student.predict_proba(audited.X)
            reliability = calibration(audited.y, probabilities, student.classes_, delta=delta)
        return AuditReport(
            title or "Audit of a student",
            _summary(student, audited.X),
            len(audited.y),
            float(delta),
            Proportion.of(audited.right, delta),
            teacher_accuracy,
            fidelity,
            reliability,
            ConfusionPairDisplay.of(audited.y, audited.predicted, audited.teacher_labels),
            audited.certified,
            audited.without_radius,
            audited.hardest(n_rows),
            audited.least_robust(n_rows),
            audited.typical(n_rows // 2),
            _formula(student, audited),
            audited_groups(
                attributes,
                audited.y,
                audited.predicted,
                faithful,
                audited.certified,
                delta=delta,
            ),
            audited.column_names,
            _checked_image_shape(image_shape, audited.X),
            _names(fixed, audited.column_names),
            audited.rows(rows),
        )


def _checked_image_shape(image_shape, X):
    """Return height and width, and channels, as a tuple, or None."""
    if image_shape is None:
        return None
    is_shape = isinstance(image_shape, tuple | list) and all(map(is_integer, image_shape))
    if not is_shape or len(image_shape) not in (2, 3) or prod(image_shape) != X.shape[1]:
        raise ValueError(
            f"image_shape={image_shape!r}: must be None, (height, width) or (height, width, "
            f"channels) of the {X.shape[1]} features of X."
        )
    return tuple(image_shape)


def _checked_places(rows, n_samples):
    """Return places of rows, or raise ValueError."""
    places = np.asarray(rows)
    if not places.size:
        return []
    is_fine = places.ndim == 1 and places.dtype.kind in "iu"
    if not is_fine or places.min() < 0 or places.max() >= n_samples:
        raise ValueError(
            f"rows={rows!r}: give places in X, a list of whole numbers from 0 to {n_samples - 1}."
        )
    return places.tolist()


def _names(fixed, column_names):
    """Return the names of columns that are given by name, by number or as a mask."""
    if fixed is None:
        return []
    given: list = [fixed] if isinstance(fixed, str) else list(fixed)
    if all(isinstance(each, bool | np.bool_) for each in given):
        given = by_column(fixed, column_names, "fixed")
        given = np.flatnonzero(given).tolist()
    return [each if isinstance(each, str) else column_names[each] for each in given]


def _summary(student, X):
    steps = [step for step in flat_steps(student) if step is not None]
    last = steps[-1]
    steps = steps[:-1] + flat_steps(getattr(last, "lifter_", None)) + [last]
    try:
        counted = cost(student, taken(X, np.arange(1)))
    except (UncountableError, TypeError):
        counted = None
    observables = np.shape(last.coef_)[-1] if isinstance(last, KoopmanMatrix) else None
    return StudentSummary(
        [_name(step) for step in steps],
        X.shape[1],
        len(student.classes_),
        observables,
        counted,
    )


def _name(step):
    """Return a step in short: what it is, with what is not the default, less its lifter."""
    text = " ".join(repr(step).split())
    return text if len(text) <= 200 else f"{type(step).__name__}(…)"


def _formula(student, audited):
    try:
        rows = audited.some(N_VARIANCE)
        return formula(student, taken(audited.X, rows))
    except TypeError:  # not one matrix
        return None
