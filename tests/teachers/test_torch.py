import functools
import pickle
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV

torch = pytest.importorskip("torch")

from sklearn_koopman.teachers import (  # noqa: E402
    TorchTeacher,
    as_teacher,
    evaluating,
    share_or_clone,
)

from .helpers import Counting, Flags, Logits, Returning, Scaled  # noqa: E402

X = np.random.default_rng(0).normal(size=(25, 4))


@pytest.fixture(autouse=True)
def _reset():
    Counting.reset()


def expected(module, X=X):
    with torch.no_grad():
        return (torch.as_tensor(X, dtype=module.weight.dtype) @ module.weight).numpy()


@pytest.mark.parametrize(("batch_size", "n_calls"), [(1, 25), (10, 3), (25, 1), (1024, 1)])
def test_batches(batch_size, n_calls):
    module = Counting()
    outputs = TorchTeacher(module, batch_size=batch_size)(X)
    assert_allclose(outputs, expected(module), rtol=1e-5, atol=1e-6)
    assert (Counting.n_calls, Counting.n_rows) == (n_calls, 25)


@pytest.mark.parametrize(
    ("dtype", "out"),
    [
        (torch.float64, np.float64),
        (torch.float32, np.float32),
        (torch.bfloat16, np.float32),
        (torch.float16, np.float32),
    ],
)
def test_batches_are_cast_to_the_dtype_of_the_module(dtype, out):
    module = Counting(dtype=dtype)
    outputs = TorchTeacher(module)(X)
    assert outputs.dtype == out
    assert_allclose(outputs, expected(Counting()), atol=0.1)


def test_float64_is_not_rounded_through_float32():
    module = Counting(dtype=torch.float64)
    assert_allclose(TorchTeacher(module)(X), expected(module), rtol=1e-13)


@pytest.fixture(params=["memmap", "list", "frame", "object", "tensor", "grad", "F", "reversed"])
def same_X(request, tmp_path):
    if request.param == "memmap":
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode="r")
    return {
        "list": lambda: X.tolist(),
        "frame": lambda: pd.DataFrame(X),
        "object": lambda: X.astype(object),
        "tensor": lambda: torch.tensor(X),
        "grad": lambda: torch.tensor(X, requires_grad=True),
        "F": lambda: np.asfortranarray(X),
        "reversed": lambda: X[::-1].copy()[::-1],
    }[request.param]()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cached", [False, True])
def test_inputs_of_every_kind(same_X, cached, tmp_path):
    teacher = TorchTeacher(Counting(), batch_size=10, memory=tmp_path if cached else None)
    assert_array_equal(teacher(same_X), TorchTeacher(Counting(), batch_size=10)(X))


def test_integer_input():
    pixels = np.arange(8, dtype=np.uint16).reshape(2, 4)
    assert_array_equal(TorchTeacher(Scaled())(pixels), pixels)


def test_no_rows():
    assert TorchTeacher(Counting(), input_shape=(4,))(np.empty((0, 4))).shape == (0, 3)


@pytest.mark.parametrize("give", [np.array, torch.tensor])
def test_a_module_that_works_in_place_leaves_X_alone(give):
    data = give(X.astype(np.float32))
    before = data.copy() if give is np.array else data.clone()
    TorchTeacher(torch.nn.ReLU(inplace=True))(data)
    assert (data == before).all()


def test_input_shape():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 5, 2), torch.nn.Flatten())
    assert TorchTeacher(module, input_shape=(1, 2, 2))(X).shape == (25, 5)
    assert TorchTeacher(module)(X.reshape(25, 1, 2, 2)).shape == (25, 5)


def test_hugging_face_outputs():
    assert_allclose(TorchTeacher(Logits())(X), 2 * X, rtol=1e-6)


def test_one_dimensional_output_is_one_column():
    assert TorchTeacher(Returning(lambda x: x[:, 0]))(X).shape == (25, 1)


