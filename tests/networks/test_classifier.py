"""The matrix of a span, and the parts of the network that stay as they were."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.kernel_approximation import Nystroem, RBFSampler  # noqa: E402
from sklearn.linear_model import LinearRegression, Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline, make_union  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    FunctionTransformer,
    PolynomialFeatures,
    StandardScaler,
)

from sklearn_koopman import MonomialLifter, OrthogonalPolynomialLifter, RBFLifter  # noqa: E402
from sklearn_koopman.networks import LinearizedNetworkClassifier  # noqa: E402
from sklearn_koopman.teachers import TorchTeacher  # noqa: E402

from ..teachers.helpers import Counting  # noqa: E402
from .helpers import (  # noqa: E402
    ConvolutionalNetwork,
    Transformer,
    labelled,
    nn,
    perceptron,
    seeded,
)

CONV_SHAPE = (1, 8, 8)
TOKEN_SHAPE = (5, 4)


@pytest.fixture
def net():
    return perceptron()


@pytest.fixture
def conv():
    """A convolutional network in double precision, with its batch norm in training mode."""
    module = seeded(ConvolutionalNetwork, CONV_SHAPE)
    module.norm.running_mean += 0.1
    module.norm.running_var *= 1.5
    return module.train()


@pytest.fixture
def transformer():
    return seeded(Transformer, TOKEN_SHAPE)


def activations(module, names, X):
    """Return the input of the first of some submodules and the output of the last, by hooks."""
    seen = {}
    first, last = (module.get_submodule(name) for name in names)
    hooks = [
        first.register_forward_pre_hook(lambda _, inputs: seen.update(a=inputs[0].clone())),
        last.register_forward_hook(lambda _, inputs, output: seen.update(b=output.clone())),
    ]
    flags = module.training
    with torch.no_grad():
        module.eval()(torch.as_tensor(X))
    module.train(flags)
    for hook in hooks:
        hook.remove()
    return seen["a"].flatten(1).numpy(), seen["b"].flatten(1).numpy()


def outputs(module, X):
    with torch.no_grad():
        return copy.deepcopy(module).eval()(torch.as_tensor(X)).numpy()


def affine_predictions(a, b):
    """Return the least-squares predictions of b from a, without directions that are rounding."""
    centred = a - a.mean(axis=0)
    coef, *_ = np.linalg.lstsq(centred, b - b.mean(axis=0), rcond=1e-10)
    return centred @ coef + b.mean(axis=0)


@pytest.mark.parametrize("names", [("1", "2"), ("1", "5"), ("0", "3")])
def test_affine_map_is_linear_regression(net, names):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, names, ridge=0.0).fit(X, y)
    a, b = activations(net, names, X)
    tail = net[int(names[1]) + 1 :]
    expected = outputs(tail, affine_predictions(a, b))
    assert_allclose(student.decision_function(X), expected, atol=1e-9)
    if names[0] == "0":  # the inputs of other spans have fewer degrees of freedom than columns
        (operator,) = student.operators_
        assert_allclose(operator.matrix, LinearRegression().fit(a, b).coef_, atol=1e-9)


def test_ridge_acts_on_standardised_observables(net):
    X, y = labelled(net, (6,))
    weight = np.random.default_rng(1).integers(0, 4, len(X)).astype(float)
    student = LinearizedNetworkClassifier(
        net, ("2", "3"), lifter=PolynomialFeatures(2), ridge=1e-2
    ).fit(X, y, sample_weight=weight)
    a, b = activations(net, ("2", "3"), X)
    repeated = np.repeat(np.arange(len(X)), weight.astype(int))
    lifted = make_pipeline(PolynomialFeatures(2), StandardScaler()).fit(a[repeated])
    expected = Ridge(alpha=1e-2 * weight.sum()).fit(lifted.transform(a), b, weight)
    tail = outputs(net[4:], expected.predict(lifted.transform(a)))
    assert_allclose(student.decision_function(X), tail, atol=1e-8)


def test_linear_spans_are_exact(net, conv, transformer):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, "2", ridge=0.0).fit(X, y)
    assert_allclose(student.decision_function(X), outputs(net, X), atol=1e-9)

    X, y = labelled(conv, CONV_SHAPE)
    for span in [("first", "norm"), "second"]:
        student = LinearizedNetworkClassifier(
            TorchTeacher(conv, input_shape=CONV_SHAPE),
            span,
            ridge=0.0,
            layout="channels_first",
            kernel_size=3,
        ).fit(X, y)
        logits = outputs(conv, X.reshape(-1, *CONV_SHAPE))
        assert_allclose(student.decision_function(X), logits, atol=1e-9)

    X, y = labelled(transformer, TOKEN_SHAPE)
    student = LinearizedNetworkClassifier(
        TorchTeacher(transformer, input_shape=TOKEN_SHAPE),
        ["blocks.0.up", "blocks.1.down"],
        ridge=0.0,
        layout="channels_last",
    ).fit(X, y)
    logits = outputs(transformer, X.reshape(-1, *TOKEN_SHAPE))
    assert_allclose(student.decision_function(X), logits, atol=1e-9)


def test_whole_map_of_a_convolution_is_linear_regression(conv):
    X, y = labelled(conv, CONV_SHAPE, n_rows=400)
    images = X.reshape(-1, *CONV_SHAPE)
    student = LinearizedNetworkClassifier(conv, ("norm", "second"), ridge=0.0).fit(images, y)
    a, b = activations(conv, ("norm", "second"), images)
    predicted = affine_predictions(a, b).reshape(-1, 4, 4, 4)
    with torch.no_grad():
        expected = conv.head(torch.relu(torch.from_numpy(predicted)).flatten(1))
    assert_allclose(student.decision_function(images), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("sizes", "kernel_size", "stride", "padding"),
    [
        ((8, 8), 3, 1, 1),
        ((8, 4), 3, 2, 1),
        ((28, 14), 6, 2, 2),
        ((14, 5), 6, 2, 0),
        ((14, 10), 5, 1, 0),
    ],
)
def test_stride_and_padding_of_patches_follow_from_the_maps(
    sizes, kernel_size, stride, padding
):
    """A convolution is linear in its own patches, and not in other ones."""

    def convolution():
        return torch.nn.Sequential(
            torch.nn.Conv2d(2, 3, kernel_size, stride, padding),
            torch.nn.Flatten(),
            torch.nn.Linear(3 * sizes[1] ** 2, 3),
        )

    shape = (2, sizes[0], sizes[0])
    net = seeded(convolution, shape)
    X, y = labelled(net, shape, n_rows=60)
    student = LinearizedNetworkClassifier(
        net, "0", ridge=0.0, layout="channels_first", kernel_size=kernel_size
    ).fit(X.reshape(-1, *shape), y)
    logits = outputs(net, X.reshape(-1, *shape))
    assert_allclose(student.decision_function(X.reshape(-1, *shape)), logits, atol=1e-9)


def test_attention_block(transformer):
    X, y = labelled(transformer, TOKEN_SHAPE, n_rows=1000)
    teacher = TorchTeacher(transformer, input_shape=TOKEN_SHAPE)
    perceptron_part = ("blocks.0.up", "blocks.0.down")
    for span, layout, lifter in [
        (perceptron_part, "channels_last", MonomialLifter(3)),
        ("blocks.1", "whole", make_pipeline(PCA(16, random_state=0), MonomialLifter(2))),
        (
            [perceptron_part, ("blocks.1.up", "blocks.1.down")],
            "channels_last",
            MonomialLifter(2),
        ),
    ]:
        student = LinearizedNetworkClassifier(teacher, span, layout=layout, lifter=lifter)
        affine = clone(student).set_params(lifter=None)
        logits = outputs(transformer, X.reshape(-1, *TOKEN_SHAPE))
        lifted_error, affine_error = (
            np.abs(each.fit(X, y).decision_function(X) - logits).mean()
            for each in (student, affine)
        )
        assert lifted_error < 0.9 * affine_error
        assert student.score(X, y) > 0.7


def test_second_span_is_fitted_behind_the_first(net):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, [("0", "1"), ("2", "3")], ridge=0.0).fit(X, y)
    a, b = activations(net, ("0", "1"), X)
    first = affine_predictions(a, b)
    _, d = activations(net, ("2", "3"), X)
    second = affine_predictions(first, d)
    assert_allclose(student.decision_function(X), outputs(net[4:], second), atol=1e-8)


def test_lifter_and_rank_of_each_span(net):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(
        net, ["1", "3"], lifter=[None, MonomialLifter(2)], rank=[None, 4]
    ).fit(X, y)
    assert [operator.coef.shape[0] for operator in student.operators_] == [12, 91]
    assert np.linalg.matrix_rank(student.operators_[1].coef) == 4
    assert np.linalg.matrix_rank(student.operators_[0].coef) == 12


def test_lifted_output_of_monomials_reads_the_linear_coordinates(net):
    X, y = labelled(net, (6,), n_rows=400)
    direct, operator = (
        LinearizedNetworkClassifier(
            net, ("1", "3"), lifter=MonomialLifter(2), ridge=1e-8, lift_output=lift_output
        ).fit(X, y)
        for lift_output in (False, True)
    )
    assert operator.operators_[0].coef.shape == (91, 91)
    assert direct.operators_[0].coef.shape == (91, 12)
    assert_allclose(operator.decision_function(X), direct.decision_function(X), atol=1e-4)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_rank_is_that_of_reduced_rank_regression(net, rank):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, ("3", "5"), rank=rank, ridge=0.0).fit(X, y)
    a, b = activations(net, ("3", "5"), X)
    fitted = affine_predictions(a, b)
    left, singular, right = np.linalg.svd(fitted - fitted.mean(0), full_matrices=False)
    best = (left[:, :rank] * singular[:rank]) @ right[:rank] + fitted.mean(0)
    assert_allclose(student.decision_function(X), outputs(net[6:], best), atol=1e-8)
    assert_allclose(
        student.operators_[0].singular_values, singular / np.sqrt(len(X)), atol=1e-8
    )
    matrices = [
        part for part in student.linearized_.koopman_0.modules() if isinstance(part, nn.Linear)
    ]
    expected = [(rank, 12), (8, rank)] if rank < 8 else [(8, 12)]
    assert [tuple(matrix.weight.shape) for matrix in matrices] == expected


def test_density_keeps_the_largest_entries(net):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, ("3", "5"), density=0.25).fit(X, y)
    whole = LinearizedNetworkClassifier(net, ("3", "5")).fit(X, y)
    pruned = student.linearized_.koopman_0.readout.weight.detach().numpy()
    full = whole.linearized_.koopman_0.readout.weight.detach().numpy()
    assert np.count_nonzero(pruned) == 24
    assert_allclose(pruned[pruned != 0], full[pruned != 0])
    size = np.abs(whole.operators_[0].coef.T)
    assert size[pruned != 0].min() >= size[pruned == 0].max()
    # the mean of the span's output stays the same
    a, b = activations(net, ("3", "5"), X)
    with torch.no_grad():
        predicted = student.linearized_.koopman_0(torch.from_numpy(a)).numpy()
    assert_allclose(predicted.mean(0), b.mean(0), atol=1e-10)


@pytest.mark.parametrize(
    "lifter",
    [
        MonomialLifter(3),
        PolynomialFeatures((0, 2), interaction_only=True),
        make_pipeline(StandardScaler(), PCA(5, whiten=True, random_state=0), MonomialLifter(2)),
        make_pipeline(StandardScaler(with_mean=False, with_std=False), MonomialLifter(2)),
        Nystroem(n_components=30, random_state=0),
        Nystroem(gamma=0.05, n_components=30, random_state=0),
        RBFSampler(n_components=40, random_state=0),
        OrthogonalPolynomialLifter(2, family="legendre"),
        make_union(MonomialLifter(2), RBFLifter(20, random_state=0)),
        FrozenEstimator(MonomialLifter(2).fit(np.zeros((1, 12)))),
    ],
    ids=repr,
)
def test_lifters_in_torch_are_those_of_scikit_learn(net, lifter):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, ("2", "3"), lifter=lifter, ridge=1e-4).fit(X, y)
    a, _ = activations(net, ("2", "3"), X)
    layer = student.linearized_.koopman_0
    assert_allclose(layer.lift(torch.from_numpy(a)), student.operators_[0].lifter.transform(a))
    module = student.to_module()
    assert_allclose(outputs(module, X), student.decision_function(X))


def test_any_transformer_lifts_but_is_not_exported(net):
    X, y = labelled(net, (6,))
    lifter = make_pipeline(FunctionTransformer(np.sinh), MonomialLifter(2))
    student = LinearizedNetworkClassifier(net, "1", lifter=lifter, ridge=1e-4).fit(X, y)
    assert student.score(X, y) > 0.9
    with pytest.raises(TypeError, match=r"(?s)to_module: lifter=.*no counterpart in torch"):
        student.to_module()
    kernel = Nystroem("laplacian", n_components=20, random_state=0)
    assert student.set_params(lifter=kernel).fit(X, y).score(X, y) > 0.7
    with pytest.raises(TypeError, match="no counterpart in torch"):
        student.to_module()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "rank"),
    [("perceptron", None), ("perceptron", 2), ("convolutional", 2), ("transformer", None)],
)
def test_to_module_is_exported_and_scripted(case, rank, net, conv, transformer):
    module, shape, span, settings = {
        "perceptron": (net, (6,), ("1", "3"), {}),
        "convolutional": (
            conv,
            CONV_SHAPE,
            "second",
            {"layout": "channels_first", "kernel_size": 3},
        ),
        "transformer": (
            transformer,
            TOKEN_SHAPE,
            ("blocks.0.up", "blocks.0.down"),
            {"layout": "channels_last"},
        ),
    }[case]
    X, y = labelled(module, shape)
    X = X.reshape(-1, *shape)
    lifter = make_pipeline(PCA(4, random_state=0), MonomialLifter(2))
    student = LinearizedNetworkClassifier(module, span, lifter=lifter, rank=rank, **settings)
    plain = student.fit(X, y).to_module()
    expected = student.decision_function(X)
    x = torch.from_numpy(X)
    assert not plain.training
    batch = torch.export.Dim("batch")
    exported = torch.export.export(plain, (x[:7],), dynamic_shapes=({0: batch},)).module()
    for each in (plain, exported, torch.jit.script(plain)):
        with torch.no_grad():
            assert_allclose(each(x), expected, atol=1e-12)


def test_what_to_module_gives_shares_nothing(net):
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, "1").fit(X, y)
    before = student.decision_function(X)
    plain = student.to_module()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.zero_()
    assert_array_equal(student.decision_function(X), before)


def test_module_is_neither_changed_nor_copied(conv):
    X, y = labelled(conv, CONV_SHAPE)
    state = copy.deepcopy(conv.state_dict())
    names = [name for name, _ in conv.named_modules()]
    random_state = torch.get_rng_state()
    student = LinearizedNetworkClassifier(
        TorchTeacher(conv, input_shape=CONV_SHAPE),
        [("first", "norm"), ("drop", "head")],
        layout="whole",
        epochs=2,
        random_state=0,
    ).fit(X, y)
    student.predict(X)
    student.to_module()
    assert_array_equal(torch.get_rng_state(), random_state)
    for name, value in conv.state_dict().items():
        assert_array_equal(value, state[name])
    assert conv.training
    assert conv.norm.training
    assert [name for name, _ in conv.named_modules()] == names
    assert all(parameter.grad is None for parameter in conv.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in conv.modules())
    assert student.linearized_.get_submodule("second") is conv.second


def test_clone_shares_the_module():
    Counting.reset()
    module = nn.Sequential(Counting(4, 5), nn.ReLU(), seeded(lambda: nn.Linear(5, 3), (5,)))
    module.float()
    student = LinearizedNetworkClassifier(module, "1")
    X, y = labelled(module, (4,), dtype=np.float32)
    assert clone(student).module is module
    assert clone(student.fit(X, y)).module is module
    search = GridSearchCV(
        student,
        {"span": ["1", ("0", "1")], "lifter": [None, MonomialLifter(2)], "rank": [None, 2]},
        cv=2,
    ).fit(X, y)
    assert search.best_score_ > 0.8
    assert Counting.n_copies == 0


def test_span_ends_at_the_input_and_at_the_output(net):
    X, y = labelled(net, (6,))
    for span in [("0", "1"), ("5", "6"), ("0", "6")]:
        student = LinearizedNetworkClassifier(net, span, lifter=MonomialLifter(3), ridge=1e-5)
        assert student.fit(X, y).score(X, y) > 0.9


class Skipping(nn.Module):
    """Sends an inner activation past the end of a span, and computes in place."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 8)
        self.relu = nn.ReLU(inplace=True)
        self.b = nn.Linear(8, 8)
        self.c = nn.Linear(8, 8)
        self.d = nn.Linear(8, 3)

    def forward(self, x):
        h = self.relu(self.a(x))
        inner = self.b(h)
        outer = self.c(torch.tanh(inner))
        return self.d(outer.mul_(2.0) + inner)


