"""Correct teachers, and teachers that misbehave: functions, torch modules, ONNX models."""

from functools import cache

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

from sklearn_koopman.teachers import OnnxTeacher, TorchTeacher

from .draws import pick

N_CLASSES = 3


def n_rows(rows):
    """Return the number of rows; sparse rows have no length."""
    return rows.shape[0] if hasattr(rows, "shape") else len(rows)


def good(rows):
    return np.tanh(np.asarray(rows, dtype=np.float64)[:, [0, -1, 0]]) * [1, 2, -1]


def wrong_shape(rows):
    return np.ones((n_rows(rows) + 1, 3))


def one_column(rows):
    return np.ones(n_rows(rows))


def not_finite(rows):
    return np.full((n_rows(rows), 3), np.nan)


def huge(rows):
    return 1e300 * good(rows)


def strings(rows):
    return np.full((n_rows(rows), 3), "a")


def ragged(rows):
    return [[1.0] * (1 + i % 2) for i in range(n_rows(rows))]


def failing(rows):
    raise ValueError("the teacher is out of order, and says so")


ODD = wrong_shape, one_column, not_finite, huge, strings, ragged, failing, None, 3


def network(n_features, n_outputs=N_CLASSES, dtype=torch.float32, seed=0):
    """Return a small torch module whose weights do not come from torch's generator."""
    rng = np.random.default_rng(seed)
    module = torch.nn.Sequential(
        torch.nn.utils.skip_init(torch.nn.Linear, n_features, 4),
        torch.nn.Tanh(),
        torch.nn.utils.skip_init(torch.nn.Linear, 4, n_outputs),
    ).to(dtype)
    with torch.no_grad():
        for weights in module.parameters():
            weights.copy_(torch.as_tensor(rng.normal(size=tuple(weights.shape))))
    return module


class Odd(torch.nn.Module):
    """A network with a function that spoils its output."""

    def __init__(self, n_features, spoil):
        super().__init__()
        self.inside = network(n_features)
        self.spoil = spoil

    def forward(self, rows):
        return self.spoil(self.inside(rows))


SPOILT = (
    lambda out: out / 0,
    lambda out: out[1:],
    lambda out: out[:, :1],
    lambda out: (out, out),
    lambda out: {"logits": out},
    lambda out: out[..., None],
    lambda out: out.half(),
    lambda out: out.to(torch.complex64),
    lambda out: None,
)


def modules(rng, n_features):
    """Return functions that make torch modules as teachers; the first one is correct."""
    return (
        lambda: network(n_features),
        lambda: network(n_features, dtype=torch.float64),
        lambda: network(n_features + 1),
        lambda: network(n_features, n_outputs=2),
        lambda: TorchTeacher(network(n_features), batch_size=2, classes=["a", "b", "c"]),
        lambda: TorchTeacher(network(n_features), input_shape=(2, 2)),
        *[lambda: Odd(n_features, pick(rng, SPOILT))] * 4,
    )


@cache
def graph(n_features, *, dtype=TensorProto.FLOAT, n_outputs=1, factor=1.0, rows=None):
    """Return an ONNX model that is a matrix."""
    matrix = (factor * np.eye(n_features, N_CLASSES)).astype(
        helper.tensor_dtype_to_np_dtype(dtype)
    )
    names = [f"logits{i}" for i in range(n_outputs)]
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["rows", "K"], [name]) for name in names],
            "matrix",
            [helper.make_tensor_value_info("rows", dtype, [rows, n_features])],
            [helper.make_tensor_value_info(name, dtype, [rows, N_CLASSES]) for name in names],
            [numpy_helper.from_array(matrix, "K")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )


def models(n_features):
    """Return functions that make ONNX models as teachers; the first one is correct."""
    return (
        lambda: graph(n_features),
        lambda: graph(n_features, dtype=TensorProto.DOUBLE),
        lambda: graph(n_features, dtype=TensorProto.INT64),
        lambda: graph(n_features + 1),
        lambda: graph(n_features, n_outputs=2),
        lambda: graph(n_features, factor=np.nan),
        lambda: OnnxTeacher(graph(n_features, rows=3), batch_size=2),
        lambda: OnnxTeacher(b"not a model"),
        lambda: OnnxTeacher(graph(n_features), output_name="x"),
        lambda: OnnxTeacher(graph(n_features), output="proba"),
    )


def teachers(rng, n_features):
    """Draw a teacher of rows with some number of features, mostly a correct one."""
    kind = rng.uniform()
    if kind < 0.6:
        return good
    if kind < 0.8:
        return pick(rng, ODD)
    makers = modules(rng, n_features) if kind < 0.9 else models(n_features)
    return makers[0]() if rng.uniform() < 0.4 else pick(rng, makers)()