def test_eval_mode_no_gradient_and_all_restored():
    module = Flags()
    seen = []
    module.drop.register_forward_hook(
        lambda part, args, out: seen.append((part.training, out.requires_grad))
    )
    statistics = module.norm.running_mean.clone()
    first, second = TorchTeacher(module)(X), TorchTeacher(module)(X)
    assert_array_equal(first, second)
    assert seen == [(False, False)] * 2
    assert (module.training, module.norm.training, module.drop.training) == (True, False, True)
    assert (module.norm.running_mean == statistics).all()
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_training_flags_come_back_after_an_error():
    module = Flags()
    with pytest.raises(ValueError, match="teacher TorchTeacher"):
        TorchTeacher(module)(X[:, :3])
    assert (module.training, module.norm.training, module.drop.training) == (True, False, True)


def test_the_module_can_be_trained_afterwards():
    module = Counting()
    TorchTeacher(module)(X)
    module(torch.ones(2, 4)).sum().backward()
    assert module.weight.grad is not None


def test_moving_between_devices_restores_each_submodule(monkeypatch):
    """The meta device stands in for an accelerator: modules are moved there and back."""
    moves = []
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
    monkeypatch.setattr(
        torch.nn.Module,
        "to",
        lambda part, device: moves.append((type(part).__name__, str(device))),
    )
    with evaluating(module, torch.device("meta")):
        assert moves == [("Sequential", "meta")]
    assert moves[1:] == [("Linear", "cpu")]
    with evaluating(module, None), evaluating(module, torch.device("cpu")):
        assert len(moves) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("device", ["cuda", torch.device("cuda:0")])
def test_cuda(device):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    outputs = TorchTeacher(module, device=device)(X)
    assert all(tensor.device.type == "cpu" for tensor in module.state_dict().values())
    assert_allclose(outputs, TorchTeacher(module, device="cpu")(X), rtol=1e-3, atol=1e-4)
    module.to("cuda")
    assert_allclose(TorchTeacher(module)(X), outputs, rtol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "nonsense"])
def test_a_missing_device_is_named(device):
    with pytest.raises(ValueError, match=f"device='{device}' is not available here; .*: cpu"):
        TorchTeacher(Counting(), device=device)(X)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_cpu(device):
    module = Counting()
    assert_array_equal(TorchTeacher(module, device=device)(X), TorchTeacher(module)(X))


def test_the_meta_device_would_lose_the_weights():
    module = Counting()
    with pytest.raises(ValueError, match="device='meta' is not available"):
        TorchTeacher(module, device="meta")(X)
    assert module.weight.device.type == "cpu"


@pytest.mark.usefixtures("torch_devices")
def test_available_devices_are_listed():
    with pytest.raises(ValueError, match=r"available: cpu, .*mps"):
        TorchTeacher(Counting(), device="nonsense")(X)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "all", None])
def test_bad_batch_size(batch_size):
    with pytest.raises(ValueError, match=r"batch_size=.*must be an int >= 1"):
        TorchTeacher(Counting(), batch_size=batch_size)(X)


@pytest.mark.parametrize("input_shape", [4, (0, 4), (2.0, 2), "abcd"])
def test_bad_input_shape(input_shape):
    with pytest.raises(ValueError, match=r"input_shape=.*must be None or a tuple"):
        TorchTeacher(Counting(), input_shape=input_shape)(X)


def test_input_shape_of_another_size():
    with pytest.raises(
        ValueError, match=r"input_shape=\(1, 28, 28\) needs 784 features, but X has 4"
    ):
        TorchTeacher(Counting(), input_shape=(1, 28, 28))(X)


def test_bad_output():
    with pytest.raises(ValueError, match="output='prob': must be 'auto'"):
        TorchTeacher(Counting(), output="prob")(X)


@pytest.mark.parametrize("module", [None, len, Counting])
def test_not_a_module(module):
    with pytest.raises(TypeError, match=r"module must be a torch\.nn\.Module instance"):
        TorchTeacher(module)(X)