def test_what_leaves_a_span_sideways_is_still_computed():
    net = seeded(Skipping)
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, ("b", "c"), ridge=0.0).fit(X, y)
    a, b = activations(net, ("b", "c"), X)
    predicted = LinearRegression().fit(a, b).predict(a)
    with torch.no_grad():
        inner = net.b(torch.from_numpy(a))
        expected = net.d(2.0 * torch.from_numpy(predicted) + inner)
    assert_allclose(student.decision_function(X), expected, atol=1e-9)
    calls = [
        node.target for node in student.linearized_.graph.nodes if node.op == "call_module"
    ]
    assert calls == ["a", "relu", "b", "koopman_0", "d"]


def test_activations_are_recorded_before_a_layer_works_in_place():
    net = seeded(Skipping)
    X, y = labelled(net, (6,))
    student = LinearizedNetworkClassifier(net, "relu", ridge=0.0).fit(X, y)
    a = X @ net.a.weight.detach().numpy().T + net.a.bias.detach().numpy()
    predicted = torch.from_numpy(affine_predictions(a, np.maximum(a, 0.0)))
    with torch.no_grad():
        inner = net.b(predicted)
        expected = net.d(2.0 * net.c(torch.tanh(inner)) + inner)
    assert_allclose(student.decision_function(X), expected, atol=1e-9)


