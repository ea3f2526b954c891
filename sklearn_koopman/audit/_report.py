"""The report of an audit, as one object and as one page."""

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

# Number of rows on which the variance of logits is measured.
N_VARIANCE = 5000


@dataclass(frozen=True)
class StudentSummary:
    """Description of a student.

    Attributes
    ----------
    steps : list of str
        The steps, in the order in which they run.
    n_features, n_classes : int
    n_observables : int or None
    cost : sklearn_koopman.inspection.Cost or None
        Cost of a prediction. None if a step cannot be counted.
    """

    steps: list
    n_features: int
    n_classes: int
    n_observables: int | None
    cost: Cost | None


@dataclass(frozen=True, repr=False)
class AuditReport:
    """Result of `audit_report`. A notebook shows it as a page; it prints as a few lines.

    Attributes
    ----------
    title : str
    student : StudentSummary
    n_samples : int
    delta : float
        Largest probability that a single interval is wrong.
    accuracy : Proportion
    teacher_accuracy : Proportion or None
    fidelity : sklearn_koopman.inspection.FidelityCertificate or None
    calibration : Calibration or None
        None for a student without probabilities.
    confusion : ConfusionPairDisplay
    certified : CertifiedAccuracy or None
    without_radius : str or None
        The reason why `certified` is None.
    hardest : list of AuditedRow
        Rows on which the student is wrong, in descending order of its confidence.
    least_robust : list of AuditedRow
        Rows on which it is right, the nearest to another class first.
    typical : list of AuditedRow
        Rows on which it is right, with about the median distance to another class.
    formula : sklearn_koopman.inspection.Formula or None
        None for a student that is not one matrix.
    groups : list of AuditedGroup
    column_names : list of str
    image_shape : tuple of int or None
    fixed : list of str
        The columns that are fixed in the radii.
    chosen : list of AuditedRow
        The rows that were chosen by `rows`.
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
        """Return the report as one page that needs no other file, no script and no network.

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
    """Audit a fitted student on rows that it has not learned from.

    The report has

    - the student: its steps, its size, the cost of a prediction;
    - accuracy and fidelity, with exact confidence bounds (Clopper and Pearson);
    - calibration: how often the student is right at each level of confidence;
    - the confusion matrices of teacher and student, side by side;
    - certified accuracy: the share of rows that stay right under every change up to a distance. It
      comes from the radius of each row, which is exact for students of degree 1 and 2, see
      :func:`~sklearn_koopman.inspection.robust_radius`;
    - for rows that you choose (`rows`): what speaks for the prediction, and what would change it;
    - the hardest rows, with what speaks for the wrong class (Shapley values);
    - the least robust rows and some typical ones, with the smallest change to another class;
    - the leading terms of its formula, with their shares of the variance of the logits;
    - for groups of rows: accuracy, fidelity, radius, and how often each class is predicted.

    The bounds hold under two conditions. The rows are drawn independently from the distribution of
    inputs that the bounds are about. And nothing of the student was learned or chosen with them. So
    pass test rows.

    Parameters
    ----------
    student : classifier
        Any fitted classifier, or a pipeline or search that ends in one. Parts that cannot be
        computed are left out: radii, formula and Shapley values need a Koopman matrix.
    X : array-like of shape (n_samples, n_features)
        Rows that the student has not learned from. They may be images if the student begins with
        :class:`~sklearn_koopman.Flatten`.
    y : array-like of shape (n_samples,)
        Classes of the rows.
    teacher : object, default=None
        A fitted estimator, a torch module, an ONNX file, a callable or a teacher, which gets X. Or
        its answers for the rows of X: their classes, or a score for each class. None: the report is
        about the student alone.
    groups : array-like of shape (n_samples,), or dict or DataFrame of such, default=None
        The group of each row. A dict or a DataFrame has several attributes, by name. A pandas
        Series must have the index of X, in the same order.
    image_shape : tuple of int, default=None
        Height and width, and channels, if rows are images. Rows are shown as pictures then.
    bounds : tuple (low, high), default=None
        Bounds of the features, as for `robust_radius`, for example (0, 1) for pixels.
    scale : "auto", "std", array-like of shape (n_features,) or None, default="auto"
        Length of a distance of 1 in each column. "std" is the standard deviation of the column in
        X, for columns in different units. None is 1. "auto" is "std", or None with `image_shape`.
    fixed : "auto", list of column names or numbers, or None, default="auto"
        Columns that cannot change, as for `robust_radius`. "auto" takes the columns with one or two
        values in X, such as dummies of categories, if other columns have more values. With
        `image_shape` it takes none. A change of a dummy to anything but its other value would make
        an impossible row.
    title : str, default=None
    delta : float, default=0.05
        Largest probability that a single interval is wrong.
    n_rows : int, default=6
        Number of hardest rows and of least robust rows to show. Half as many typical rows are
        shown.
    rows : sequence of int, default=()
        Indices in X of more rows to show, with what speaks for the prediction, and the smallest
        change to another one.
    max_rows : int, default=10_000
        Largest number of rows whose radii are computed. If there are more, rows are drawn at
        random. At most 200 if radii have bounds instead of exact values, because bounds take
        longer.
    random_state : int, RandomState instance or None, default=0
        Seeds the choice of these rows.
    verbose : int, default=None
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step. None is 1 where stderr is a terminal, and in notebooks, else 0.

    Returns
    -------
    report : AuditReport
        A notebook shows it. Call its `save` to write it as a page.

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
    """Return indices of rows, or raise ValueError."""
    places = np.asarray(rows)
    if not places.size:
        return []
    is_fine = places.ndim == 1 and places.dtype.kind in "iu"
    if not is_fine or places.min() < 0 or places.max() >= n_samples:
        raise ValueError(
            f"rows={rows!r}: pass indices of rows of X, a list of whole numbers from 0 to "
            f"{n_samples - 1}."
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
    """Return a short text for a step: its class and parameters that are not defaults, no lifter."""
    text = " ".join(repr(step).split())
    return text if len(text) <= 200 else f"{type(step).__name__}(…)"


def _formula(student, audited):
    try:
        rows = audited.some(N_VARIANCE)
        return formula(student, taken(audited.X, rows))
    except TypeError:  # not one matrix
        return None
