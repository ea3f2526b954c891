import pickle
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import PolynomialFeatures

from sklearn_koopman.linear import (
    BatchIterator,
    BatchLoss,
    ProblemRows,
    train_minibatches,
)
from sklearn_koopman.solvers import (
    DistillationProblem,
    RowBlocks,
    Scale,
    minimise,
)

from ..rows.helpers import as_codes

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

N_SAMPLES, N_CLASSES = 300, 3
LIFT = PolynomialFeatures(2).fit(np.zeros((1, 3))).transform  # its first column is constant
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N_SAMPLES, 3))
SOFT_LOGITS = LIFT(X) @ RNG.normal(size=(10, N_CLASSES))
LABELS = np.argmax(SOFT_LOGITS + RNG.normal(size=SOFT_LOGITS.shape), axis=1)
ONE_HOT = np.eye(N_CLASSES)[LABELS]


def make_problem(
    X=X, one_hot=ONE_HOT, *, lift=LIFT, soft_weight=0.5, temperature=2.0, ridge=1e-2
):
    psi = LIFT(np.asarray(X))
    weight = np.linspace(0.5, 1.5, len(X))
    mean = np.average(psi, axis=0, weights=weight)
    variance = np.average((psi - mean) ** 2, axis=0, weights=weight)
    return DistillationProblem(
        RowBlocks(X, lift, n_observables=psi.shape[1]),
        Scale.from_scatter(mean, variance),
        as_codes(one_hot),
        SOFT_LOGITS[: len(X)],
        weight,
        n_classes=N_CLASSES,
        soft_weight=soft_weight,
        temperature=temperature,
        ridge=ridge,
    )


def start():
    return np.zeros((10, N_CLASSES)), np.zeros(N_CLASSES)


def train(problem=None, coef=None, intercept=None, **kwargs):
    zeros = start()
    settings = {"max_epochs": 3, "batch_size": 64, "learning_rate": 0.05, "random_state": 0}
    return train_minibatches(
        problem or make_problem(),
        zeros[0] if coef is None else coef,
        zeros[1] if intercept is None else intercept,
        **(settings | kwargs),
    )


def unlabelled():
    one_hot = ONE_HOT.copy()
    one_hot[::3] = 0.0
    return one_hot


PROBLEMS = {
    "both": {},
    "hard": {"soft_weight": 0.0},
    "soft": {"soft_weight": 1.0},
    "one temperature": {"temperature": 1.0},
    "unlabelled rows": {"one_hot": unlabelled()},
    "no labels": {"one_hot": np.zeros_like(ONE_HOT), "soft_weight": 1.0},
}


@pytest.fixture(params=PROBLEMS.values(), ids=PROBLEMS.keys())
def problem(request):
    return make_problem(**request.param)


class Recorder(skorch.callbacks.Callback):
    """Counts the events of a training."""

    def __init__(self):
        self.n_trainings = self.n_epochs = self.n_batches = 0

    def on_train_begin(self, net, **kwargs):
        self.n_trainings += 1

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1

    def on_batch_end(self, net, **kwargs):
        self.n_batches += 1


class Steps(skorch.callbacks.Callback):
    """Keeps the learning rates, and the gradient of the last batch."""

    def __init__(self):
        self.rates = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.gradients = {name: p.grad.numpy().copy() for name, p in named_parameters}
        self.rates.append(net.optimizer_.param_groups[0]["lr"])


# The loss


def test_value_and_gradient_on_all_rows_are_those_of_the_problem(problem):
    coef, intercept = RNG.normal(size=(10, N_CLASSES)), RNG.normal(size=N_CLASSES)
    coef[0] = 0.0
    value, coef_gradient, intercept_gradient = problem(coef, intercept)
    steps = Steps()
    *_, net = train(
        problem, coef, intercept, max_epochs=1, batch_size=N_SAMPLES, callbacks=[steps]
    )
    assert_allclose(net.history[0, "train_loss"], value, rtol=1e-5)
    assert_allclose(steps.gradients["weight"].T, coef_gradient, rtol=1e-4, atol=1e-6)
    assert_allclose(steps.gradients["bias"], intercept_gradient, rtol=1e-4, atol=1e-6)


def test_batches_average_to_the_loss(problem):
    coef, intercept = RNG.normal(size=(10, N_CLASSES)), RNG.normal(size=N_CLASSES)
    coef[0] = 0.0
    loss = BatchLoss(problem.loss, problem.ridge, problem.constant)
    values = []
    for phi, targets in BatchIterator(ProblemRows(problem), 60, random_state=0):
        logits = phi @ coef + intercept
        values.append(float(loss(*map(torch.as_tensor, (logits, targets, coef)))))
    assert_allclose(np.mean(values), problem(coef, intercept)[0], rtol=1e-5)


def test_reaches_the_optimum(problem):
    exact = minimise(problem, *start(), max_iter=500, tol=1e-8)
    coef, intercept, net = train(problem, max_epochs=20, learning_rate=0.2)
    objective = problem(coef, intercept)[0]
    assert exact.objective <= objective <= 1.01 * exact.objective
    # The printed value is the same quantity, while the weights still move.
    assert_allclose(net.history[-1, "train_loss"], objective, rtol=0.02)