def test_several_spans_of_a_network_that_works_in_place_on_its_input():
    plain = seeded(lambda: nn.Sequential(nn.ReLU(), *perceptron().float()))
    in_place = nn.Sequential(nn.ReLU(inplace=True), *plain[1:])
    X, y = labelled(plain, (6,))
    expected, found = (
        LinearizedNetworkClassifier(net, ["2", "4"]).fit(X, y).decision_function(X)
        for net in (plain, in_place)
    )
    assert_array_equal(found, expected)


def test_float32_stays_float32():
    net = perceptron().float()
    X, y = labelled(net, (6,), dtype=np.float32)
    student = LinearizedNetworkClassifier(net, ("1", "3"), lifter=MonomialLifter(2)).fit(X, y)
    assert student.decision_function(X).dtype == np.float32
    assert student.predict_proba(X.astype(np.float64)).dtype == np.float32
    double = LinearizedNetworkClassifier(
        copy.deepcopy(net).double(), ("1", "3"), lifter=MonomialLifter(2)
    ).fit(X, y)
    assert_allclose(student.decision_function(X), double.decision_function(X), atol=2e-4)


def test_pickle(net):
    X, y = labelled(net, (6,))
    lifter = make_pipeline(PCA(4, random_state=0), MonomialLifter(2))
    student = LinearizedNetworkClassifier(net, ("1", "3"), lifter=lifter, rank=3).fit(X, y)
    loaded = pickle.loads(pickle.dumps(student))
    assert_array_equal(loaded.decision_function(X), student.decision_function(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_multi_layer_perceptron_of_scikit_learn(n_classes):
    X = np.random.default_rng(0).normal(size=(300, 5))
    y = np.array(["cat", "dog", "eel"])[
        (X[:, 0] > 0).astype(int) + (X[:, 1] > 0) * (n_classes - 2)
    ]
    net = MLPClassifier((10, 6), solver="lbfgs", max_iter=30, random_state=0)
    student = LinearizedNetworkClassifier(net, "linear1", ridge=0.0)
    student.fit(X, y)  # a linear span changes nothing
    fitted = clone(net).fit(X, y)
    assert_allclose(student.predict_proba(X), fitted.predict_proba(X), atol=1e-9)
    assert_array_equal(student.predict(X), fitted.predict(X))
    assert not hasattr(net, "coefs_")
    frozen = LinearizedNetworkClassifier(FrozenEstimator(fitted), "linear1", ridge=0.0)
    assert_allclose(frozen.fit(X, y).predict_proba(X), fitted.predict_proba(X), atol=1e-9)


def test_skorch_net():
    X, y = labelled(seeded(lambda: nn.Linear(4, 3), (4,)), (4,), dtype=np.float32)
    skorch = pytest.importorskip("skorch")
    module = seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), (4,))
    net = skorch.NeuralNetClassifier(
        module.float(),
        criterion=nn.CrossEntropyLoss,
        max_epochs=30,
        lr=0.1,
        train_split=None,
        verbose=0,
    )
    names = np.array(["x", "y", "z"])
    student = LinearizedNetworkClassifier(net, ("0", "1"), lifter=MonomialLifter(2))
    student.fit(X, names[y])
    assert student.score(X, names[y]) > 0.8
    assert_array_equal(student.classes_, names)