def test_wrong_number_of_features():
    message = r"failed on input of shape \(25, 3\): mat1 and mat2 shapes cannot be multiplied"
    with pytest.raises(ValueError, match=message) as caught:
        TorchTeacher(torch.nn.Linear(4, 2))(X[:, :3])
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_out_of_memory_stays_what_it_is():
    def fail(x):
        raise torch.cuda.OutOfMemoryError("no memory left")

    with pytest.raises(torch.cuda.OutOfMemoryError, match="no memory left"):
        TorchTeacher(Returning(fail))(X)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: (x, x), TypeError, r"returned tuple of 2 parts .*\(25, 4\).*output_name=0"),
        (lambda x: {"a": x, "b": x}, TypeError, "returned dict of 'a', 'b', expected a tensor"),
        (lambda x: "logits", TypeError, "the module returned str, expected a tensor"),
        (lambda x: x.sum(), ValueError, r"one row per sample, got an output of shape \(\)"),
        (lambda x: x[:2], ValueError, r"output of shape \(2, 4\) for input of shape \(25, 4\)"),
        (lambda x: x[:, :, None], ValueError, r"got an array of shape \(25, 4, 1\)"),
        (lambda x: x / 0, ValueError, "NaN or infinity in 25 of 25 rows"),
        (lambda x: x * (1 + 1j), ValueError, "expected real numbers, got dtype complex64"),
    ],
)
def test_bad_module_outputs(function, error, message):
    with pytest.raises(error, match=message):
        TorchTeacher(Returning(function))(X)


@pytest.mark.parametrize(
    ("bad_X", "error", "message"),
    [
        (np.ones(3), ValueError, r"at least one axis of features, got X of shape \(3,\)"),
        (np.array([["a", "b"]]), ValueError, "got X of dtype <U1"),
        (np.array([["a", 1]], dtype=object), ValueError, "could not convert string"),
        (np.ones((2, 2), complex), ValueError, "got X of dtype complex128"),
    ],
)
def test_bad_inputs(bad_X, error, message):
    with pytest.raises(error, match=message):
        TorchTeacher(Scaled())(bad_X)


def test_sparse_input():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="convert a sparse X"):
        TorchTeacher(Scaled())(sparse.csr_array(X))


def test_progress(capsys):
    TorchTeacher(Counting(), batch_size=10, progress=True)(X)
    assert "25/25" in capsys.readouterr().err
    TorchTeacher(Counting())(X)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("package", ["torch", "tqdm"])
def test_missing_packages_name_the_extra(package, without):
    teacher = TorchTeacher(Counting(), progress=True)
    without(package)
    with pytest.raises(ImportError, match=rf"{package}: pip install .sklearn-koopman\[torch\]"):
        teacher(X)


# Modules of other people