def test_output():
    coef, intercept, net = train(coef=np.ones((10, N_CLASSES)))
    assert coef.dtype == intercept.dtype == np.float64
    assert (coef.shape, intercept.shape) == ((10, N_CLASSES), (N_CLASSES,))
    assert_array_equal(coef[0], 0.0)
    assert np.all(coef[1:] != 0.0)
    before = coef.copy()
    with torch.no_grad():
        net.module_.weight.fill_(0.0)
    assert_array_equal(coef, before)


def test_the_start_is_not_changed():
    coef, intercept = np.ones((10, N_CLASSES)), np.ones(N_CLASSES)
    train(coef=coef, intercept=intercept)
    assert_array_equal(coef, 1.0)
    assert_array_equal(intercept, 1.0)


def test_a_good_start_stays_one():
    coef, intercept, _ = train(max_epochs=20)
    again, _, net = train(coef=coef, intercept=intercept, learning_rate=1e-6, max_epochs=1)
    assert_allclose(again, coef, atol=1e-4)
    assert_allclose(net.history[0, "train_loss"], make_problem()(coef, intercept)[0], rtol=1e-3)


def test_divergence_is_refused():
    with pytest.raises(ValueError, match=r"learning_rate=1e\+30.*diverged"):
        train(learning_rate=1e30)


# Randomness


def test_the_seed_decides_every_bit():
    first, second, other = (train(random_state=seed) for seed in (0, 0, 1))
    assert_array_equal(first[0], second[0])
    assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("random_state", [0, np.random.RandomState(0)])
def test_global_generators_are_left_alone(random_state):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    train(random_state=random_state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002


def test_a_random_state_is_advanced():
    random_state = np.random.RandomState(0)
    first, second = train(random_state=random_state), train(random_state=random_state)
    assert not np.array_equal(first[0], second[0])


# Batches


def test_every_epoch_sees_every_row_once_in_a_new_order():
    problem = make_problem(np.arange(30.0)[:, None] + np.zeros(3), ONE_HOT[:30], lift=None)
    problem.scale = Scale(np.zeros(3), np.ones(3), np.zeros(3, dtype=bool))
    batches = BatchIterator(ProblemRows(problem), 8, random_state=0)
    epochs = [[phi[:, 0] for phi, _ in batches] for _ in range(2)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [8, 8, 7, 7]
        assert len(epoch) == len(batches)
        assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(30))
        assert all(np.all(np.diff(batch) > 0) for batch in epoch)
    assert not np.array_equal(epochs[0][0], epochs[1][0])


def test_without_a_seed_rows_keep_their_order():
    problem = make_problem()
    batches = list(BatchIterator(ProblemRows(problem), 100))
    scaled = (LIFT(X) - problem.scale.mean) / problem.scale.deviation
    scaled[:, problem.scale.constant] = 0.0
    assert_allclose(np.concatenate([phi for phi, _ in batches]), scaled, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 64, 299, 300, 1000])