def test_columns_follow_the_classes_of_the_teacher(net):
    X, y = labelled(net, (6,))
    names = np.array(["b", "c", "a"])
    student = LinearizedNetworkClassifier(TorchTeacher(net, classes=names), "2", ridge=0.0)
    student.fit(X, names[y])
    assert_array_equal(student.classes_, ["a", "b", "c"])
    assert_array_equal(student.predict(X), names[y])
    logits = outputs(net, X)
    assert_allclose(student.decision_function(X), logits[:, [2, 0, 1]], atol=1e-9)


def test_networks_that_give_probabilities():
    softmax = nn.Sequential(*perceptron(), nn.Softmax(dim=1))
    sigmoid = nn.Sequential(*perceptron(n_columns=1), nn.Sigmoid())
    X, y = labelled(softmax, (6,))
    student = LinearizedNetworkClassifier(softmax, "2", ridge=0.0).fit(X, y)
    assert_allclose(student.predict_proba(X), outputs(softmax, X), atol=1e-9)
    assert_array_equal(student.predict(X), y)
    probability = outputs(sigmoid, X)[:, 0]
    y = (probability > 0.5).astype(int)
    teacher = TorchTeacher(sigmoid, output="proba")
    student = LinearizedNetworkClassifier(teacher, "2", ridge=0.0).fit(X, y)
    assert_allclose(student.predict_proba(X)[:, 1], probability, atol=1e-9)
    assert_array_equal(student.predict(X), y)
    logit = LinearizedNetworkClassifier(sigmoid[:-1], "2", ridge=0.0).fit(X, y)
    assert_allclose(logit.decision_function(X), student.decision_function(X), atol=1e-9)
    # if the softmax is inside the span, rows need not sum to 1
    last = LinearizedNetworkClassifier(softmax, ("5", "7"), lifter=MonomialLifter(2))
    proba = last.fit(*labelled(softmax, (6,))).predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1.0)


