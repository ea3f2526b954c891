"""A teacher, its student and baselines, side by side."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._devices import seeded_torch
from .._progress import progress, showing_progress
from .._validation import is_integer
from ..classification import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
)
from ..students import check_needs_no_labels, has_label, labels_of_columns, some_rows
from ..teachers import align_columns, column_classes, shortened, teacher_logits, teacher_of
from ._chosen import chosen_student, innermost_student
from ._cost import Operations, UncountableError, count_operations
from ._fidelity import fidelity_score
from ._last_step import prefix_of, student_of, with_student
from ._report_classes import confusions
from ._report_table import DistillationReport, ReportRow

_NAN = float("nan")


def distillation_report(
    estimator,
    X,
    y=None,
    *,
    X_test,
    y_test=None,
    sample_weight=None,
    random_states=(0,),
    edmd_ridge=1e-2,
    verbose=None,
):
    """Compare a distilled student with its teacher, and with students without a teacher.

    The rows of the report are

    - the teacher;
    - the distilled student, which is `estimator`;
    - the student without teacher: the same with ``soft_weight=0``;
    - EDMD on labels: least squares in place of the distillation loss, after the same
      preprocessing;
    - EDMD on teacher logits: least squares to those.

    Those that need labels are left out where y has none, and accuracies where there is no
    `y_test`: then the report says how nearly each model gives the teacher's answers. Each is fitted
    anew on X for each seed, and only evaluated on `X_test`: nothing is chosen there.

    Parameters
    ----------
    estimator : KoopmanDistilledClassifier, KoopmanDistilledClassifierCV, Pipeline or search
        A student with a teacher, or a pipeline (of this package or of scikit-learn) that ends
        in one. It is cloned, whether it is fitted or not. If it chooses settings (cross-validation
        inside, or a `GridSearchCV` of a student or pipeline), it chooses them on X for each seed,
        and the report is about the chosen student. `fit_time` does not include the choice.
    X : array-like of shape (n_samples, n_features)
        Training rows. The teacher sees them as they are, whatever the pipeline does to them.
    y : array-like of shape (n_samples,), default=None
        Their labels.
    X_test : array-like of shape (n_test_samples, n_features)
        Rows to evaluate on.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the training rows, for everything that is fitted, including a teacher that is not
        frozen. Accuracy and fidelity count all test rows alike.
    random_states : int or sequence of int, default=(0,)
        Seeds. Each in turn is given to every `random_state` parameter, and to torch, whose own
        generator is restored afterwards.
    edmd_ridge : float, default=1e-2
        `ridge` of the EDMD rows.
    verbose : int, default=None
        0 shows nothing; 1 shows progress bars on stderr, if tqdm is installed; 2 prints a line for
        each step. None is 1 where stderr is a terminal, and in notebooks, else 0.

    Returns
    -------
    report : DistillationReport
        Print it, or take its `rows` or `to_frame()`. It also has the F1 scores and the confusion
        matrices of the classes.

    See Also
    --------
    fidelity_score : Agreement with the teacher.

    Notes
    -----
    The teacher's outputs on X are computed once, or once per seed if the teacher is an estimator to
    fit (see :func:`~sklearn_koopman.teachers.as_teacher`). The students get them as `soft_labels`,
    so the `fit_time` of a student does not include its teacher.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
    >>> from sklearn_koopman.inspection import distillation_report
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    >>> student = make_pipeline(
    ...     PCA(10, whiten=True),
    ...     MonomialLifter(2),
    ...     KoopmanDistilledClassifier(ExtraTreesClassifier()),
    ... )
    >>> report = distillation_report(student, X, y, X_test=X_test, y_test=y_test)
    >>> [row.model for row in report.rows][:2]
    ['teacher', 'distilled student']
    >>> report.rows[1].accuracy > 0.9
    True
    """
    _check_student(innermost_student(estimator))
    X, y, X_test, y_test, seeds = _checked(X, y, X_test, y_test, random_states)
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight)
        check_consistent_length(X, sample_weight)

    lesson: _Lesson | None = None
    chosen = []

    def runs_of(model):
        """Yield the name and the run of every model of one seed."""
        nonlocal lesson
        model, settings = chosen_student(model, X, y, sample_weight)
        if settings:
            chosen.append(settings)
        if lesson is None or not lesson.is_fixed:
            lesson = _ask_teacher(student_of(model), X, y, X_test, y_test, sample_weight)
        yield "teacher", lesson.run
        for name, variant, soft_labels in _variants(model, lesson, edmd_ridge):
            yield name, _run(variant, X, y, X_test, y_test, soft_labels, sample_weight, lesson)

    any_label = _has_label(y, X, innermost_student(estimator)).any()
    runs = _repeated(estimator, seeds, runs_of, 5 if any_label else 3, verbose)
    return _report(runs, len(X), y_test, seeds, tuple(chosen))


def _report(runs, n_train, y_test, seeds, chosen=()):
    """Make the report from the runs of all models."""
    rows = [_summary(name, of_one) for name, of_one in runs.items()]
    labels = {name: [run.labels for run in of_one] for name, of_one in runs.items()}
    counted = {name: of_one[0].operations for name, of_one in runs.items()}
    uncounted = {
        name: str(error).partition(". ")[0]
        for name, error in counted.items()
        if isinstance(error, UncountableError)
    }
    n_test = len(next(iter(labels.values()))[0])
    classes, confusion = ((), {}) if y_test is None else confusions(y_test, labels)
    return DistillationReport(
        rows, n_train, n_test, seeds, chosen, classes, confusion, uncounted
    )


def _repeated(estimator, seeds, runs_of, n_models, verbose):
    """Return the runs of every model. `runs_of` yields names and runs for the clone of one seed."""
    runs: dict[str, list[_Run]] = {}
    total = None if n_models is None else n_models * len(seeds)
    with showing_progress(verbose), progress("report", total, "model") as steps:
        for seed in seeds:
            with _seeding_torch(seed):
                model = clone(estimator)
                _set_random_states(model, seed)
                for name, run in runs_of(model):
                    runs.setdefault(name, []).append(run)
                    found = f"accuracy {run.accuracy:.4f}"
                    if np.isnan(run.accuracy):
                        found = f"fidelity {run.fidelity:.4f}"
                    steps.done(f"seed {seed}: {name}: {found}")
    return runs


def _checked(X, y, X_test, y_test, random_states):
    """Return rows and labels in forms that have a shape, and the seeds as a tuple."""
    X, X_test = (x if hasattr(x, "shape") else np.asarray(x) for x in (X, X_test))
    y, y_test = (
        None if each is None else column_or_1d(each, warn=True) for each in (y, y_test)
    )
    check_consistent_length(X, y)
    check_consistent_length(X_test, y_test)
    seeds = (random_states,) if np.ndim(random_states) == 0 else tuple(random_states)
    if not seeds:
        raise ValueError("random_states is empty: pass at least one seed.")
    for seed in seeds:
        if not is_integer(seed) or not 0 <= seed < 2**32:
            raise ValueError(
                f"random_states={random_states!r}: must be an int in the range [0, 2**32 - 1], or "
                "a sequence of these."
            )
    return X, y, X_test, y_test, seeds


@dataclass(frozen=True)
class _Run:
    """One model, fitted and evaluated once."""

    accuracy: float
    fidelity: float
    fit_time: float
    predict_time: float
    operations: Operations | UncountableError
    labels: np.ndarray


@dataclass(frozen=True)
class _Lesson:
    """The outputs of a teacher.

    Attributes
    ----------
    outputs : ndarray of shape (n_samples, n_columns)
        Outputs for the training rows.
    kind : {"auto", "proba", "logits", "sigmoid"}
        What the outputs are.
    classes : ndarray of shape (n_columns,) or None
    labels_test : ndarray of shape (n_test_samples,)
        Classes that the teacher predicts for the test rows.
    any_label : bool
        Whether there are labels, so that students can learn without the teacher.
    is_fixed : bool
        Whether the outputs do not depend on the seed.
    run : _Run
    """

    outputs: np.ndarray
    kind: str
    classes: np.ndarray | None
    labels_test: np.ndarray
    any_label: bool
    is_fixed: bool
    run: _Run


def _has_label(y, X, student):
    """Return which training rows have a label, (n_samples,)."""
    if y is None:
        return np.zeros(X.shape[0], dtype=bool)
    return has_label(y, student.unlabeled_value)


def _ask_teacher(student, X, y, X_test, y_test, sample_weight):
    """Fit a student's teacher if it is not fixed, and evaluate it."""
    teacher = teacher_of(student)
    known = _has_label(y, X, student)
    is_fixed, fit_time = teacher.is_fixed, _NAN
    if not known.any():
        check_needs_no_labels(teacher)
    if not is_fixed:
        weight = None if sample_weight is None else sample_weight[known]
        start = perf_counter()
        teacher = teacher.fit(some_rows(X, known), y[known], sample_weight=weight)
        fit_time = perf_counter() - start
    labels = np.unique(y[known]) if known.any() else teacher.classes_
    if labels is not None:
        teacher = teacher.expecting(labels)
    outputs = teacher(X)
    if labels is None:
        labels = labels_of_columns(teacher, outputs)
        strangers = [] if y_test is None else np.setdiff1d(y_test, labels).tolist()
        if strangers:
            raise ValueError(
                f"y_test has the labels {shortened(strangers)}, and without labels in y the "
                f"classes are those of the teacher, {shortened(list(labels))}. Pass "
                "teacher_classes=, the class of each column, to the student."
            )
    start = perf_counter()
    outputs_test = teacher(X_test)
    predict_time = perf_counter() - start

    kind = teacher.output if student.teacher_output == "auto" else student.teacher_output
    classes = column_classes(teacher.column_names, teacher.classes_, labels)
    if classes is None and not known.any():
        classes = labels  # students do not know other classes
    columns = np.unique(labels if classes is None else classes)
    logits = align_columns(teacher_logits(outputs_test, kind), classes, columns)
    labels_test = columns[logits.argmax(axis=1)]
    accuracy = _accuracy(labels_test, y_test)
    run = _Run(accuracy, 1.0, fit_time, predict_time, _operations(teacher, X_test), labels_test)
    return _Lesson(outputs, kind, classes, labels_test, bool(known.any()), is_fixed, run)


