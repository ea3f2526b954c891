"""Transfer sets: a fit to the enlarged set that never holds it."""

import pickle
import threading
import tracemalloc

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    TransferSet,
)
from sklearn_koopman.deployment import detach_teacher
from sklearn_koopman.inspection import distillation_report
from sklearn_koopman.pipeline import make_pipeline as make_koopman_pipeline

from ..classification.helpers import LinearTeacher, samples

X, Y = samples(n_samples=300, n_features=8)
TEACHER = LinearTeacher(8)


def jitter(X, rng):
    return X + rng.normal(size=X.shape).astype(X.dtype)


def mirrored(X):
    return -X


TWO_COPIES = TransferSet(jitter, n_copies=2)
# PCA is fitted beforehand. Otherwise only one of the two fits would show it the made rows.
PCA_THEN_MONOMIALS = make_pipeline(
    FrozenEstimator(PCA(4, random_state=0).fit(X)), MonomialLifter(2)
)
LIFTERS = {"lifted": None, "monomials": MonomialLifter(2), "PCA": PCA_THEN_MONOMIALS}
CLASSIFIERS = [
    EDMDClassifier(TEACHER, ridge=1e-3),
    EDMDClassifier(TEACHER, ridge=1e-3, solver="svd"),
    KoopmanDistilledClassifier(TEACHER, ridge=1e-2, tol=1e-9),
]
every_classifier = pytest.mark.parametrize(
    "classifier", CLASSIFIERS, ids=["cholesky", "svd", "distilled"]
)
both_classifiers = pytest.mark.parametrize(
    "classifier", [CLASSIFIERS[0], CLASSIFIERS[2]], ids=["edmd", "distilled"]
)


def student(classifier, **parameters):
    """Return an unfitted copy of a classifier with other parameters."""
    return clone(classifier).set_params(**parameters)


@every_classifier
@pytest.mark.parametrize("lifter", LIFTERS.values(), ids=LIFTERS.keys())
@pytest.mark.parametrize("keep_labels", [True, False])
def test_it_is_the_fit_of_the_enlarged_set(classifier, lifter, keep_labels):
    weight = np.random.default_rng(3).uniform(0.5, 2, size=len(X))
    transfer_set = TransferSet([jitter, mirrored], n_copies=2, keep_labels=keep_labels)
    made = student(classifier, lifter=lifter, transfer_set=transfer_set)
    made.fit(X, Y, sample_weight=weight)
    labels = np.tile(Y, 5)
    if not keep_labels:
        labels[len(Y) :] = -1
    explicit = student(classifier, lifter=lifter, unlabeled_value=-1)
    explicit.fit(transfer_set.enlarge(X)[:], labels, sample_weight=np.tile(weight, 5))
    assert_allclose(made.coef_, explicit.coef_, rtol=1e-7, atol=1e-9)
    assert_allclose(made.intercept_, explicit.intercept_, rtol=1e-7, atol=1e-9)
    alone = student(classifier, lifter=lifter).fit(X, Y, sample_weight=weight)
    assert np.abs(made.coef_ - alone.coef_).max() > 1e-4


def test_rows_without_labels_are_enlarged_too():
    y = np.where(np.arange(len(Y)) % 2, Y, -1)
    transfer_set = TransferSet(jitter, keep_labels=True)
    made = student(CLASSIFIERS[2], transfer_set=transfer_set, unlabeled_value=-1).fit(X, y)
    explicit = student(CLASSIFIERS[2], unlabeled_value=-1)
    explicit.fit(transfer_set.enlarge(X)[:], np.tile(y, 2))
    assert_allclose(made.coef_, explicit.coef_, rtol=1e-7, atol=1e-9)


def test_labels_alone_when_they_are_kept():
    transfer_set = TransferSet(jitter, keep_labels=True)
    made = EDMDClassifier(transfer_set=transfer_set).fit(X, Y)
    explicit = EDMDClassifier().fit(transfer_set.enlarge(X)[:], np.tile(Y, 2))
    assert_allclose(made.coef_, explicit.coef_, rtol=1e-9, atol=1e-12)


def test_without_soft_weight_rows_that_have_no_label_change_nothing():
    model = student(CLASSIFIERS[2], soft_weight=0.0, transfer_set=TransferSet(jitter)).fit(X, Y)
    alone = student(CLASSIFIERS[2], soft_weight=0.0).fit(X, Y)
    assert_array_equal(model.coef_, alone.coef_)


