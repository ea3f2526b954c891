import pickle

import numpy as np
import onnx
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier
from sklearn_koopman.teachers import OnnxTeacher, as_teacher

X, y = load_iris(return_X_y=True)
LOGISTIC = LogisticRegression(max_iter=1000).fit(X, y)
MODEL = skl2onnx.to_onnx(
    LOGISTIC, X[:1].astype(np.float32), options={"zipmap": False}, target_opset=18
)
P = LOGISTIC.predict_proba(X)


def dense(shape, *, dtype=TensorProto.FLOAT, n_inputs=1):
    """Return a model that flattens its input and keeps the first three columns."""
    matrix = np.eye(4, 3, dtype=helper.tensor_dtype_to_np_dtype(dtype))
    inputs = [
        helper.make_tensor_value_info(f"x{i}", dtype, [None, *shape]) for i in range(n_inputs)
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x0"], ["flat"]),
            helper.make_node("MatMul", ["flat", "K"], ["logits"]),
        ],
        "dense",
        inputs,
        [helper.make_tensor_value_info("logits", dtype, [None, 3])],
        [numpy_helper.from_array(matrix, "K")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture(params=["path", "text", "bytes", "model"])
def given(request, tmp_path):
    file = tmp_path / "net.onnx"
    onnx.save(MODEL, file)
    return {
        "path": file,
        "text": str(file),
        "bytes": MODEL.SerializeToString(),
        "model": MODEL,
    }[request.param]


def test_probabilities_whatever_the_model_comes_in(given):
    teacher = OnnxTeacher(given, batch_size=7)
    assert_allclose(teacher(X), P, atol=1e-5)
    assert clone(teacher) is teacher
    restored = pickle.loads(pickle.dumps(teacher))
    assert_array_equal(restored(X), teacher(X))


def test_as_teacher_takes_files_and_models(tmp_path):
    file = tmp_path / "net.onnx"
    onnx.save(MODEL, file)
    for given in (file, str(file), MODEL):
        teacher = as_teacher(given, classes=["a", "b", "c"])
        assert isinstance(teacher, OnnxTeacher)
        assert_allclose(teacher(X), P, atol=1e-5)
        assert list(teacher.classes_) == ["a", "b", "c"]
    assert repr(as_teacher(file)) == f"OnnxTeacher({str(file)!r})"


@pytest.mark.parametrize("kind", [EDMDClassifier, KoopmanDistilledClassifier])
def test_a_student_learns_from_a_file(kind, tmp_path):
    file = tmp_path / "net.onnx"
    onnx.save(MODEL, file)
    student = clone(kind(str(file))).fit(X, y)
    reference = kind(lambda rows: P).fit(X, y)
    assert_allclose(student.coef_, reference.coef_, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_shape_and_dtype_are_those_of_the_model(dtype):
    model = dense((1, 2, 2), dtype=dtype)
    found = OnnxTeacher(model)(X)
    assert found.dtype == helper.tensor_dtype_to_np_dtype(dtype)
    assert_allclose(found, X[:, :3], rtol=1e-6)
    assert OnnxTeacher(model)(X[:0]).shape == (0, 3)
    open_shape = dense(("height", 2))
    assert_allclose(OnnxTeacher(open_shape, input_shape=(2, 2))(X), X[:, :3], rtol=1e-6)
    with pytest.raises(ValueError, match=r"OnnxTeacher\(ModelProto\) failed on input of shape"):
        OnnxTeacher(open_shape)(X)


def test_outputs():
    with pytest.raises(ValueError, match=r"output_name='label' must name an output that is an"):
        OnnxTeacher(MODEL, output_name="label")(X)
    assert_allclose(OnnxTeacher(MODEL, output_name="probabilities")(X), P, atol=1e-5)
    with_maps = skl2onnx.to_onnx(LOGISTIC, X[:1].astype(np.float32), target_opset=18)
    with pytest.raises(ValueError, match=r"options=\{'zipmap': False\}"):
        OnnxTeacher(with_maps)(X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size=0: must be an int >= 1"),
        ({"output": "odds"}, "output='odds': must be"),
        ({"input_shape": (0, 4)}, r"input_shape=\(0, 4\): must be None or a tuple of ints"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        OnnxTeacher(MODEL, **settings)(X)


def test_errors(without):
    with pytest.raises(FileNotFoundError, match=r"missing\.onnx"):
        as_teacher("missing.onnx")(X)
    with pytest.raises(ValueError, match="has the inputs \\['x0', 'x1'\\], not one"):
        OnnxTeacher(dense((4,), n_inputs=2))(X)
    with pytest.raises(ValueError, match=r"input 'x0' is a tensor\(float16\)"):
        OnnxTeacher(dense((4,), dtype=TensorProto.FLOAT16))(X)
    without("onnxruntime")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[onnx\]"):
        OnnxTeacher(MODEL)(X)
