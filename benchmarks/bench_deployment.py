"""How long onnxruntime takes for a single image: students beside their teacher.

    python benchmarks/bench_deployment.py

The students are those of experiments/results/table.csv (PCA 40, degree 2, and PCA 20, degree 3),
distilled from the perceptron with the 60,000 training images of MNIST. The table has three kinds of
figures. Labels and probabilities of onnxruntime are compared with those of the student on 10,000
test images. Then come the bytes of the file, and the median time of a single image, on one thread,
where all models take turns. The teacher's graph consists of Gemm and Relu, and gives label and
probabilities too. Writes benchmarks/results/onnx.csv.
"""

import numpy as np
import torch

from benchmarks import runner
from experiments.deployment import fitted
from experiments.images import images
from experiments.teachers import network
from sklearn_koopman.deployment import to_onnx


def teacher_graph(module):
    """Return the perceptron as an ONNX model that has the outputs of a student."""
    from onnx import TensorProto, helper, numpy_helper

    layers = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
    nodes, arrays, name = [], [], "X"
    for i, layer in enumerate(layers):
        arrays.append(numpy_helper.from_array(layer.weight.detach().numpy().T.copy(), f"W{i}"))
        arrays.append(numpy_helper.from_array(layer.bias.detach().numpy(), f"b{i}"))
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"h{i}"]))
        name = f"h{i}"
        if layer is not layers[-1]:
            nodes.append(helper.make_node("Relu", [name], [f"r{i}"]))
            name = f"r{i}"
    nodes.append(helper.make_node("Softmax", [name], ["probabilities"], axis=1))
    nodes.append(helper.make_node("ArgMax", [name], ["label"], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 784])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 10]),
        ],
        arrays,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def identity_graph():
    """Return a graph that does next to nothing. It shows what a call costs by itself."""
    from onnx import TensorProto, helper

    shape = [None, 784]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["X"], ["Y"])],
        "nothing",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def session(model):
    """Return a session of onnxruntime with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def latencies(sessions, image, n_calls=100):
    """Return the median time of a call of each session, in seconds; they take turns."""

    def calls(session):
        for _ in range(n_calls):
            session.run(None, {"X": image})

    sides = {
        name: lambda each=each: runner.seconds(calls, each) for name, each in sessions.items()
    }
    found = runner.in_turns(sides, runner.full_or_quick(40, 2))
    return {name: runner.median_of(times) / n_calls for name, times in found.items()}


def fidelity(session, student, X, y):
    """Compare a session's labels and probabilities with a student's and with the true labels."""
    label, probabilities = session.run(None, {"X": X})
    columns = {"accuracy": round(float(np.mean(label == y)), 5)}
    if student is None:
        return columns | {"labels_equal": "", "largest_probability_difference": ""}
    largest = np.abs(probabilities - student.predict_proba(X)).max()
    return columns | {
        "labels_equal": round(float(np.mean(label == student.predict(X))), 5),
        "largest_probability_difference": f"{largest:.1e}",
    }


def parser():
    """Return the parser of the command line."""
    return runner.quick_parser(__doc__)


def main():
    """Run the benchmark and write its table."""
    runner.parse(parser())
    X_test, y_test = images("mnist", "test")
    models = {"nothing": identity_graph(), "perceptron": teacher_graph(network("mnist", "mlp"))}
    students = {
        f"PCA {components}, degree {degree}": fitted("mnist", components, degree)
        for components, degree in [(40, 2), (20, 3)]
    }
    models |= {name: to_onnx(student, X_test[:1]) for name, student in students.items()}
    sessions = {name: session(model) for name, model in models.items()}
    times = latencies(sessions, X_test[:1])
    results = runner.Measurements("onnx.csv", ["model"])
    for name, model in models.items():
        agreement = {}
        if name != "nothing":
            agreement = fidelity(sessions[name], students.get(name), X_test, y_test)
        results.add(
            {
                "model": name,
                **agreement,
                "bytes": model.ByteSize(),
                "nodes": len(model.graph.node),
                "microseconds": round(1e6 * times[name], 1),
                "times_faster": round(times["perceptron"] / times[name], 2),
            }
        )


if __name__ == "__main__":
    main()