@pytest.mark.parametrize("random_state", [0, 7])
def test_a_stream_draws_new_numbers_for_every_chunk(random_state):
    """They equal those of a fit to all rows, if chunks are whole blocks."""
    rows = np.random.default_rng(0).normal(size=(3072, 2))
    labels = rows[:, 0] > 0
    settings = {"transfer_set": TransferSet(jitter, random_state=random_state), "ridge": 1e-3}
    teacher = LinearTeacher(2, 2)
    stream = EDMDClassifier(lambda X: np.sin(teacher.logits(X)), **settings)
    for chunk in (slice(0, 1024), slice(1024, 3072)):
        stream.partial_fit(rows[chunk], labels[chunk], classes=[False, True])
    at_once = clone(stream).fit(rows, labels)
    assert_allclose(stream.coef_, at_once.coef_, rtol=1e-9)


@pytest.mark.parametrize("after_fit", [False, True])
def test_no_chunk_of_a_stream_gets_the_numbers_of_another(after_fit):
    pytest.importorskip("skorch")
    drawn = []

    def recorded(X, rng):
        noise = rng.normal(size=X.shape)
        drawn.append(noise[0, 0])
        return X + noise

    def run():
        drawn.clear()
        student = KoopmanDistilledClassifier(
            TEACHER,
            solver="adam",
            max_iter=1,
            transfer_set=TransferSet(recorded),
            random_state=0,
        )
        for start in range(0, 300, 100):
            rows = slice(start, start + 100)
            call = student.fit if after_fit and start == 0 else student.partial_fit
            call(X[rows], Y[rows], **({} if call == student.fit else {"classes": [0, 1, 2]}))
        return set(drawn), student.coef_

    numbers, coef = run()
    assert len(numbers) == 3
    assert_array_equal(run()[1], coef)
    assert run()[0] == numbers


def test_partial_fit_enlarges_every_batch():
    batches = [slice(0, 120), slice(120, 300)]
    stream = student(CLASSIFIERS[0], transfer_set=TransferSet(mirrored))
    for rows in batches:
        stream.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    at_once = student(CLASSIFIERS[0], transfer_set=TransferSet(mirrored)).fit(X, Y)
    assert_allclose(stream.coef_, at_once.coef_, rtol=1e-8, atol=1e-10)


def test_mini_batches_draw_from_all_rows():
    pytest.importorskip("skorch")
    settings = {"solver": "adam", "max_iter": 3, "random_state": 0}
    made = student(
        CLASSIFIERS[2], transfer_set=TransferSet(jitter, keep_labels=True), **settings
    )
    made.fit(X, Y)
    explicit = student(CLASSIFIERS[2], **settings)
    explicit.fit(TransferSet(jitter).enlarge(X)[:], np.tile(Y, 2))
    assert_allclose(made.coef_, explicit.coef_, rtol=1e-5, atol=1e-6)


@every_classifier
def test_a_fit_is_repeatable_and_a_seed_changes_it(classifier):
    first, again, other = (
        student(classifier, transfer_set=TransferSet(jitter, random_state=seed)).fit(X, Y)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first.coef_, again.coef_)
    assert np.abs(first.coef_ - other.coef_).max() > 1e-6


def test_random_state_none_is_another_set_each_time_but_one_within():
    transfer_set = TransferSet(jitter, random_state=None)
    rows, others = transfer_set.enlarge(X), transfer_set.enlarge(X)
    assert_array_equal(rows[:], rows[:])
    assert np.abs(rows[:] - others[:]).max() > 0.1


def test_every_way_to_read_the_rows_gives_the_same():
    Z = np.random.default_rng(0).normal(size=(2125, 3))  # 1024 rows are made at once
    rows = TransferSet([jitter, mirrored]).enlarge(Z)
    everything = rows.map(np.copy)
    assert everything.shape == rows.shape == (3 * len(Z), 3)
    assert len(rows) == len(everything)
    assert_array_equal(everything[: len(Z)], Z)
    assert_array_equal(everything[2 * len(Z) :], -Z)
    assert_array_equal(rows[:], everything)
    assert_array_equal(rows[1000:5000], everything[1000:5000])
    indices = np.random.default_rng(1).permutation(len(everything))[:500]
    assert_array_equal(rows[indices], everything[indices])
    noise = everything[len(Z) : 2 * len(Z)] - Z
    assert abs(np.corrcoef(noise[:1024, 0], noise[1024:2048, 0])[0, 1]) < 0.2