def test_dependent_observables_need_no_ridge(net):
    X, y = labelled(net, (6,))
    twice = FunctionTransformer(lambda a: np.hstack([a, a]))
    student = LinearizedNetworkClassifier(net, ("1", "2"), lifter=twice, ridge=0.0).fit(X, y)
    once = LinearizedNetworkClassifier(net, ("1", "2"), ridge=0.0).fit(X, y)
    assert_allclose(student.decision_function(X), once.decision_function(X), atol=1e-8)


@pytest.mark.parametrize("classes", [None, ["cat", "dog", "eel"]])
def test_labels_are_not_needed(net, classes):
    """Training uses only the network's outputs, as with soft_weight=1."""
    X, y = labelled(net, (6,), n_rows=60)
    names = y if classes is None else np.array(classes)[y]
    settings = {"epochs": 2, "random_state": 0}
    teacher = TorchTeacher(net, classes=classes)
    student = LinearizedNetworkClassifier(teacher, "1", **settings).fit(X)
    alone = LinearizedNetworkClassifier(teacher, "1", **settings, soft_weight=1.0).fit(X, names)
    assert_array_equal(student.classes_, [0, 1, 2] if classes is None else classes)
    assert_allclose(student.decision_function(X), alone.decision_function(X))
    with pytest.raises(ValueError, match="soft_weight=0 learns from labels alone"):
        LinearizedNetworkClassifier(net, "1", **settings, soft_weight=0).fit(X)


def test_a_network_that_must_be_fitted_needs_labels():
    X = np.random.default_rng(0).normal(size=(20, 6))
    student = LinearizedNetworkClassifier(MLPClassifier(4), "activation0")
    with pytest.raises(ValueError, match="requires y to be passed"):
        student.fit(X)


def test_whole_numbers_are_cast_batch_by_batch(tmp_path, conv):
    """A fit never holds all bytes of a file as floats."""
    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", mode="w+", dtype="u1", shape=(40, *CONV_SHAPE)
    )
    X[:] = np.random.default_rng(0).integers(0, 4, size=X.shape)
    y = np.arange(40) % 3
    network = TorchTeacher(conv, batch_size=10)
    student, expected = (
        LinearizedNetworkClassifier(network, "first").fit(rows, y)
        for rows in (X, X.astype(float))
    )
    assert_array_equal(
        student.decision_function(X), expected.decision_function(X.astype(float))
    )