def _variants(model, lesson, edmd_ridge):
    """Yield name, estimator and soft labels of all models that learn from the rows."""
    student = clone(student_of(model)).set_params(
        teacher=None, teacher_output=lesson.kind, teacher_classes=lesson.classes
    )
    edmd = EDMDClassifier(
        ridge=edmd_ridge,
        lifter=student.lifter,
        teacher_output=lesson.kind,
        teacher_classes=lesson.classes,
        class_weight=student.class_weight,
        unlabeled_value=student.unlabeled_value,
    )
    alone = clone(student).set_params(soft_weight=0)
    yield "distilled student", with_student(model, student), lesson.outputs
    if lesson.any_label:
        yield "student without teacher", with_student(model, alone), None
        yield "EDMD on labels", with_student(model, edmd), None
    yield "EDMD on teacher logits", with_student(model, edmd), lesson.outputs


def _run(model, X, y, X_test, y_test, soft_labels, sample_weight, lesson):
    """Fit a model and evaluate it."""
    prefix = "" if get_config()["enable_metadata_routing"] else prefix_of(model)
    given = {"soft_labels": soft_labels, "sample_weight": sample_weight}
    fit_params = {f"{prefix}{name}": each for name, each in given.items() if each is not None}
    start = perf_counter()
    model.fit(X, y, **fit_params)
    fit_time = perf_counter() - start
    start = perf_counter()
    labels = model.predict(X_test)
    predict_time = perf_counter() - start
    return _Run(
        _accuracy(labels, y_test),
        fidelity_score(lesson.labels_test, labels),
        fit_time,
        predict_time,
        _operations(model, X_test),
        labels,
    )


