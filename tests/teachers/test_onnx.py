import pickle
import warnings

import numpy as np
import onnx
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

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
    message = r"samples of shape \(height, 2\).*rows are flat.*input_shape=\(2, 2\)\)"
    with pytest.raises(ValueError, match=message):
        OnnxTeacher(open_shape)(X)
    assert_allclose(OnnxTeacher(open_shape)(X.reshape(-1, 2, 2)), X[:, :3], rtol=1e-6)
    for teacher, wanted in (
        (OnnxTeacher(model), r"a sample of shape \(1, 2, 2\)"),
        (OnnxTeacher(open_shape, input_shape=(2, 2)), r"input_shape=\(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=f"{wanted} needs 4 features, but X has 3"):
            teacher(X[:, :3])


def test_axes_that_input_shape_lacks():
    with pytest.raises(ValueError, match=r"has 2 axes.*did you mean input_shape=\(1, 2, 2\)"):
        OnnxTeacher(dense((1, "height", 2)), input_shape=(2, 2))(X)
    with pytest.raises(ValueError, match=r"has 3 axes, and a row of the input 'x0' has 2\."):
        OnnxTeacher(dense(("height", 2)), input_shape=(1, 2, 2))(X)


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
    with pytest.raises(
        ValueError, match=r"inputs \['x0', 'x1'\], and X is for one.*inputs={'x1'"
    ):
        OnnxTeacher(dense((4,), n_inputs=2))(X)
    with pytest.raises(ValueError, match=r"inputs=\{'y': 1\} must be a dict .* \['x0'\]"):
        OnnxTeacher(dense((4,)), inputs={"y": 1})(X)
    with pytest.raises(ValueError, match="none are left"):
        OnnxTeacher(dense((4,)), inputs={"x0": 1})(X)
    with pytest.raises(ValueError, match=r"input 'x' is a tensor\(bfloat16\); known are"):
        OnnxTeacher(network(TensorProto.BFLOAT16))(X)
    with pytest.raises(ValueError, match=r"OnnxTeacher\(bytes\): onnxruntime cannot load"):
        OnnxTeacher(b"no model")(X)
    message = "'TpuExecutionProvider' is not available here; available: .*CPUExecutionProvider"
    for providers in (["TpuExecutionProvider"], [("TpuExecutionProvider", {})]):
        with pytest.raises(ValueError, match=message):
            OnnxTeacher(MODEL, providers=providers)(X)
    without("onnxruntime")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[onnx\]"):
        OnnxTeacher(MODEL)(X)


# Models that other people export


TOKENS = np.random.default_rng(0).integers(0, 9, (41, 6))
WEIGHTS = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
ANSWERS = (TOKENS @ WEIGHTS).argmax(axis=1)


def network(dtype=TensorProto.FLOAT, *, batch="n", masked=False, heads=()):
    """Return x @ WEIGHTS, where x has a dtype and may be masked; heads are other outputs."""
    inputs = [helper.make_tensor_value_info("x", dtype, [batch, 6])]
    nodes = [helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT)]
    last = "a"
    if masked:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, [batch, 6]))
        inputs.append(helper.make_tensor_value_info("factor", TensorProto.INT64, []))
        nodes += [
            helper.make_node("Cast", ["mask"], ["m"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["factor"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["a", "m"], ["b"]),
            helper.make_node("Mul", ["b", "f"], ["c"]),
        ]
        last = "c"
    nodes.append(helper.make_node("MatMul", [last, "W"], ["logits"]))
    outputs, constants = ["logits"], [numpy_helper.from_array(WEIGHTS, "W")]
    for number, n_columns in enumerate(heads):
        outputs.append(f"head{number}")
        matrix = WEIGHTS[:, :1] @ np.ones((1, n_columns), np.float32)
        constants.append(numpy_helper.from_array(matrix, f"W{number}"))
        nodes.append(helper.make_node("MatMul", [last, f"W{number}"], [f"head{number}"]))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, None])
        for name in outputs
    ]
    graph = helper.make_graph(nodes, "strange", inputs, values, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("given", [np.int64, float, np.uint8], ids=str)
@pytest.mark.parametrize(
    "declared",
    ["FLOAT", "DOUBLE", "FLOAT16", "INT8", "INT32", "INT64", "UINT8", "UINT16", "UINT64"],
)
def test_values_are_cast_to_what_the_model_declares(declared, given):
    teacher = OnnxTeacher(network(getattr(TensorProto, declared)), batch_size=16)
    assert_allclose(teacher(TOKENS.astype(given)), TOKENS @ WEIGHTS, rtol=1e-4, atol=1e-4)
    student = KoopmanDistilledClassifier(teacher).fit(TOKENS.astype(given), ANSWERS)
    assert student.score(TOKENS, ANSWERS) > 0.9


def test_bools():
    teacher = OnnxTeacher(network(TensorProto.BOOL))
    for given in (TOKENS > 4, (TOKENS > 4).astype(float)):
        assert_allclose(teacher(given), (TOKENS > 4) @ WEIGHTS, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("declared", "values", "message"),
    [
        ("UINT8", TOKENS / 16, "whole numbers from 0 to 255, got values from 0 to 0.5"),
        ("UINT8", -TOKENS, "whole numbers from 0 to 255, got values from -8 to 0"),
        ("INT8", 100 * TOKENS, "whole numbers from -128 to 127, got values from 0 to 800"),
        ("INT64", TOKENS * np.nan, "whole numbers from"),
        ("BOOL", TOKENS, "0 and 1, got values from 0 to 8"),
        (
            "FLOAT16",
            1e5 * TOKENS,
            "has dtype float16, which is too small for values from 0 to 8e",
        ),
    ],
)
def test_numbers_that_an_input_cannot_hold(declared, values, message):
    with pytest.raises(ValueError, match=f"the input 'x' .*{message}"):
        OnnxTeacher(network(getattr(TensorProto, declared)))(values)


@pytest.mark.parametrize("n_rows", [0, 1, 7, 8, 9, 41])
@pytest.mark.parametrize("batch", [1, 8])
def test_a_fixed_batch_is_filled_up_and_cut(batch, n_rows):
    teacher = OnnxTeacher(network(batch=batch), batch_size=3)
    found = teacher(TOKENS[:n_rows])
    assert found.shape == (n_rows, 3)
    assert_allclose(found, TOKENS[:n_rows] @ WEIGHTS, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", ["n", 8])
def test_several_inputs(batch):
    model = network(TensorProto.INT64, batch=batch, masked=True)
    teacher = OnnxTeacher(
        model, inputs={"factor": 2, "mask": lambda ids: ids < 5}, batch_size=16
    )
    expected = 2 * np.where(TOKENS < 5, TOKENS, 0) @ WEIGHTS
    assert_allclose(teacher(TOKENS), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"\['x', 'mask'\] are left"):
        OnnxTeacher(model, inputs={"factor": 2})(TOKENS)
    wrong = OnnxTeacher(model, inputs={"factor": 2, "mask": np.ones((2, 2))})
    with pytest.raises(ValueError, match=r"OnnxTeacher\(ModelProto\) failed on input of shape"):
        wrong(TOKENS)


def test_strings():
    graph = helper.make_graph(
        [
            helper.make_node(
                "LabelEncoder",
                ["words"],
                ["numbers"],
                domain="ai.onnx.ml",
                keys_strings=["bad", "good"],
                values_floats=[-1.0, 1.0],
            )
        ],
        "words",
        [helper.make_tensor_value_info("words", TensorProto.STRING, [None, 2])],
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    teacher = OnnxTeacher(helper.make_model(graph, opset_imports=opsets, ir_version=9))
    assert_array_equal(teacher([["bad", "good"]]), [[-1, 1]])


@pytest.mark.parametrize("kind", [EDMDClassifier, KoopmanDistilledClassifier])
@pytest.mark.parametrize("heads", [(1,), (1, 2, 4)])
def test_the_output_with_a_column_for_each_class_is_taken(kind, heads):
    model = network(heads=heads)
    student = kind(model).fit(TOKENS, ANSWERS)
    expected = kind(OnnxTeacher(model, output_name="logits")).fit(TOKENS, ANSWERS)
    assert_array_equal(student.coef_, expected.coef_)
    named = OnnxTeacher(model, classes=[0, 1, 2])
    assert_allclose(named(TOKENS), TOKENS @ WEIGHTS, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ((3,), r"'logits': \(41, 3\), 'head0': \(41, 3\).* several of them can be a column"),
        ((4, 3), "output_name='logits'"),
    ],
)
def test_no_output_is_taken_for_another(heads, message):
    with pytest.raises(ValueError, match=message) as error:
        KoopmanDistilledClassifier(network(heads=heads)).fit(TOKENS, ANSWERS)
    assert "three ways out" not in str(error.value)
    with pytest.raises(ValueError, match="several of them can be scores"):
        OnnxTeacher(network(heads=heads))(TOKENS)
    with pytest.raises(ValueError, match="none of them can be a column for each of 7 classes"):
        OnnxTeacher(network(heads=(4,)), classes=range(7))(TOKENS)
    named = OnnxTeacher(network(heads=heads), output_name="logits")
    assert KoopmanDistilledClassifier(named).fit(TOKENS, ANSWERS).score(TOKENS, ANSWERS) > 0.9


# Labels in the file

CLASSIFIERS = [
    LOGISTIC,
    RandomForestClassifier(5, random_state=0),
    SVC(),
    make_pipeline(StandardScaler(), MLPClassifier((9,), solver="lbfgs", random_state=0)),
    KNeighborsClassifier(),
    GaussianNB(),
    SGDClassifier(loss="log_loss", random_state=0),
]
NAMES = {
    "numbers": np.array([5, 3, 4])[y],
    "strings": np.array(["cat", "ant", "bat"])[y],
    "two": np.array([9, 7, 7])[y],
}


def converted(classifier, labels):
    """Return a classifier that is fitted to labels, as a model with arrays as outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = clone(classifier).fit(X, labels)
        return skl2onnx.to_onnx(
            fitted,
            X[:1].astype(np.float32),
            options={id(fitted): {"zipmap": False}},
            target_opset=18,
        )


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda each: type(each).__name__)
def test_labels_in_the_file_name_the_classes(classifier, names):
    model = converted(classifier, NAMES[names])
    if isinstance(classifier, SVC):  # it has nodes of unknown kinds
        with pytest.warns(
            UserWarning, match=r"labels \(label\), and it is not clear.*classes="
        ):
            classes = EDMDClassifier(model).fit(X).classes_
        assert_array_equal(classes, range(len(classes)))
        return
    with warnings.catch_warnings(action="error"):
        student = EDMDClassifier(model).fit(X)
    assert_array_equal(student.classes_, np.unique(NAMES[names]))
    said = clone(classifier).fit(X, NAMES[names]).predict(X)
    first_choices = OnnxTeacher(model).classes_[OnnxTeacher(model)(X).argmax(axis=1)]
    assert np.mean(first_choices == said) > 0.97
    assert_array_equal(student.coef_, EDMDClassifier(model).fit(X, NAMES[names]).coef_)


def test_labels_in_the_file_order_the_columns():
    model = converted(LOGISTIC, y)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_ints":
                attribute.ints[:] = [7, 5, 6]
    labels = np.array([7, 5, 6])[y]
    for given in (None, labels):
        student = KoopmanDistilledClassifier(model).fit(X, given)
        assert_array_equal(student.classes_, [5, 6, 7])
        assert student.score(X, labels) > 0.9
    # Two of the three classes are enough, and the user's argument counts more.
    some = labels < 7
    assert EDMDClassifier(model).fit(X[some], labels[some]).score(X[some], labels[some]) > 0.9
    named = OnnxTeacher(model, classes=["x", "y", "z"])
    assert list(named.classes_) == ["x", "y", "z"]
    with pytest.raises(
        ValueError, match=r"classes \['a', 'b'\] of y; its columns are \[7, 5, 6\]"
    ):
        EDMDClassifier(model).fit(X, np.array(["a", "b", "b"])[y])


def test_numbers_of_columns_are_no_names():
    """Networks are trained on codes: their file says 0, 1, 2 for any classes."""
    model, names = converted(LOGISTIC, y), np.array(["ant", "bat", "cat"])[y]
    assert EDMDClassifier(model).fit(X, names).score(X, names) > 0.8
    assert_array_equal(EDMDClassifier(model).fit(X).classes_, [0, 1, 2])
    assert EDMDClassifier(model).fit(X[y > 0], y[y > 0]).score(X[y > 0], y[y > 0]) > 0.9


def test_labels_that_belong_to_no_column_for_certain(without):
    ridge = converted(RidgeClassifier(), NAMES["two"])  # the scores are one column of two
    with pytest.warns(UserWarning, match="the numbers of the columns.*teacher_classes="):
        assert_array_equal(EDMDClassifier(ridge).fit(X).classes_, [0, 1])
    highest = helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0)
    with warnings.catch_warnings(action="error"):  # numbers alone need no warning
        model = dense((4,))
        assert_array_equal(EDMDClassifier(model).fit(X).classes_, [0, 1, 2])
        model.graph.node.append(highest)
        label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
        model.graph.output.append(label)
        assert_array_equal(EDMDClassifier(model).fit(X).classes_, [0, 1, 2])
    file = converted(LOGISTIC, NAMES["strings"]).SerializeToString()
    assert list(OnnxTeacher(file).classes_) == ["ant", "bat", "cat"]
    without("onnx")
    with pytest.warns(
        UserWarning, match=r"sklearn-koopman\[onnx\].*the numbers of the columns"
    ):
        EDMDClassifier(OnnxTeacher(file)).fit(X)
