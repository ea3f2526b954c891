"""Multiplications of ONNX models against those of the same models in other forms."""

import numpy as np
import onnx
import pytest
import skl2onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import KoopmanDistilledClassifier
from sklearn_koopman.inspection import UncountableError, cost, distillation_report
from sklearn_koopman.teachers import OnnxTeacher

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def converted(model, **settings):
    options = {"zipmap": False}
    return skl2onnx.to_onnx(model.fit(X, y), X[:1], options=options, **settings)


def model_of(nodes, shape, weights, *, batch="n", output=(None, None)):
    """Return a model with the input x and the output of the last node."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value.astype(np.float32), k) for k, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def convolutional(batch="n"):
    rng = np.random.default_rng(0)
    weights = {"F": rng.normal(size=(6, 1, 3, 3)), "G": rng.normal(size=(6, 3, 3, 3))}
    weights["W"], weights["b"] = rng.normal(size=(10, 24)), np.zeros(10)
    return model_of(
        [
            helper.make_node("Conv", ["x", "F"], ["a"]),
            helper.make_node("Relu", ["a"], ["b0"]),
            helper.make_node("Conv", ["b0", "G"], ["c"], strides=[2, 2], group=2),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "W", "b"], ["e"], transB=1),
        ],
        (1, 8, 8),
        weights,
        batch=batch,
    )


@pytest.mark.parametrize("batch", ["n", 1, 5])
def test_convolutions_are_counted_as_in_torch(batch, tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, stride=2, groups=2, bias=False),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    row = np.zeros((1, 64), np.float32)
    expected = cost(net, row.reshape(1, 1, 8, 8), n_repeats=1)
    model, file = convolutional(batch), tmp_path / "net.onnx"
    onnx.save(model, file)
    for given in (model, OnnxTeacher(model), file, str(file)):
        found = cost(given, row, n_repeats=1)
        assert (found.linear, found.nonlinear) == (expected.linear, 0)
        assert (found.parameters, found.bytes) == (expected.parameters, expected.bytes)


@pytest.mark.parametrize("model", [LogisticRegression(), MLPClassifier((5, 7), max_iter=9)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_linear_models_and_perceptrons(model):
    found = cost(converted(model), X[:1], n_repeats=1)
    expected = cost(model, X[:1], n_repeats=1)
    assert (found.parameters, found.linear) == (expected.parameters, expected.linear)


def test_trees_multiply_nothing():
    forest = RandomForestClassifier(3, random_state=0)
    found = cost(converted(forest), X[:1], n_repeats=1)
    assert found.multiplications == 0
    assert found.parameters > sum(tree.tree_.node_count for tree in forest.estimators_)


def test_products_of_variables_are_nonlinear():
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["scores"]),
        helper.make_node("Flatten", ["scores"], ["out"]),
    ]
    found = cost(model_of(nodes, (3, 4), {}), np.ones((1, 12), np.float32), n_repeats=1)
    assert (found.linear, found.nonlinear) == (0, 3 * 4 * 3)


def test_what_is_not_known_has_a_reason():
    with pytest.raises(UncountableError, match="no matrix product, convolution or trees"):
        cost(converted(GaussianNB()), X[:1])
    nodes = [helper.make_node("Einsum", ["x", "W"], ["y"], equation="ni,ij->nj")]
    with pytest.raises(UncountableError, match="a node Einsum of an ONNX model are not known"):
        cost(model_of(nodes, (4,), {"W": np.eye(4)}), X[:1])
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["t"]),
        helper.make_node("MatMul", ["t", "W"], ["y"]),
    ]
    with pytest.raises(UncountableError, match=r"MatMul.*does not state the shape of 't'"):
        cost(model_of(nodes, (4,), {"W": np.eye(2)}), X[:1])


def test_the_report_counts_a_file():
    model = converted(LogisticRegression(), target_opset=18)
    student = KoopmanDistilledClassifier(model)
    report = distillation_report(student, X, y, X_test=X, y_test=y)
    assert report.rows[0].multiplications == 12
    assert "n/a" not in str(report)
    student.set_params(teacher=converted(GaussianNB(), target_opset=18))
    report = distillation_report(student, X, y, X_test=X, y_test=y)
    assert report.rows[0].multiplications is None
    assert "n/a: The ONNX model has no matrix product" in str(report)