def _accuracy(labels, y_test):
    return _NAN if y_test is None else float(np.mean(labels == y_test))


def _operations(model, X):
    try:
        return count_operations(model, X[:1])
    except UncountableError as error:
        return error


def _summary(name, runs):
    """Return the row of a model from its runs, one per seed."""
    counted = runs[0].operations
    operations = None if isinstance(counted, UncountableError) else counted
    statistics = {}
    for key in ("accuracy", "fidelity", "fit_time", "predict_time"):
        values = [getattr(run, key) for run in runs]
        statistics[key] = float(np.mean(values))
        statistics[f"{key}_std"] = float(np.std(values))
    return ReportRow(
        model=name,
        parameters=None if operations is None else operations.parameters,
        multiplications=None if operations is None else operations.multiplications,
        nonlinear_multiplications=None if operations is None else operations.nonlinear,
        **statistics,
    )


def _check_student(student):
    kinds = KoopmanDistilledClassifier, KoopmanDistilledClassifierCV
    if not isinstance(student, kinds):
        raise TypeError(
            "estimator must be a KoopmanDistilledClassifier, a KoopmanDistilledClassifierCV, or a "
            f"Pipeline or search that ends in one, got {type(student).__name__}. Least squares is "
            "in the report of each of them, with the ridge edmd_ridge=."
        )
    if student.teacher is None:
        raise ValueError(
            "The student has no teacher, so there is nothing to compare it with: pass teacher=."
        )
    chooses = isinstance(student, KoopmanDistilledClassifierCV)
    name = "soft_weights" if chooses else "soft_weight"
    if not np.any(getattr(student, name)):
        raise ValueError(
            f"{name}={getattr(student, name)!r} learns nothing from the teacher: raise it. The "
            "report adds the student without a teacher itself."
        )
    if not chooses and student.transfer_set is not None:
        raise ValueError(
            "The report compares students that learn from the rows of X, but transfer_set makes "
            "more rows: set transfer_set=None."
        )


def _set_random_states(estimator, seed):
    names = [
        name
        for name in estimator.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    ]
    estimator.set_params(**dict.fromkeys(names, seed))


def _seeding_torch(seed):
    """Return a context in which torch is seeded, if it is imported. skorch draws from torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        return nullcontext()
    if torch.cuda.is_available():
        torch.cuda.init()  # otherwise it would not be seeded, because no model has used it yet
    return seeded_torch(seed)