class Tokens(torch.nn.Module):
    """Looks token ids up, with a mask if there is one."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embedding = torch.nn.Embedding(50, 8, dtype=dtype)
        self.head = torch.nn.Linear(8, 3, dtype=dtype)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, ids, mask=None):
        embedded = self.embedding(ids)
        mask = torch.ones_like(ids) if mask is None else mask
        return self.head((embedded * mask[..., None]).mean(1))


IDS = np.random.default_rng(0).integers(0, 50, (25, 6))


def looked_up(module, **kwargs):
    with torch.no_grad():
        return module(torch.as_tensor(IDS), **kwargs).numpy()


@pytest.mark.parametrize("module_dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64, object])
@pytest.mark.parametrize("cached", [False, True])
def test_token_ids_stay_integers(dtype, module_dtype, cached, tmp_path):
    module = Tokens(module_dtype)
    teacher = TorchTeacher(module, batch_size=10, memory=tmp_path if cached else None)
    assert_allclose(teacher(IDS.astype(dtype)), looked_up(module), rtol=1e-5, atol=1e-6)
    if dtype is np.int64:
        assert_allclose(teacher(torch.as_tensor(IDS)), looked_up(module), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("input_dtype", ["int64", torch.int64, "int32", "torch.int64"])
def test_the_dtype_of_the_input_may_be_said(input_dtype):
    teacher = TorchTeacher(Tokens(), input_dtype=input_dtype)
    if input_dtype == "torch.int64":
        with pytest.raises(
            ValueError, match=r"input_dtype='torch\.int64': must be None, a torch"
        ):
            teacher(IDS)
        return
    assert_allclose(teacher(IDS.astype(float)), looked_up(Tokens()), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"input_dtype=torch\.int\d\d needs whole numbers"):
        teacher(IDS + 0.5)


def test_other_failures_of_whole_numbers_are_those_of_floats():
    with pytest.raises(ValueError, match="mat1 and mat2 shapes cannot be multiplied"):
        TorchTeacher(torch.nn.Linear(4, 2))(IDS)
    with pytest.raises(ValueError, match="scalar types: Long, Int"):
        TorchTeacher(Tokens())(IDS + 0.5)


def test_call():
    module = Tokens()
    teacher = TorchTeacher(module, call=lambda net, ids: net(ids, mask=ids > 20))
    expected = looked_up(module, mask=torch.as_tensor(IDS) > 20)
    assert_allclose(teacher(IDS), expected, rtol=1e-5, atol=1e-6)

    def fail(net, ids):
        raise RuntimeError("no mask")

    with pytest.raises(ValueError, match=r"teacher TorchTeacher\(Tokens\) failed .* no mask"):
        TorchTeacher(module, call=fail)(IDS)
    with pytest.raises(TypeError, match="call='mask': must be None or a callable"):
        TorchTeacher(module, call="mask")(IDS)


class Output(dict):
    """A dictionary with attributes, like the outputs of Hugging Face."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@pytest.mark.parametrize(
    ("function", "output_name"),
    [
        (lambda x: (x,), None),
        (lambda x: {"scores": x}, None),
        (lambda x: {"logits": x, "hidden": x[:, :2]}, None),
        (lambda x: Output(loss=None, logits=x), None),
        (lambda x: (x[:, :2], x), 1),
        (lambda x: (x[:, :2], x), -1),
        (lambda x: {"aux": x[:, :2], "out": x}, "out"),
        (lambda x: Output(logits=x[:, :2], other=x), "other"),
    ],
)
def test_one_of_several_outputs(function, output_name):
    teacher = TorchTeacher(Returning(function), output_name=output_name)
    assert_allclose(teacher(X), X, rtol=1e-6)


@pytest.mark.parametrize("output_name", [2, "logits"])
def test_an_output_that_is_not_there(output_name):
    teacher = TorchTeacher(Returning(lambda x: (x, x)), output_name=output_name)
    with pytest.raises(TypeError, match=f"tuple of 2 parts .* a tensor as {output_name!r}"):
        teacher(X)


class Student(ClassifierMixin, BaseEstimator):
    """A minimal classifier with a teacher."""

    def __init__(self, teacher=None, ridge=1.0):
        self.teacher = teacher
        self.ridge = ridge

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.soft_ = as_teacher(self.teacher).fit(X, y)(X)
        return self

    def predict(self, X):
        return np.zeros(len(X), int)


def test_clone_shares_the_module():
    teacher = TorchTeacher(Counting())
    assert clone(teacher) is teacher
    assert clone(Student(teacher)).teacher is teacher
    assert share_or_clone(teacher.module) is teacher.module
    y = np.arange(25) % 2
    GridSearchCV(Student(teacher), {"ridge": [1, 2]}, cv=2, refit=False).fit(X, y)
    assert Counting.n_copies == 0
    assert Counting.n_rows == 2 * 25


def test_grid_search_in_processes():
    y = np.arange(25) % 2
    search = GridSearchCV(Student(TorchTeacher(Counting())), {"ridge": [1, 2]}, cv=2, n_jobs=2)
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.soft_.shape == (25, 3)