def test_copies_differ():
    rows = TransferSet([jitter, jitter], n_copies=2).enlarge(X)[:].reshape(5, *X.shape)
    for i in range(5):
        for j in range(i):
            assert np.abs(rows[i] - rows[j]).max() > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    in_double = TransferSet(lambda X: X.astype(np.float64) * 2)
    assert in_double.enlarge(X.astype(dtype))[:].dtype == dtype
    model = student(CLASSIFIERS[2], tol=1e-4, transfer_set=in_double)
    assert model.fit(X.astype(dtype), Y).coef_.dtype == dtype


def test_images_in_colour_are_flipped_and_moved():
    X = np.arange(2 * 3 * 4 * 5.0).reshape(2, -1)

    def flipped(images):
        return images[..., ::-1]

    def moved_right(images):
        return np.pad(images, ((0, 0), (0, 0), (0, 0), (1, 0)))[..., :-1]

    rows = TransferSet([flipped, moved_right], input_shape=(3, 4, 5)).enlarge(X)[:]

    original, mirrored, moved = rows.reshape(3, 2, 3, 4, 5)
    assert_array_equal(original.reshape(2, -1), X)
    assert_array_equal(mirrored, np.flip(original, axis=3))
    assert_array_equal(moved[..., 1:], original[..., :-1])
    assert not moved[..., 0].any()


def test_input_shape():
    shapes = []

    def moved_down(images):
        shapes.append(images.shape)
        return np.roll(images, 1, axis=1)

    rows = TransferSet(moved_down, input_shape=(2, 4)).enlarge(X)[:]
    assert shapes == [(300, 2, 4)]
    assert_array_equal(rows[300:], X[:, [4, 5, 6, 7, 0, 1, 2, 3]])


def test_torch_modules_are_given_rows_one_by_one_and_a_seed():
    torch = pytest.importorskip("torch")

    class Noise(torch.nn.Module):
        def forward(self, image):
            assert image.shape == (1, 2, 4)
            return image + torch.rand(1)

    rows = TransferSet(Noise(), input_shape=(1, 2, 4)).enlarge(X.astype(np.float32))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again = rows[:], rows[:]
    assert torch.rand(1) == expected  # the global generator is as before
    assert_array_equal(first, again)
    noise = first[300:] - first[:300]
    assert_allclose(noise, noise[:, :1] + np.zeros(8), atol=1e-5)
    assert len(np.unique(noise[:, 0].round(5))) > 290


def test_no_generator_of_a_device_is_left_seeded(torch_devices):
    torch = pytest.importorskip("torch")
    cuda, metal = torch_devices
    torch.cuda.init()

    class Noise(torch.nn.Module):
        def forward(self, row):
            return row + torch.rand(1, generator=cuda) + torch.rand(1, generator=metal)

    before = cuda.get_state(), metal.get_state()
    rows = TransferSet(Noise()).enlarge(X)
    assert_array_equal(rows[:], rows[:])
    assert torch.equal(cuda.get_state(), before[0])
    assert torch.equal(metal.get_state(), before[1])


def test_torchvision_transforms():
    pytest.importorskip("torchvision", exc_type=(ImportError, RuntimeError))
    from torchvision.transforms import v2

    flip = TransferSet(v2.RandomHorizontalFlip(p=1.0), input_shape=(1, 2, 4))
    assert_array_equal(flip.enlarge(X)[300:], X[:, [3, 2, 1, 0, 7, 6, 5, 4]])


def test_the_teacher_sees_all_rows_and_an_estimator_is_fitted_on_the_real_ones():
    teacher = LinearTeacher(8)
    EDMDClassifier(teacher, transfer_set=TWO_COPIES).fit(X, Y)
    assert_array_equal(np.concatenate(teacher.seen), TWO_COPIES.enlarge(X)[:])
    logistic = LogisticRegression(C=0.1, max_iter=1000)
    made = EDMDClassifier(logistic, transfer_set=TransferSet(mirrored)).fit(X, Y)
    frozen = FrozenEstimator(clone(logistic).fit(X, Y))
    other = EDMDClassifier(frozen, transfer_set=TransferSet(mirrored)).fit(X, Y)
    assert_allclose(made.coef_, other.coef_, rtol=1e-10, atol=1e-12)


def test_the_lifter_is_fitted_on_the_real_rows():
    lifter = make_pipeline(StandardScaler(), MonomialLifter(2))
    model = EDMDClassifier(TEACHER, lifter=lifter, transfer_set=TransferSet(mirrored)).fit(X, Y)
    assert_allclose(model.lifter_[0].mean_, X.mean(axis=0))


