import pickle
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline as sklearn_pipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import detach_teacher
from sklearn_koopman.pipeline import make_pipeline

X, y = load_iris(return_X_y=True)


class Marked:
    """A teacher that cannot be pickled. If pickling works, no teacher is left."""

    def __call__(self, X):
        return np.eye(3)[np.minimum(np.asarray(X)[:, 2].astype(int) // 2, 2)]

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise AssertionError("the teacher was pickled")


TEACHER = Marked()


def student(**settings):
    return KoopmanDistilledClassifier(TEACHER, lifter=MonomialLifter(2), **settings)


META = {
    "student": student(),
    "edmd": EDMDClassifier(TEACHER, lifter=MonomialLifter(2)),
    "pipeline": make_pipeline(
        PCA(3), MonomialLifter(2), KoopmanDistilledClassifier(TEACHER, soft_weight=0.5)
    ),
    "sklearn pipeline": sklearn_pipeline("passthrough", student()),
    "nested": make_pipeline(PCA(4), sklearn_pipeline(student())),
    "grid search": GridSearchCV(student(), {"ridge": [1e-4, 1e-2]}, cv=2),
    "teachers in the grid": GridSearchCV(
        student(), {"teacher": [TEACHER, Marked()], "ridge": [1e-2]}, cv=2
    ),
    "students in the grid": GridSearchCV(
        sklearn_pipeline(PCA(4), LogisticRegression()),
        {"logisticregression": [student(), student(soft_weight=0.1)]},
        cv=2,
    ),
    "calibrated": CalibratedClassifierCV(student(), cv=2),
    "calibrated pipeline": CalibratedClassifierCV(make_pipeline(PCA(4), student()), cv=2),
    "bagging": BaggingClassifier(student(), n_estimators=3, random_state=0),
    "voting": VotingClassifier(
        [("student", student()), ("forest", RandomForestClassifier(3, random_state=0))],
        voting="soft",
    ),
    "one vs rest": OneVsRestClassifier(
        KoopmanDistilledClassifier(lambda rows: np.eye(2)[(rows[:, 2] > 2).astype(int)])
    ),
}


@pytest.mark.parametrize("name", META)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_predicts_the_same_without_a_teacher(name):
    original = META[name]
    if name != "one vs rest":
        original = clone(original)
    original.fit(X, y)
    detached = detach_teacher(original)
    assert type(detached) is type(original)
    loaded = pickle.loads(pickle.dumps(detached))
    for model in (detached, loaded):
        np.testing.assert_array_equal(model.predict(X), original.predict(X))
        if hasattr(original, "predict_proba"):
            np.testing.assert_array_equal(model.predict_proba(X), original.predict_proba(X))
    with pytest.raises((AssertionError, pickle.PicklingError, AttributeError)):
        pickle.dumps(original)  # still has its teacher


def test_shares_arrays_and_leaves_the_original_alone():
    original = student().fit(X, y)
    before = dict(vars(original))
    detached = detach_teacher(original)
    assert vars(original) == before
    assert original.teacher is TEACHER
    assert detached.coef_ is original.coef_
    assert detached.lifter_ is original.lifter_
    assert detached.teacher is None
    assert not hasattr(detached, "teacher_")


def test_parts_without_a_student_are_shared():
    original = make_pipeline(PCA(3), student()).fit(X, y)
    detached = detach_teacher(original)
    assert detached is not original
    assert detached[0] is original[0]
    assert original[-1].teacher is TEACHER


def test_students_in_tuples_and_arrays():
    bagging = BaggingClassifier(student(), n_estimators=2, random_state=0).fit(X, y)
    pair = namedtuple("Pair", "first second")
    bagging.pair_ = pair(*bagging.estimators_)
    bagging.array_ = np.array(bagging.estimators_, dtype=object).reshape(2, 1)
    bagging.others_ = np.array(["a", None], dtype=object)
    detached = detach_teacher(bagging)
    assert detached.pair_.second is detached.array_[1, 0] is detached.estimators_[1]
    assert detached.pair_.second.teacher is None
    assert detached.others_ is bagging.others_
    assert bagging.array_[0, 0].teacher is TEACHER


def test_what_occurs_twice_occurs_twice():
    bagging = BaggingClassifier(student(), n_estimators=2, random_state=0).fit(X, y)
    bagging.first_ = bagging.estimators_[0]
    bagging.itself_ = bagging  # a cycle
    detached = detach_teacher(bagging)
    assert detached.first_ is detached.estimators_[0]
    assert detached.first_.teacher is None


def test_results_of_a_search_keep_their_form():
    grid = [{"teacher": [TEACHER], "ridge": [1e-2]}, {"soft_weight": [0.0]}]
    search = GridSearchCV(student(), grid, cv=2).fit(X, y)
    detached = detach_teacher(search)
    assert detached.param_grid[0] == {"teacher": [None], "ridge": [1e-2]}
    assert detached.cv_results_["params"][0]["teacher"] is None
    assert detached.cv_results_["param_teacher"].shape == (2,)
    assert search.cv_results_["param_teacher"][0] is TEACHER
    assert search.cv_results_["params"][0]["teacher"] is TEACHER
    assert search.param_grid is grid
    np.testing.assert_array_equal(
        detached.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"]
    )


def test_a_student_that_never_had_a_teacher():
    original = KoopmanDistilledClassifier(soft_weight=0).fit(X, y)
    np.testing.assert_array_equal(detach_teacher(original).coef_, original.coef_)


def test_detaching_twice():
    once = detach_teacher(student().fit(X, y))
    np.testing.assert_array_equal(detach_teacher(once).predict(X), once.predict(X))


def test_frozen_student():
    frozen = FrozenEstimator(student().fit(X, y))
    detached = detach_teacher(frozen)
    assert detached.estimator.teacher is None
    assert frozen.estimator.teacher is TEACHER
    np.testing.assert_array_equal(detached.predict(X), frozen.predict(X))


def test_refitting_needs_something_to_learn_from():
    detached = detach_teacher(student().fit(X, y))
    with pytest.raises(ValueError, match="soft_weight=0"):
        detached.fit(X, y)
    detached.set_params(soft_weight=0).fit(X, y)


def test_streams_leave_no_moments_behind():
    original = EDMDClassifier(lifter=MonomialLifter(2)).partial_fit(X, y, classes=[0, 1, 2])
    detached = detach_teacher(original)
    assert not hasattr(detached, "moments_")
    assert hasattr(original, "moments_")
    assert len(pickle.dumps(detached)) < 3000


def test_small_and_smaller_than_the_teacher():
    forest = RandomForestClassifier(50, random_state=0)
    original = KoopmanDistilledClassifier(forest, lifter=MonomialLifter(2)).fit(X, y)
    size = len(pickle.dumps(detach_teacher(original)))
    assert size < 3000
    assert size < len(pickle.dumps(forest.fit(X, y))) / 10


_WITHOUT_TORCH = """
import pickle, sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "skorch"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoTorch())
model, X, predictions = pickle.load(sys.stdin.buffer)
assert (model.predict(X) == predictions).all()
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_loads_where_there_is_no_torch(solver):
    torch = pytest.importorskip("torch")
    settings = {}
    if solver == "adam":
        callbacks = pytest.importorskip("skorch.callbacks")
        settings = {
            "solver": "adam",
            "max_iter": 2,
            "random_state": 0,
            "callbacks": [callbacks.EpochTimer()],
        }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torch.nn.Linear(4, 3)
    model = make_pipeline(
        PCA(3), MonomialLifter(2), KoopmanDistilledClassifier(module, **settings)
    ).fit(X, y)
    if solver == "adam":
        model[-1].partial_fit(model[:-1].transform(X), y, teacher_X=X)
        assert hasattr(model[-1], "net_")
    detached = detach_teacher(model)
    assert not {"net_", "moments_", "teacher_"} & vars(detached[-1]).keys()
    payload = pickle.dumps((detached, X, model.predict(X)))
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH], input=payload, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    "unfitted",
    [student(), make_pipeline(PCA(2), student()), META["grid search"]],
    ids=lambda estimator: type(estimator).__name__,
)
def test_needs_a_fitted_estimator(unfitted):
    with pytest.raises(NotFittedError):
        detach_teacher(unfitted)


def test_needs_a_student():
    with pytest.raises(TypeError, match="no student in LogisticRegression"):
        detach_teacher(LogisticRegression(max_iter=1000).fit(X, y))


@pytest.mark.parametrize("nothing", [KoopmanDistilledClassifier, None, "student"])
def test_needs_an_instance(nothing):
    with pytest.raises(TypeError, match="is not an estimator"):
        detach_teacher(nothing)