def test_pickle_and_hash_are_stable():
    teacher = TorchTeacher(Flags(), input_shape=(4,), classes=[3, 2, 1, 0])
    before = joblib.hash(teacher)
    outputs = teacher(X)
    assert joblib.hash(teacher) == before
    again = pickle.loads(pickle.dumps(teacher))
    assert_array_equal(again(X), outputs)
    assert_array_equal(again.classes_, [3, 2, 1, 0])


def test_repr(tmp_path):
    assert repr(TorchTeacher(Counting())) == "TorchTeacher(Counting)"
    teacher = TorchTeacher(Counting(), input_shape=(2, 2), device=torch.device("cpu"))
    assert repr(teacher) == "TorchTeacher(Counting, input_shape=(2, 2), device='cpu')"


def test_threads_do_not_disturb_each_other():
    module = Flags()
    teacher = TorchTeacher(module, batch_size=5)
    reference = teacher(X)
    results = []
    threads = [threading.Thread(target=lambda: results.append(teacher(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, reference) for result in results)
    assert module.drop.training


def test_global_torch_state_is_untouched():
    n_threads, state = torch.get_num_threads(), torch.get_rng_state()
    TorchTeacher(Flags())(X)
    assert torch.get_num_threads() == n_threads
    assert (torch.get_rng_state() == state).all()


class Normalising(torch.nn.Module):
    """Computes with a tensor that is neither a parameter nor a buffer."""

    def __init__(self, mean=0.0, std=(1.0,), act=torch.tanh):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        with torch.no_grad():
            self.linear.weight.copy_(torch.arange(12.0).reshape(3, 4) / 10)
            self.linear.bias.zero_()
        self.mean, self.std, self.act = torch.full((4,), mean), list(std), act

    def forward(self, x):
        return self.act(self.linear((x - self.mean) / self.std[0]))


class NormalisingOtherwise(Normalising):
    shift = 3.0

    def forward(self, x):
        return super().forward(x) + self.shift


class Settings:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


def scaling_by(factor):
    return lambda x, *rest: (rest[-1] if rest else x) * factor


def hooked(module, function):
    module.linear.register_forward_hook(function)
    return module


class TestMemory:
    @pytest.fixture(params=["str", "path", "memory"])
    def memory(self, request, tmp_path):
        kinds = {
            "str": str,
            "path": lambda path: path,
            "memory": lambda path: joblib.Memory(path, verbose=0),
        }
        return kinds[request.param](tmp_path)

    def test_a_second_call_reads_the_cache(self, memory):
        teacher = TorchTeacher(Counting(), memory=memory)
        first = teacher(X)
        assert_array_equal(teacher(X.copy()), first)
        assert_array_equal(TorchTeacher(Counting(), memory=memory, batch_size=3)(X), first)
        assert Counting.n_rows == 25

    def test_rows_stay_aligned(self, tmp_path):
        teacher = TorchTeacher(Counting(), memory=tmp_path)
        outputs = teacher(X)
        order = np.random.default_rng(1).permutation(25)
        assert_allclose(teacher(X[order]), outputs[order], rtol=1e-5)
        assert_allclose(teacher(X[5:9]), outputs[5:9], rtol=1e-5)
        assert_array_equal(teacher(X[::-1]), teacher(X[::-1].copy()))
        assert Counting.n_rows == 25 + 25 + 4 + 25

    def test_a_changed_weight_is_a_new_key(self, tmp_path):
        module = Counting()
        teacher = TorchTeacher(module, memory=tmp_path)
        before = teacher(X)
        with torch.no_grad():
            module.weight[0, 0] += 1
        assert not np.allclose(teacher(X), before)
        assert Counting.n_calls == 2

    def test_dtype_and_input_shape_are_part_of_the_key(self, tmp_path):
        for data in (X, X.astype(np.float32), torch.tensor(X), torch.tensor(X).float()):
            TorchTeacher(Counting(), memory=tmp_path)(data)
        TorchTeacher(Counting(), memory=tmp_path, input_shape=[4])(X)
        assert Counting.n_calls == 5

    def test_settings_and_buffers_outside_the_state_dict_count(self, tmp_path):
        for module in (Scaled(), Scaled(factor=2.0), Scaled(shift=1.0)):
            outputs = TorchTeacher(module, memory=tmp_path)(X)
            assert_array_equal(outputs, TorchTeacher(module)(X))

    def test_whatever_changes_the_answers_is_part_of_the_key(self, tmp_path):
        modules = [
            Normalising(),
            Normalising(mean=1.0),
            Normalising(std=(2.0,)),
            Normalising(act=torch.sigmoid),
            Normalising(act=lambda x: x - 1),
            Normalising(act=lambda x: x - 2),
            Normalising(act=scaling_by(2)),
            Normalising(act=scaling_by(3)),
            Normalising(act=functools.partial(torch.mul, 2)),
            Normalising(act=Settings(1.0)),
            Normalising(act=Settings(2.0)),
            hooked(Normalising(), scaling_by(5)),
            hooked(Normalising(), scaling_by(6)),
            NormalisingOtherwise(),
        ]
        for module in modules:
            outputs = TorchTeacher(module, memory=tmp_path)(X)
            assert_array_equal(outputs, TorchTeacher(module)(X))
            assert_array_equal(outputs, TorchTeacher(module, memory=tmp_path)(X))
        call, other = (lambda net, x: net(x) + 1), (lambda net, x: net(x) + 2)
        for settings in ({"call": call}, {"call": other}):
            teacher = TorchTeacher(modules[0], memory=tmp_path, **settings)
            assert_array_equal(teacher(X), TorchTeacher(modules[0], **settings)(X))

    def test_a_copy_has_the_key_of_the_original(self, tmp_path):
        module = Counting()
        outputs = TorchTeacher(module, memory=tmp_path)(X)
        again = pickle.loads(pickle.dumps(module))
        assert_array_equal(TorchTeacher(again, memory=tmp_path)(X), outputs)
        assert Counting.n_calls == 1

    def test_what_cannot_be_told_is_refused(self, tmp_path):
        module = Normalising(act=torch.tanh)
        module.generator = torch.Generator()
        message = r"memory=: the teacher\[0\]\.generator is a Generator, and it is not known"
        with pytest.raises(ValueError, match=message):
            TorchTeacher(module, memory=tmp_path)(X)

    def test_traced_and_scripted_modules(self, tmp_path):
        scripted = torch.jit.script(torch.nn.Linear(4, 3))
        graph = torch.fx.symbolic_trace(Normalising())
        for module in (scripted, graph):
            teacher = TorchTeacher(module, memory=tmp_path)
            assert_array_equal(teacher(X), teacher(X))
            assert_array_equal(teacher(X), TorchTeacher(module)(X))

    def test_training_mode_is_not_part_of_the_key(self, tmp_path):
        module = Counting()
        teacher = TorchTeacher(module, memory=tmp_path)
        teacher(X)
        module.eval()
        teacher(X)
        assert Counting.n_calls == 1

    def test_half_precision_weights_can_be_hashed(self, tmp_path):
        teacher = TorchTeacher(Counting(dtype=torch.bfloat16), memory=tmp_path)
        assert_array_equal(teacher(X), teacher(X))
        assert Counting.n_calls == 1

    def test_memory_of_a_wrong_type(self):
        with pytest.raises(ValueError, match="memory"):
            TorchTeacher(Counting(), memory=3)(X)

    def test_non_finite_outputs_are_refused_from_the_cache_too(self, tmp_path):
        teacher = TorchTeacher(Scaled(factor=float("nan")), memory=tmp_path)
        for _ in range(2):
            with pytest.raises(ValueError, match="NaN or infinity in 25 of 25 rows"):
                teacher(X)


def test_images_without_channels():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 2), torch.nn.Flatten())
    with pytest.raises(ValueError, match=r"did you mean input_shape=\(1, 2, 2\)\?"):
        TorchTeacher(module, input_shape=(2, 2))(X)
    assert TorchTeacher(module, input_shape=(1, 2, 2))(X).shape == (len(X), 3)