def test_grid_search_makes_rows_of_the_training_folds_alone():
    seen = []

    def recorded(X):
        seen.append(X.copy())
        return X + 0.1

    lifter = make_pipeline(PCA(3, random_state=0), MonomialLifter(2))
    model = student(CLASSIFIERS[2], lifter=lifter, transfer_set=TransferSet(recorded))
    folds = KFold(3)
    search = GridSearchCV(
        model, {"transfer_set__n_copies": [1, 2], "soft_weight": [0.5, 1.0]}, cv=folds
    )
    search.fit(X, Y)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    training = {X[train].tobytes() for train, _ in folds.split(X)} | {X.tobytes()}
    assert {block.tobytes() for block in seen} == training


def test_none_is_in_a_grid():
    grid = {"transfer_set": [None, TWO_COPIES]}
    model = student(CLASSIFIERS[2], lifter=PCA(3))
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=3).fit(X, Y)
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 2


def test_clone_and_pickle():
    model = student(CLASSIFIERS[2], transfer_set=TransferSet(mirrored, n_copies=3))
    copy = clone(model)
    assert copy.transfer_set is not model.transfer_set
    assert copy.transfer_set.augment is mirrored
    assert copy.get_params()["transfer_set__n_copies"] == 3
    fitted = student(CLASSIFIERS[0], transfer_set=TransferSet(mirrored)).fit(X, Y)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def test_a_detached_student_needs_no_augmenter():
    fitted = student(CLASSIFIERS[0], transfer_set=TransferSet(lambda X: -X)).fit(X, Y)
    detached = detach_teacher(fitted)
    assert detached.transfer_set is None
    assert fitted.transfer_set is not None
    assert_array_equal(pickle.loads(pickle.dumps(detached)).predict(X), fitted.predict(X))


PCA_OF_X = PCA(5, svd_solver="covariance_eigh")


@both_classifiers
@pytest.mark.parametrize(
    ("steps", "lifter"),
    [
        ([PCA_OF_X, MonomialLifter(2)], None),
        ([PCA_OF_X], MonomialLifter(2)),
        ([StandardScaler(), PCA_OF_X, "passthrough"], MonomialLifter(2)),
        ([], make_pipeline(PCA_OF_X, MonomialLifter(2))),
    ],
    ids=["all steps", "the lifter inside", "a passage", "all inside"],
)
def test_in_a_pipeline_the_steps_need_not_be_moved(classifier, steps, lifter):
    inside = [*steps, *([] if lifter is None else [lifter])]
    expected = student(classifier, lifter=make_pipeline(*inside), transfer_set=TWO_COPIES)
    found = student(classifier, lifter=lifter, transfer_set=TWO_COPIES)
    pipeline = make_koopman_pipeline(*steps, found)
    expected.fit(X, Y)
    pipeline.fit(X, Y)
    assert_allclose(pipeline[-1].coef_, expected.coef_, rtol=1e-5, atol=1e-7)
    assert_allclose(pipeline.decision_function(X), expected.decision_function(X), atol=1e-6)


def test_steps_of_a_pipeline_with_a_memory_make_rows_too(tmp_path):
    steps = PCA_OF_X, MonomialLifter(2), student(CLASSIFIERS[0], transfer_set=TWO_COPIES)
    plain = make_koopman_pipeline(*map(clone, steps)).fit(X, Y)
    for _ in range(2):  # the second time from the cache
        cached = make_koopman_pipeline(*map(clone, steps), memory=str(tmp_path)).fit(X, Y)
        assert_allclose(cached[-1].coef_, plain[-1].coef_, rtol=1e-6, atol=1e-9)


def test_rows_of_data_frames_are_made_of_data_frames():
    frame = pandas.DataFrame(X, columns=[f"pixel {j}" for j in range(X.shape[1])])

    def shifted(block):
        assert list(block.columns) == list(frame.columns)
        return block + 0.1

    steps = [PCA(4, random_state=0), MonomialLifter(2)]
    of_frames = make_koopman_pipeline(
        *map(clone, steps), student(CLASSIFIERS[0], transfer_set=TransferSet(shifted))
    ).fit(frame, Y)
    of_arrays = make_koopman_pipeline(
        *map(clone, steps),
        student(CLASSIFIERS[0], transfer_set=TransferSet(lambda block: block + 0.1)),
    ).fit(X, Y)
    assert_allclose(of_frames[-1].coef_, of_arrays[-1].coef_)
    with pytest.raises(ValueError, match="returned a ndarray of shape"):
        of_frames.set_params(edmdclassifier__transfer_set=TransferSet(np.asarray)).fit(frame, Y)