def test_no_more_rows_are_lifted_than_a_batch_has(batch_size):
    sizes = []

    def lift(rows):
        sizes.append(len(rows))
        return LIFT(rows)

    problem = make_problem(lift=lift)
    sizes.clear()
    *_, net = train(problem, batch_size=batch_size, max_epochs=1)
    assert max(sizes) <= batch_size
    assert sum(sizes) == N_SAMPLES
    assert net.history[0, "train_batch_count"] == len(sizes) == -(-N_SAMPLES // batch_size)


def test_memmap(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    coef, *_ = train(make_problem(np.load(path, mmap_mode="r")))
    assert_array_equal(coef, train()[0])


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_dtypes_of_lifted_rows(dtype):
    rows = (LIFT(X) * 3).clip(0, 9).astype(dtype)
    problem = make_problem(lift=None)
    problem.blocks = RowBlocks(rows)
    wide = make_problem(lift=None)
    wide.blocks = RowBlocks(rows.astype(np.float64))
    assert_allclose(train(problem)[0], train(wide)[0], rtol=1e-5)


# skorch


def test_callbacks_are_called():
    recorder = Recorder()
    *_, net = train(callbacks=[recorder])
    assert (recorder.n_trainings, recorder.n_epochs, recorder.n_batches) == (1, 3, 15)
    assert [epoch["epoch"] for epoch in net.history] == [1, 2, 3]


def accuracy(net, rows, y):
    return float(np.mean(net.predict(rows).argmax(axis=1) == y[:, 0]))


def n_rows(net, rows, y=None):
    return len(net.predict(rows))


def test_checkpoint_early_stopping_and_scoring(tmp_path):
    torch_state = torch.get_rng_state()
    callbacks = [
        skorch.callbacks.EpochScoring(accuracy, on_train=True, name="accuracy"),
        skorch.callbacks.EpochScoring(n_rows, on_train=True, use_caching=False, name="rows"),
        skorch.callbacks.Checkpoint(
            monitor="train_loss_best", dirname=tmp_path, f_pickle="net.pkl", load_best=True
        ),
        skorch.callbacks.EarlyStopping(monitor="train_loss", patience=2, threshold=0.1),
    ]
    coef, _, net = train(callbacks=callbacks, max_epochs=50)
    assert len(net.history) < 50
    assert net.history[-1, "accuracy"] > 0.6
    assert net.history[-1, "rows"] == N_SAMPLES
    best = torch.load(tmp_path / "params.pt", weights_only=True)
    assert_array_equal(coef, best["weight"].numpy().T)
    assert (tmp_path / "net.pkl").exists()
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_progress_bar(capsys):
    train(callbacks=[skorch.callbacks.ProgressBar()])
    assert "0/5" in capsys.readouterr().err


def test_verbose_prints_the_table(capsys):
    train()
    assert capsys.readouterr().out == ""
    train(verbose=2)
    printed = capsys.readouterr().out
    assert "train_loss" in printed
    assert "Re-initializing" not in printed


def test_annealing():
    annealed, constant = Steps(), Steps()
    train(callbacks=[annealed])
    train(callbacks=[constant], anneal=False)
    expected = 0.05 * (1 + np.cos(np.pi * np.arange(15) / 15)) / 2
    assert_allclose(annealed.rates, expected)
    assert_allclose(constant.rates, 0.05)


# Going on


def test_continuing_a_net_is_one_training():
    """Without shuffling, two epochs and two more equal four."""
    settings = {"anneal": False, "batch_size": N_SAMPLES}
    whole = train(max_epochs=4, **settings)
    coef, intercept, net = train(max_epochs=2, **settings)
    assert train(coef=coef, intercept=intercept, max_epochs=2, **settings)[2] is not net
    coef, intercept, same = train(
        coef=coef, intercept=intercept, net=net, max_epochs=2, **settings
    )
    assert same is net
    assert len(net.history) == 4
    assert_array_equal(coef, whole[0])
    assert_array_equal(intercept, whole[1])


def test_continuing_anneals_anew_with_the_new_settings():
    coef, intercept, net = train()
    steps = Steps()
    train(
        make_problem(X[:100], ONE_HOT[:100], temperature=1.0),
        coef,
        intercept,
        net=net,
        learning_rate=0.01,
        max_epochs=2,
        batch_size=25,
        callbacks=[steps],
    )
    assert_allclose(steps.rates, 0.01 * (1 + np.cos(np.pi * np.arange(8) / 8)) / 2)
    assert net.batch_loss.loss.temperature == 1.0
    assert net.history[-1, "train_batch_count"] == 4


def test_continuing_with_another_row_count_has_the_loss_of_its_rows():
    coef, intercept, net = train(max_epochs=10)
    few = make_problem(X[:50], ONE_HOT[:50])
    *_, net = train(
        few, coef, intercept, net=net, max_epochs=1, batch_size=50, learning_rate=0.01
    )
    assert_allclose(net.history[-1, "train_loss"], few(coef, intercept)[0], rtol=1e-5)


def test_continuing_with_other_shapes_is_refused():
    *_, net = train()
    with pytest.raises(ValueError, match=r"10 observables to 3 classes.*\(10, 2\)"):
        train(coef=np.zeros((10, 2)), intercept=np.zeros(2), net=net)


@pytest.mark.parametrize("copy", [deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copied_net_goes_on_like_the_original(copy):
    coef, intercept, net = train()
    twin = copy(net)
    first, second = (
        train(coef=coef, intercept=intercept, net=each, random_state=1) for each in (net, twin)
    )
    assert_array_equal(first[0], second[0])
    assert len(twin.history) == 6


def test_a_pickle_of_the_net_holds_no_rows():
    content = pickle.dumps(train()[2])
    assert b"DistillationNet" in content
    assert b"ProblemRows" not in content
    assert b"DistillationProblem" not in content


# Missing packages


@pytest.mark.parametrize("device", ["cuda:99", "nowhere", "meta"])
def test_unavailable_device(device):
    with pytest.raises(ValueError, match=rf"device='{device}'.*available: cpu"):
        train(device=device)


@pytest.mark.parametrize("device", [None, "cpu", torch.device("cpu")])
def test_devices(device):
    *_, net = train(device=device)
    assert net.device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu():
    coef, intercept, net = train(device="cuda")
    assert net.module_.weight.is_cuda
    expected = train()
    assert_allclose(coef, expected[0], atol=1e-3)
    assert_allclose(intercept, expected[1], atol=1e-3)


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_missing_package(without, package):
    without(package)
    with pytest.raises(ImportError, match=r'pip install "sklearn-koopman\[torch\]"') as error:
        train()
    assert error.value.name == package


def test_importing_the_solvers_imports_neither_torch_nor_skorch():
    code = (
        "import sys, sklearn_koopman.linear; "
        "sys.exit(bool({'torch', 'skorch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_pickle_finds_the_class_of_the_net_in_its_module():
    *_, net = train()
    module = sys.modules[type(net).__module__]
    assert module.DistillationNet is type(net)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing
