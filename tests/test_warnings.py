"""Every warning points at the user's line, whatever calls are in between."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import sklearn_koopman
from sklearn_koopman import (
    DistilledTreeClassifier,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    RBFLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.pipeline import make_pipeline as make_koopman_pipeline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
Y = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int)


def wrong_teacher(rows):
    return np.stack(
        [rows[:, 0] + rows[:, 1] ** 2 > 1, rows[:, 0] + rows[:, 1] ** 2 <= 1], axis=1
    )


def compressed():
    student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X, Y)
    settings = {"loss": "distillation", "learning_rate": 1.0, "random_state": 0}
    return CompressedStudent(student, rank=2, **settings)


SWAPPED = "if the columns have the classes [1, 0], in this order"
ESTIMATORS = {
    "distilled": (
        KoopmanDistilledClassifier(soft_weight=0, ridge=1e-5, max_iter=1),
        "raise max_iter",
    ),
    "distilled, teacher": (KoopmanDistilledClassifier(wrong_teacher), SWAPPED),
    "distilled, cv": (
        KoopmanDistilledClassifierCV(soft_weights=[0], cv=2, max_iter=2),
        "above cv_tol",
    ),
    "distilled, cv, last fit": (
        KoopmanDistilledClassifierCV(soft_weights=[0], cv=2, max_iter=2, cv_tol=1.0),
        "above tol",
    ),
    "edmd, teacher": (EDMDClassifier(wrong_teacher), SWAPPED),
    "train, als": (TensorTrainClassifier(soft_weight=0, rank=2, max_iter=2, tol=0), "settled"),
    "train, adam": (
        TensorTrainClassifier(
            soft_weight=0,
            degree=3,
            solver="adam",
            batch_size=10,
            learning_rate=1.0,
            random_state=0,
        ),
        "Lower learning_rate",
    ),
    "compressed": (compressed(), "Lower learning_rate"),
    "tree": (DistilledTreeClassifier(wrong_teacher), SWAPPED),
    "rbf": (RBFLifter(100), "every sample is a centre"),
}
AS_IT_IS = FunctionTransformer(validate=True)
BETWEEN = {
    "nothing": lambda estimator: estimator,
    "pipeline": lambda estimator: make_koopman_pipeline(AS_IT_IS, estimator),
    "lifter": lambda estimator: make_koopman_pipeline(
        MonomialLifter(1, include_bias=False), estimator
    ),
    "scikit-learn's pipeline": lambda estimator: make_pipeline(AS_IT_IS, estimator),
    "search": lambda estimator: GridSearchCV(
        make_pipeline(AS_IT_IS, estimator), {}, cv=2, scoring=lambda *_: 0.0
    ),
}


def fit(estimator):
    estimator.fit(X, Y)


# A search clones the student that is to be compressed, so it is not fitted any more.
CASES = [(name, between) for name in ESTIMATORS for between in BETWEEN]
CASES.remove(("compressed", "search"))


@pytest.mark.parametrize(("name", "between"), CASES)
def test_warnings_of_fit(name, between):
    estimator, message = ESTIMATORS[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(BETWEEN[between](estimator))
    places = {
        (warning.filename, warning.lineno)
        for warning in caught
        if message in str(warning.message)
    }
    assert places == {(__file__, fit.__code__.co_firstlineno + 1)}


@pytest.mark.parametrize(
    "student",
    [
        EDMDClassifier(lifter=make_pipeline(PCA(2), RBFLifter(100))),
        make_koopman_pipeline(PCA(2), RBFLifter(100), EDMDClassifier()),
    ],
    ids=["within", "before"],
)
def test_warnings_of_a_lifter_of_a_student(student):
    with pytest.warns(UserWarning, match="every sample is a centre") as caught:
        fit(student)
    assert [warning.filename for warning in caught] == [__file__]


def test_warnings_of_partial_fit():
    student = EDMDClassifier().fit(X, Y)
    with pytest.warns(UserWarning, match="starts anew") as caught:
        student.partial_fit(X, Y)
    assert [warning.filename for warning in caught] == [__file__]


def test_warnings_without_a_user():
    """In a worker, only frames of packages may be above a fit. The warning names the last one."""
    code = compile("fit(X, Y)", "outermost.py", "exec")
    student = KoopmanDistilledClassifier(soft_weight=0, max_iter=1)
    with pytest.warns(ConvergenceWarning) as caught:
        exec(code, {"__name__": "joblib.worker", "fit": student.fit, "X": X, "Y": Y})
    assert [warning.filename for warning in caught] == [__file__]


def test_nothing_else_warns():
    package = Path(sklearn_koopman.__file__).parent
    warning = [
        path.name for path in package.rglob("*.py") if "warnings.warn" in path.read_text()
    ]
    assert warning == ["_warnings.py"]