@pytest.mark.filterwarnings("ignore:lbfgs stopped")
@both_classifiers
@pytest.mark.usefixtures("every_pass_lifts")  # few lifted rows would be kept
@pytest.mark.parametrize("reduces", [True, False])
def test_the_enlarged_set_is_never_in_memory(classifier, reduces):
    n_samples, n_features, n_copies = 2_500, 256, 20
    X = np.random.default_rng(0).normal(size=(n_samples, n_features)).astype(np.float32)
    y = (X[:, 0] > X[:, 1]).astype(int)
    lifter = make_pipeline(PCA(6, svd_solver="covariance_eigh"), MonomialLifter(2))
    model = student(
        classifier,
        teacher=lambda X: X[:, :2],
        teacher_output="logits",
        lifter=lifter if reduces else None,
        transfer_set=TransferSet(jitter, n_copies=n_copies),
    )
    if isinstance(model, KoopmanDistilledClassifier):
        model.set_params(max_iter=1)
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (n_copies + 1) * X.nbytes / 2


def test_rows_may_be_made_by_several_threads_at_once():
    rows = TWO_COPIES.enlarge(X)
    results = [None] * 4

    def read(i):
        results[i] = rows[:]

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert_array_equal(result, rows[:])


ERRORS = {
    "no augmenter": (TransferSet("shift"), "'augment' parameter of TransferSet"),
    "empty list": (TransferSet([]), "'augment' parameter of TransferSet"),
    "list with a number": (TransferSet([mirrored, 3]), "'augment' parameter of TransferSet"),
    "n_copies": (TransferSet(mirrored, n_copies=0), "'n_copies' parameter of TransferSet"),
    "keep_labels": (TransferSet(mirrored, keep_labels="yes"), "'keep_labels' parameter"),
    "input_shape": (
        TransferSet(mirrored, input_shape=(3, 3)),
        "has 9 numbers, but a row of X has 8",
    ),
    "input_shape 8": (TransferSet(mirrored, input_shape=8), "'input_shape' parameter"),
    "in place": (TransferSet(lambda X: np.multiply(X, 2, out=X)), "read-only"),
    "fewer rows": (TransferSet(lambda X: X[1:]), "make one row from each row"),
    "other columns": (
        TransferSet(lambda X: X[:, :3]),
        r"shape \(300, 3\) for one of .*\(300, 8\)",
    ),
    "NaN": (TransferSet(lambda X: X * np.nan), "returned NaN or infinity"),
}


@every_classifier
@pytest.mark.parametrize("case", ERRORS)
def test_errors(classifier, case):
    transfer_set, message = ERRORS[case]
    before = X.copy()
    with pytest.raises(ValueError, match=message):
        student(classifier, transfer_set=transfer_set).fit(X, Y)
    assert_array_equal(X, before)
    assert X.flags.writeable


@every_classifier
@pytest.mark.parametrize(
    "no_transfer_set", [mirrored, 3, TransferSet], ids=["function", "number", "class"]
)
def test_what_is_no_transfer_set(classifier, no_transfer_set):
    with pytest.raises(TypeError, match=r"is not a TransferSet: pass TransferSet\(augment\)"):
        student(classifier, transfer_set=no_transfer_set).fit(X, Y)


@every_classifier
def test_soft_labels_do_not_reach_rows_that_are_made(classifier):
    model = student(classifier, transfer_set=TWO_COPIES)
    with pytest.raises(ValueError, match="only a teacher can label"):
        model.fit(X, Y, soft_labels=TEACHER.logits(X))
    with pytest.raises(ValueError, match="into its lifter="):
        model.fit(X, Y, teacher_X=X.copy())
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    "model",
    [EDMDClassifier(), KoopmanDistilledClassifier(soft_weight=0.0)],
    ids=["edmd", "distilled"],
)
def test_rows_without_labels_and_without_a_teacher(model):
    with pytest.raises(ValueError, match="keep_labels=True"):
        student(model, transfer_set=TWO_COPIES).fit(X, Y)


def test_dask_arrays():
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="transfer_set takes no dask arrays"):
        student(CLASSIFIERS[0], transfer_set=TWO_COPIES).fit(da.from_array(X), Y)


def test_the_report_is_of_students_of_the_rows_themselves():
    model = student(CLASSIFIERS[2], transfer_set=TWO_COPIES)
    with pytest.raises(ValueError, match="transfer_set=None"):
        distillation_report(model, X, Y, X_test=X, y_test=Y)
