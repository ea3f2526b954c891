"""Results for valid inputs, against values of other libraries and against other ways to get them.

Each oracle draws valid rows. It yields the result and the expected one, with the largest difference
that rounding may make, in units of the largest expected number.
"""

import io
import warnings
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import dask.array as dask_array
import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from skops.io import get_untrusted_types

import sklearn_koopman as sk
from sklearn_koopman import deployment, inspection, lifting
from sklearn_koopman.audit import audit_report
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.networks import LinearizedNetworkClassifier
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.search import KoopmanSearchCV

from .draws import pick
from .teachers import graph, network

EXACT = 0.0
ROUNDING = 1e-6  # for float64, as equations may be ill-conditioned
OF_FLOAT32 = 1e-2
OF_INTEGERS = 0.2
# For models that are minimised until the gradient is small.
CONVERGED = {"ridge": 1e-2, "tol": 1e-9, "max_iter": 3000}
NEAR_MINIMUM = 1e-4


@dataclass
class Sample:
    """Valid rows; some columns may be equal or constant."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    n_classes: int

    def teacher(self, X):
        """Return logits."""
        return 2 * np.tanh(np.asarray(X, float) @ self._matrix)

    @property
    def _matrix(self):
        n_features = self.X.shape[1]
        size = np.abs(self.X).max()
        return np.cos(np.arange(n_features * self.n_classes)).reshape(n_features, -1) / size


def sample(rng, n_features=None):
    """Draw a sample."""
    n_features = n_features or int(rng.integers(1, 5))
    n_classes, n_samples = int(rng.integers(2, 5)), int(rng.integers(12, 40))
    X = 10.0 ** rng.uniform(-2, 2) * (
        rng.normal(size=(n_samples, n_features)) + rng.uniform(-2, 2)
    )
    if rng.uniform() < 0.1:
        X[:, -1] = X[:, 0]
    if rng.uniform() < 0.1 and n_features > 1:
        X[:, 0] = X[0, 0]
    y = rng.permutation(np.arange(n_samples) % n_classes)
    if rng.uniform() < 0.3:
        y = np.array(["ant", "bee", "cat", "dog"])[y]
    return Sample(X, y, rng.uniform(0.1, 2.0, size=n_samples), n_classes)


def lifter(rng):
    """Draw a dictionary that does not depend on the order of rows, or None."""
    return pick(
        rng,
        (
            *(None, sk.MonomialLifter(2), sk.MonomialLifter(3, interaction_only=True)),
            *(lifting.OpticalLifter(6, random_state=0), sk.DelayLifter(1)),
        ),
    )


def exact_student(rng, data):
    """Draw a student that is the only minimum of its objective."""
    teacher = pick(rng, (None, data.teacher))
    soft_weight = 0.0 if teacher is None else pick(rng, (0.3, 1.0))
    makers = (
        lambda: sk.EDMDClassifier(teacher, lifter=lifter(rng), ridge=1e-2),
        lambda: sk.KoopmanDistilledClassifier(
            teacher, lifter=lifter(rng), soft_weight=soft_weight, **CONVERGED
        ),
    )
    return of_logits(pick(rng, makers)())


def of_logits(student):
    """Return a student that takes outputs as logits, as some look like probabilities."""
    if "teacher_output" in student.get_params(deep=False):
        student.set_params(teacher_output="logits")
    return student


def tolerance(student):
    """Return how far a student may be from another one with the same rows and targets."""
    is_iterated = isinstance(student, sk.KoopmanDistilledClassifier)
    return NEAR_MINIMUM if is_iterated else ROUNDING


def any_student(rng, data):
    """Draw a student of any kind."""
    settings = {"lifter": lifter(rng), "teacher": data.teacher}
    n_features = data.X.shape[1]
    makers = (
        lambda: exact_student(rng, data),
        lambda: sk.EDMDClassifierCV(**settings, cv=2),
        lambda: sk.KoopmanDistilledClassifierCV(**settings, ridges=[1e-2], cv=2, max_iter=9),
        lambda: sk.TensorTrainClassifier(data.teacher, max_iter=2, random_state=0),
        lambda: sk.DistilledTreeClassifier(data.teacher, max_depth=3, random_state=0),
        lambda: LinearizedNetworkClassifier(
            network(n_features, data.n_classes),
            ("0", "1"),
            lifter=settings["lifter"],
            ridge=1e-2,
        ),
        lambda: sk.EDMDClassifier(network(n_features, data.n_classes), ridge=1e-2),
        lambda: CompressedStudent(
            sk.EDMDClassifier(lifter=sk.MonomialLifter(2), ridge=1e-2).fit(data.X, data.y),
            rank=2,
            max_iter=1,
            random_state=0,
        ),
    )
    return of_logits(pick(rng, makers)())


def any_lifter(rng, n_features):
    """Draw a dictionary of any kind."""
    makers = (
        lambda: sk.MonomialLifter(int(rng.integers(1, 4))),
        lambda: sk.OrthogonalPolynomialLifter(int(rng.integers(1, 4))),
        lambda: sk.RBFLifter(3, random_state=0),
        lambda: sk.DelayLifter(1),
        lambda: lifting.OpticalLifter(3, random_state=0),
        lambda: lifting.ProductKernelLifter(n_landmarks=3, random_state=0),
        lambda: sk.ConvolutionalLifter(
            filters=pick(rng, ("random", "pca")),
            n_filters=2,
            filter_size=int(rng.integers(1, n_features + 1)),
            padding=int(rng.integers(2)),
            mirror=bool(rng.integers(2)),
            nonlinearity=pick(rng, ("threshold", "proportion", "intensity", "magnitude")),
            random_state=0,
        ),
    )
    return pick(rng, makers)()


def one_hot(data):
    return np.eye(data.n_classes)[np.unique(data.y, return_inverse=True)[1]]


def margins(logits):
    """Return logits in the form of decision_function: for two classes, the difference."""
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


def scores(student, X):
    """Return the numbers by which a student chooses classes."""
    name = "decision_function" if hasattr(student, "decision_function") else "predict_proba"
    return getattr(student, name)(X)


# Values of other libraries.


def least_squares_is_ridge(rng):
    data, degree = sample(rng), int(rng.integers(1, 4))
    student = sk.EDMDClassifier(lifter=sk.MonomialLifter(degree), ridge=1e-2)
    student.fit(data.X, data.y, data.weight)
    psi = PolynomialFeatures(degree).fit_transform(data.X)
    # Its own test for constant columns uses variances, and lets rounding through.
    psi = StandardScaler().fit(psi, sample_weight=data.weight).transform(psi)
    ridge = Ridge(alpha=1e-2 * data.weight.sum(), solver="svd")
    ridge.fit(psi, one_hot(data), data.weight)
    yield student.decision_function(data.X), margins(ridge.predict(psi)), ROUNDING


def hard_labels_alone_are_logistic_regression(rng):
    data = sample(rng)
    student = sk.KoopmanDistilledClassifier(soft_weight=0, **CONVERGED)
    student.fit(data.X, data.y, data.weight)
    Z = StandardScaler().fit(data.X, sample_weight=data.weight).transform(data.X)
    # For two classes scikit-learn has one vector. Here two vectors share its penalty.
    C = (2 if data.n_classes == 2 else 1) / (1e-2 * data.weight.sum())
    oracle = LogisticRegression(C=C, tol=1e-9, max_iter=3000).fit(Z, data.y, data.weight)
    yield student.predict_proba(data.X), oracle.predict_proba(Z), NEAR_MINIMUM


def monomials_are_polynomial_features(rng):
    data = sample(rng)
    settings = {
        "interaction_only": bool(rng.integers(2)),
        "include_bias": bool(rng.integers(2)),
        "order": pick(rng, ("C", "F")),
    }
    degree = int(rng.integers(1, 5))
    ours = sk.MonomialLifter(degree, **settings).fit_transform(data.X)
    yield ours, PolynomialFeatures(degree, **settings).fit_transform(data.X), 1e-12


def fidelity_is_a_mean(rng):
    data = sample(rng)
    mine, theirs = data.teacher(data.X), rng.normal(size=(len(data.X), data.n_classes))
    expected = np.mean(mine.argmax(axis=1) == theirs.argmax(axis=1))
    yield inspection.fidelity_score(mine, theirs), expected, 1e-12


# The same result in another way.


def rows_alone_are_rows_together(rng):
    data = sample(rng)
    if rng.uniform() < 0.5:
        fitted = any_student(rng, data).fit(data.X, data.y)
        call = partial(scores, fitted)
    else:
        fitted = any_lifter(rng, data.X.shape[1]).fit(data.X)
        call = fitted.transform
    alone = np.concatenate([call(data.X[i : i + 1]) for i in range(len(data.X))])
    is_single = isinstance(fitted, LinearizedNetworkClassifier)
    yield alone, call(data.X), OF_FLOAT32 if is_single else ROUNDING


def a_class_is_the_largest_logit(rng):
    data = sample(rng)
    student = any_student(rng, data).fit(data.X, data.y)
    found = scores(student, data.X)
    if found.ndim == 1:
        found = np.column_stack([np.zeros_like(found), found])
    chosen = np.searchsorted(student.classes_, student.predict(data.X))
    yield found[np.arange(len(found)), chosen], found.max(axis=1), ROUNDING
    if hasattr(student, "predict_proba"):
        is_tree = not hasattr(student, "decision_function")
        expected = found if is_tree else softmax(found, axis=1)
        yield student.predict_proba(data.X), expected, ROUNDING


def a_weight_of_zero_leaves_rows_out(rng):
    data = sample(rng)
    kept = rng.uniform(size=len(data.X)) < 0.7
    kept[np.unique(data.y, return_index=True)[1]] = True
    student = exact_student(rng, data)
    weighted = clone(student).fit(data.X, data.y, data.weight * kept)
    others = clone(student).fit(data.X[kept], data.y[kept], data.weight[kept])
    yield scores(weighted, data.X), scores(others, data.X), tolerance(student)


def a_weight_of_two_is_a_row_twice(rng):
    data = sample(rng)
    times = rng.integers(1, 4, size=len(data.X))
    student = exact_student(rng, data)
    weighted = clone(student).fit(data.X, data.y, times)
    repeated = clone(student).fit(np.repeat(data.X, times, axis=0), np.repeat(data.y, times))
    yield scores(weighted, data.X), scores(repeated, data.X), tolerance(student)


def the_order_of_rows_does_not_matter(rng):
    data = sample(rng)
    order, student = rng.permutation(len(data.X)), exact_student(rng, data)
    one = clone(student).fit(data.X, data.y, data.weight)
    other = clone(student).fit(data.X[order], data.y[order], data.weight[order])
    yield scores(one, data.X), scores(other, data.X), tolerance(student)


def single_precision_is_close_to_double(rng):
    data = sample(rng)
    student = exact_student(rng, data)
    double = clone(student).fit(data.X, data.y)
    X = data.X.astype(np.float32)
    if isinstance(student, sk.KoopmanDistilledClassifier):
        student.set_params(tol=1e-5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        single = student.fit(X, data.y)
        assert single.coef_.dtype == np.float32
        found = scores(single, X)
    if not any("Rounding in float32 changes logits" in str(each.message) for each in caught):
        yield found, scores(double, data.X), OF_FLOAT32


def a_file_gives_the_student_back(rng):
    data = sample(rng)
    student = any_student(rng, data)
    if isinstance(student, LinearizedNetworkClassifier):
        return  # torch saves its module
    student.fit(data.X, data.y)
    file = io.BytesIO()
    deployment.save_student(student, file)
    trusted = get_untrusted_types(file=file)  # types of trees
    restored = deployment.load_student(file, trusted=trusted)
    yield scores(restored, data.X), scores(student, data.X), EXACT


def a_clone_learns_the_same(rng):
    data = sample(rng)
    student = any_student(rng, data)
    fitted = deepcopy(student).fit(data.X, data.y)
    found = scores(fitted, data.X)
    if not isinstance(student, CompressedStudent):  # its clone needs a fitted student
        yield scores(clone(fitted).fit(data.X, data.y), data.X), found, EXACT
    yield scores(fitted.fit(data.X, data.y), data.X), found, EXACT


def chunks_are_rows(rng):
    data = sample(rng)
    student = exact_student(rng, data)
    if isinstance(student.lifter, lifting.OpticalLifter):
        student.set_params(lifter=FrozenEstimator(student.lifter.fit(data.X)))
    chunks = (int(rng.integers(1, len(data.X) + 1)), -1)
    X = dask_array.from_array(data.X, chunks=chunks)
    lazy = clone(student).fit(X, data.y, data.weight)
    there = student.fit(data.X, data.y, data.weight)
    yield np.asarray(scores(lazy, X)), scores(there, data.X), tolerance(student)


def soft_labels_are_what_a_teacher_says(rng):
    data = sample(rng)
    student = exact_student(rng, data).set_params(teacher=data.teacher)
    if hasattr(student, "soft_weight"):
        student.set_params(soft_weight=0.5)
    asked = clone(student).fit(data.X, data.y)
    told = student.set_params(teacher=None)
    told.fit(data.X, data.y, soft_labels=data.teacher(data.X))
    yield scores(told, data.X), scores(asked, data.X), EXACT


def a_graph_is_a_teacher(rng):
    data = sample(rng, n_features=4)
    data.n_classes, data.y = 3, np.arange(len(data.X)) % 3
    student = sk.EDMDClassifier(
        graph(4), lifter=lifter(rng), ridge=1e-2, teacher_output="logits"
    )
    asked = student.fit(data.X, data.y)
    told = clone(student).set_params(teacher=lambda X: np.asarray(X, np.float32)[:, :3])
    yield scores(asked, data.X), scores(told.fit(data.X, data.y), data.X), ROUNDING


def batches_are_all_rows(rng):
    data = sample(rng)
    student = sk.EDMDClassifier(ridge=1e-2, lifter=pick(rng, (None, sk.MonomialLifter(2))))
    whole = clone(student).fit(data.X, data.y, data.weight)
    ends = [0, *sorted(rng.integers(1, len(data.X), size=2)), len(data.X)]
    for first, last in pairwise(ends):
        if first < last:
            rows = slice(first, last)
            student.partial_fit(
                data.X[rows],
                data.y[rows],
                classes=whole.classes_,
                sample_weight=data.weight[rows],
            )
    yield scores(student, data.X), scores(whole, data.X), ROUNDING


def a_pipeline_is_the_one_of_scikit_learn(rng):
    data = sample(rng)
    steps = StandardScaler(), pick(rng, (PCA(1), "passthrough")), sk.MonomialLifter(2)
    student = sk.EDMDClassifier(ridge=1e-2)
    ours = make_pipeline(*map(clone, steps[:1]), *steps[1:], clone(student))
    theirs = sklearn_pipeline(*steps, student)
    ours.fit(data.X, data.y), theirs.fit(data.X, data.y)
    yield scores(ours, data.X), scores(theirs, data.X), ROUNDING


def a_module_is_the_student(rng):
    data = sample(rng)
    student = exact_student(rng, data).fit(data.X, data.y)
    module = deployment.to_module(student)
    with torch.no_grad():
        logits = module(torch.as_tensor(data.X)).numpy()
    yield margins(logits), scores(student, data.X), 1e-5


def what_is_compiled_is_the_student(rng):
    data = sample(rng)
    student = any_student(rng, data)
    if isinstance(student, LinearizedNetworkClassifier | sk.DistilledTreeClassifier):
        return  # they have no form as a plain function
    student.fit(data.X, data.y)
    compiled = deployment.compile(student)
    yield compiled.decision_function(data.X), scores(student, data.X), ROUNDING
    yield compiled.decision_function(data.X[0]), scores(student, data.X[:1])[0], ROUNDING


def c_says_what_the_student_says(rng):
    data = sample(rng)
    student = exact_student(rng, data).fit(data.X, data.y)
    logits = deployment.to_c(student).decision_function(data.X)
    yield margins(logits), scores(student, data.X), OF_FLOAT32


def integers_of_c_are_nearly_the_student(rng):
    data = sample(rng)
    # With rows that are nearly equal, detectors of light need more bits.
    student = exact_student(rng, data).set_params(
        lifter=pick(rng, (None, sk.MonomialLifter(2), sk.DelayLifter(1)))
    )
    student.fit(data.X, data.y)
    settings = {"bits": 12, "reducer_bits": 10, "activation_bits": 12}
    try:
        made = deployment.to_c(student, X=data.X, number="integer", **settings)
    except ValueError as error:  # for rows far from zero, sums of products may overflow
        if "32 bits hold less" in str(error):
            return
        raise
    expected = student.decision_function(data.X)
    yield margins(made.decision_function(data.X)), expected, OF_INTEGERS


def a_search_fits_what_it_finds(rng):
    data = sample(rng)
    search = KoopmanSearchCV(
        pick(rng, (None, data.teacher)),
        dictionaries=[lifter(rng) or sk.MonomialLifter(1)],
        ridges=[1e-2],
        tol=1e-9,
        teacher_output="logits",
        class_weight=pick(rng, (None, "balanced")),
        random_state=0,
    ).fit(data.X, data.y, data.weight)
    best = search.best_estimator_
    alone = clone(best).set_params(max_iter=3000).fit(data.X, data.y, data.weight)
    yield search.decision_function(data.X), scores(alone, data.X), NEAR_MINIMUM


def an_audit_counts_rows(rng):
    data = sample(rng)
    student = exact_student(rng, data).fit(data.X, data.y)
    predicted, logits = student.predict(data.X), data.teacher(data.X)
    report = audit_report(
        student, data.X, data.y, teacher=logits, scale=None, fixed=None, n_rows=1, max_rows=5
    )
    said = student.classes_[logits.argmax(axis=1)]
    yield report.accuracy.value, np.mean(predicted == data.y), EXACT
    yield report.teacher_accuracy.value, np.mean(said == data.y), EXACT
    yield report.fidelity.disagreement, np.mean(said != predicted), 1e-12
    if report.certified is not None:
        found = report.certified
        yield (
            finite_radii(found.lower),
            finite_radii(inspection.robust_radius(student, data.X)[found.rows]),
            ROUNDING,
        )
    if rng.uniform() < 0.3:
        report.to_html()


def finite_radii(radii):
    """Return radii, -1 if no change changes the class."""
    return np.where(np.isinf(radii), -1.0, radii)


ORACLES = (
    least_squares_is_ridge,
    hard_labels_alone_are_logistic_regression,
    monomials_are_polynomial_features,
    fidelity_is_a_mean,
    rows_alone_are_rows_together,
    a_class_is_the_largest_logit,
    a_weight_of_zero_leaves_rows_out,
    a_weight_of_two_is_a_row_twice,
    the_order_of_rows_does_not_matter,
    single_precision_is_close_to_double,
    a_file_gives_the_student_back,
    a_clone_learns_the_same,
    chunks_are_rows,
    soft_labels_are_what_a_teacher_says,
    a_graph_is_a_teacher,
    batches_are_all_rows,
    a_pipeline_is_the_one_of_scikit_learn,
    a_module_is_the_student,
    what_is_compiled_is_the_student,
    c_says_what_the_student_says,
    integers_of_c_are_nearly_the_student,
    a_search_fits_what_it_finds,
    an_audit_counts_rows,
)


def try_oracle(rng, outcome):
    """Compare the result with the expected one."""
    oracle = pick(rng, ORACLES)
    outcome.what, outcome.must_accept = oracle.__name__, True
    for found, expected, most in oracle(rng):
        found, expected = np.asarray(found), np.asarray(expected)
        outcome.found["found"] = found
        size = max(1.0, np.abs(expected).max())
        error = np.abs(np.subtract(found, expected, dtype=float)).max() / size
        if error > most:
            outcome.problems.append(
                f"{oracle.__name__}: off by {error:.2g}, at most {most:.2g}"
            )
