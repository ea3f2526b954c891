"""The most likely mistakes, made on purpose: a message says what to do, or all is well."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline as make_plain_pipeline
from sklearn.svm import SVC

from sklearn_koopman import (
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    MonomialLifter,
    TensorTrainClassifier,
)
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.teachers import TorchTeacher

X, Y = load_digits(return_X_y=True)
X, Y = X[:400] / 16, Y[:400]
FITTED = LogisticRegression(max_iter=1000).fit(X, Y)
LOGITS = FITTED.decision_function(X)
PROBA = FITTED.predict_proba(X)

THREE_WAYS = (
    r"three ways out: build the pipeline with sklearn_koopman\.pipeline\.make_pipeline.*"
    r"lifter= parameter.*teacher_X="
)
ORDERED = r"the first choice is the label of \d+% of 400 .* of (9\d|100)% if the columns"
GUESSING = "the first choice is the label of only .* of 400 labelled rows.*guessing"


def student(teacher=None, **parameters):
    lifter = make_plain_pipeline(PCA(8, random_state=0), MonomialLifter(2))
    parameters = {"lifter": lifter, "tol": 1e-3} | parameters
    return KoopmanDistilledClassifier(teacher, **parameters)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


# The teacher gets rows of the wrong space


@pytest.mark.parametrize("kind", ["estimator", "callable", "torch"])
@pytest.mark.parametrize("classifier", [KoopmanDistilledClassifier, EDMDClassifier])
def test_a_teacher_behind_PCA_that_wants_pixels(kind, classifier, request):
    teacher = {"estimator": FrozenEstimator(FITTED), "callable": FITTED.decision_function}
    if kind == "torch":
        teacher[kind] = request.getfixturevalue("torch").nn.Linear(64, 10)
    steps = PCA(8), MonomialLifter(2), classifier(teacher[kind])
    with pytest.raises(ValueError, match=THREE_WAYS):
        make_plain_pipeline(*steps).fit(X, Y)
    if kind != "torch":  # the torch module has not been trained
        with warnings.catch_warnings(action="error"):
            assert make_pipeline(*steps).fit(X, Y).score(X, Y) > 0.8


def test_a_teacher_in_another_space_of_as_many_dimensions():
    pipeline = make_plain_pipeline(PCA(64), student(FrozenEstimator(FITTED)))
    with pytest.warns(UserWarning, match=f"{GUESSING}.*pipeline.make_pipeline, or teacher_X="):
        pipeline.fit(X, Y)


def test_a_convolutional_teacher_of_flat_rows(torch):
    convolution = torch.nn.Conv2d(1, 2, 3)
    net = torch.nn.Sequential(convolution, torch.nn.Flatten(), torch.nn.Linear(72, 10))
    message = r"Rows are flat .* TorchTeacher\(module, input_shape=\(1, 8, 8\)\)"
    with pytest.raises(ValueError, match=message):
        student(net).fit(X, Y)
    teacher = TorchTeacher(net, input_shape=(1, 8, 8))
    assert teacher(X).shape == (400, 10)


# An unfitted teacher


def test_an_unfitted_teacher():
    unfitted = LogisticRegression(max_iter=1000)
    assert student(unfitted).fit(X, Y).score(X, Y) > 0.8  # it is fitted, as documented
    message = "LogisticRegression is not fitted yet.*fit it first, or pass it without FrozenEst"
    with pytest.raises(NotFittedError, match=message):
        student(FrozenEstimator(unfitted)).fit(X, Y)
    with pytest.raises(NotFittedError, match=r"LogisticRegression.* Call 'fit'"):
        student(unfitted.predict_proba).fit(X, Y)


def test_an_untrained_network(torch):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=f"{GUESSING}.*Is it trained?"):
        student(torch.nn.Linear(64, 10)).fit(X, Y)


# Columns in the wrong order


@pytest.mark.parametrize("classifier", [student, EDMDClassifier])
def test_columns_in_another_order(classifier):
    backwards = classifier(lambda X: FITTED.decision_function(X)[:, ::-1])
    with pytest.warns(UserWarning, match=rf"teacher: {ORDERED}.*\[9, 8, .*teacher_classes=\["):
        backwards.fit(X, Y)
    with pytest.warns(UserWarning, match=f"soft_labels: {ORDERED}") as caught:
        classifier().fit(X, Y, soft_labels=PROBA[:, ::-1])
    assert caught[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        backwards.set_params(teacher_classes=range(9, -1, -1)).fit(X, Y)
    assert backwards.score(X, Y) > 0.8


def test_two_columns_in_the_wrong_place():
    swapped = [0, 1, 2, 7, 4, 5, 6, 3, 8, 9]
    with pytest.warns(UserWarning, match=rf"{ORDERED}.*teacher_classes=\[0, 1, 2, 7, "):
        student().fit(X, Y, soft_labels=PROBA[:, swapped])
    with warnings.catch_warnings(action="error"):
        student(teacher_classes=swapped).fit(X, Y, soft_labels=PROBA[:, swapped])


def test_what_brings_rows_one_after_the_other(torch):
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    loader = torch.utils.data.DataLoader(data, batch_size=50)
    for rows in (loader, data, iter(X)):
        for model in (
            student(FrozenEstimator(FITTED)),
            make_pipeline(PCA(2), EDMDClassifier()),
        ):
            with pytest.raises(
                TypeError, match=rf"X is a {type(rows).__name__}.*np.concatenate"
            ):
                model.fit(rows, Y)


def test_what_is_no_reason_to_warn():
    few = slice(0, 15)
    with warnings.catch_warnings(action="error"):
        student().fit(X, Y, soft_labels=np.full((400, 10), 0.1))  # no first choice at all
        EDMDClassifier().fit(X[few], Y[few], soft_labels=np.roll(LOGITS, 1, axis=1)[few])
        half = np.where(np.arange(400) % 2, Y, (Y + 1) % 10)  # wrong labels, a right teacher
        student(FITTED.predict_proba).fit(X, half)
        unlabelled = np.full(400, -1)
        student(FITTED.predict_proba, unlabeled_value=-1).fit(X, unlabelled)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([str(digit) for digit in range(10)], "does not know the classes.*'1' is not 1"),
        (range(1, 11), r"does not know the classes \[0\] of y"),
        ([0, 1], "gave 10 columns, but teacher_classes names 2 classes"),
    ],
    ids=["strings", "another class", "too few"],
)
def test_wrong_teacher_classes(classes, message):
    with pytest.raises(ValueError, match=message) as error:
        student(lambda X: FITTED.decision_function(X), teacher_classes=classes).fit(X, Y)
    about_columns = "gave 10 columns" in message  # inputs of another space may lead to this
    assert ("three ways out" in str(error.value)) == about_columns


@pytest.mark.parametrize(
    ("given", "source"), [({"soft_labels": Y}, "soft_labels"), ({}, "teacher")]
)
def test_labels_for_soft_labels(given, source):
    message = (
        f"{source} gave one number for each row, but y has 10 classes: one column for each"
    )
    with pytest.raises(ValueError, match=message):
        student(FITTED.predict).fit(X, Y, **given)


# Logits for probabilities


def test_logits_for_probabilities():
    message = r"needs values in \[0, 1\], got values from .* set teacher_output='logits'"
    with pytest.raises(ValueError, match=f"soft_labels: teacher_output='proba' {message}"):
        student(teacher_output="proba").fit(X, Y, soft_labels=LOGITS)
    with pytest.raises(ValueError, match=message) as error:
        student(FITTED.decision_function, teacher_output="proba").fit(X, Y)
    assert "three ways out" not in str(error.value)
    both = [student().fit(X, Y, soft_labels=soft) for soft in (LOGITS, PROBA)]
    np.testing.assert_allclose(both[0].coef_, both[1].coef_, atol=1e-3)  # told apart


# A huge degree


@pytest.mark.parametrize("classifier", [KoopmanDistilledClassifier, EDMDClassifier])
def test_a_huge_degree(classifier):
    message = "degree=12, hence .* needs .* GB of memory.*Lower the degree.*PCA with fewer"
    with pytest.raises(MemoryError, match=message):
        MonomialLifter(12).fit_transform(X)
    with pytest.raises(MemoryError, match=message):
        classifier(lifter=MonomialLifter(12)).fit(X, Y, soft_labels=LOGITS)
    lifter = make_plain_pipeline(PCA(30), MonomialLifter(5))  # 324,632 observables
    # With fewer rows than half of that, a fit would hold the rows, not the Gram matrix.
    many = [np.tile(each.T, 170_000 // len(X)).T for each in (X, Y, LOGITS)]
    with pytest.raises(MemoryError, match=r"Gram matrix .* needs .* GB.*solver='adam'"):
        classifier(lifter=lifter).fit(*many[:2], soft_labels=many[2])


# Unscaled pixels


@pytest.mark.parametrize("classifier", [student, EDMDClassifier])
def test_unscaled_pixels_are_scaled_by_the_classifier(classifier):
    scaled, unscaled = (
        classifier(ridge=1e-3, lifter=make_plain_pipeline(PCA(8), MonomialLifter(2))).fit(
            rows, Y, soft_labels=LOGITS
        )
        for rows in (X, 255 * X)
    )
    agreement = np.mean(scaled.predict(X) == unscaled.predict(255 * X))
    assert agreement > 0.99


def test_a_teacher_that_was_trained_on_scaled_pixels():
    teacher = FrozenEstimator(SVC().fit(X, Y))
    with pytest.warns(UserWarning, match=f"{GUESSING}.*inputs like those it was trained on"):
        student(teacher).fit(255 * X, Y)
    with warnings.catch_warnings(action="error"):
        student(teacher).fit(255 * X, Y, teacher_X=X)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_unscaled_pixels_to_a_high_power():
    lifter = make_plain_pipeline(PCA(3), MonomialLifter(8))
    rows = (255 * X).astype(np.float32)
    message = r"not finite.*Scale the features first .*whiten.*lower the degree, or use float64"
    with pytest.raises(ValueError, match=message):
        student(lifter=lifter).fit(rows, Y, soft_labels=LOGITS)


# float16, a DataFrame, a sparse matrix


def test_float16():
    half = X.astype(np.float16)
    exact = student().fit(half.astype(np.float64), Y, soft_labels=LOGITS)
    found = student().fit(half, Y, soft_labels=LOGITS)
    np.testing.assert_array_equal(found.coef_, exact.coef_)
    assert found.coef_.dtype == np.float64
    assert MonomialLifter(2).fit_transform(half).dtype == np.float64
    found = student().fit(X, Y, soft_labels=PROBA.astype(np.float16))
    assert found.score(X, Y) > 0.8


def test_a_DataFrame(torch):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    labels = pandas.Series(Y, index=range(400, 0, -1))  # the order of rows counts, not names
    teachers = [
        FrozenEstimator(LogisticRegression(max_iter=1000).fit(frame, labels)),
        LogisticRegression(max_iter=1000),
        torch.nn.Linear(64, 10, dtype=torch.float64),
    ]
    with torch.no_grad():
        teachers[2].weight.copy_(torch.from_numpy(FITTED.coef_))
        teachers[2].bias.copy_(torch.from_numpy(FITTED.intercept_))
    with warnings.catch_warnings(action="error"):
        for teacher in teachers:
            pipeline = make_pipeline(PCA(8), MonomialLifter(2), student(teacher, lifter=None))
            assert pipeline.fit(frame, labels).score(frame, labels) > 0.8
            inside = student(teacher).fit(frame, labels, soft_labels=pandas.DataFrame(PROBA))
            assert list(inside.feature_names_in_) == list(frame.columns)


@pytest.mark.parametrize(
    "estimator",
    [student(lifter=MonomialLifter()), TensorTrainClassifier(), MonomialLifter()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_sparse_matrix(estimator):
    soft = {} if isinstance(estimator, MonomialLifter) else {"soft_labels": LOGITS}
    with pytest.raises(TypeError, match=r"Sparse data was passed.*[Uu]se '?\.?toarray\(\)"):
        estimator.fit(csr_array(X), Y, **soft)


def test_sparse_matrices_elsewhere(torch):
    with pytest.raises(TypeError, match=r"soft_labels: expected a dense array.*\.toarray\(\)"):
        student().fit(X, Y, soft_labels=csr_array(PROBA))
    with pytest.raises(TypeError, match=r"dense X; convert a sparse X with X\.toarray\(\)"):
        student(torch.nn.Linear(64, 10)).fit(X, Y, teacher_X=csr_array(X))


# A module for a GPU on a machine without one


@pytest.mark.parametrize("device", ["cuda", "gpu"])
def test_a_device_that_is_not_there(device, torch):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has one")
    message = f"device='{device}' is not available here; available: cpu"
    net = torch.nn.Linear(64, 10)
    with pytest.raises(ValueError, match=message) as error:
        student(TorchTeacher(net, device=device)).fit(X, Y)
    assert "three ways out" not in str(error.value)  # the inputs are correct
    for solver in ("lbfgs", "adam"):
        with pytest.raises(ValueError, match=message):
            student(device=device, solver=solver).fit(X, Y, soft_labels=LOGITS)


@pytest.mark.parametrize(
    "estimator",
    [
        EDMDClassifier(ridge=0),
        EDMDClassifierCV(ridges=[1e-14], cv=2),
        KoopmanDistilledClassifier(soft_weight=0, ridge=1e-12),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_logits_that_rounding_changes_are_told(estimator):
    """Squares and products of float32 rows far from zero: float64 shows the rounding."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    y = (rows[:, 0] * rows[:, 1] > 0) + 1 * (rows[:, 2] > 1)
    estimator = clone(estimator).set_params(lifter=MonomialLifter(2))

    def fitted(offset):
        X = (rows + offset).astype(np.float32)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(X, y)
        psi = estimator.lifter_.transform(X.astype(np.float64))
        error = estimator.decision_function(X) - (
            psi @ estimator.coef_.T.astype(np.float64) + estimator.intercept_
        )
        return np.ptp(error, axis=1).max(), [
            each for each in caught if "Rounding in float32" in str(each.message)
        ]

    error, told = fitted(0)
    assert error < 1e-3
    assert not told
    error, told = fitted(3e3)
    assert error > 0.05
    assert len(told) == 1
    assert "StandardScaler" in str(told[0].message)
    assert told[0].filename == __file__
