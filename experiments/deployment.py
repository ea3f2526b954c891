"""What students lose on the way to hardware: ONNX, few bits, noise.

    python benchmarks/bench_deployment.py onnx
    python benchmarks/bench_deployment.py bits --dataset mnist
    python benchmarks/bench_deployment.py noise --dataset fashion_mnist
    python benchmarks/bench_deployment.py plot

Students are those of benchmarks/results/table.csv (PCA 40, degree 2, and for ONNX also PCA 20,
degree 3): settings were chosen there, without the test images; on MNIST the distilled student of
the perceptron, on Fashion-MNIST the one that learns from labels. All are fitted to the 60,000
training images and scored on the 10,000 test images.

"onnx" writes onnx.csv: labels and probabilities of onnxruntime beside those of the student, bytes
of the file, and the median time of a single image, one thread, all models in turns. The teacher's
graph is made of Gemm and Relu, and gives label and probabilities too.

"bits" writes bits-DATASET.csv, "noise" writes noise-DATASET.csv: accuracies, mean over 10 chips
where chips are drawn at random. How much of the noise a student should know of (the bound that
distillation minimises is far from tight) is chosen from 0, 1/10, 3/10 and all of it: 10,000
training images are held out from students fitted to 20,000 others, and the best on chips wins.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from teachers import FETCH, load_or_train, split

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import (
    HardwareDisplay,
    hardware_curve,
    quantise_student,
    to_onnx,
)
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
STUDENT = {"mnist": "exact", "fashion_mnist": "no teacher"}
BITS = [2, 3, 4, 5, 6, 8]
# By how much of its kind of noise, the parameter of students that knows of it.
NOISE = {
    "multiplicative_noise": ([0.0, 0.1, 0.2, 0.5, 1.0], "multiplicative_noise"),
    "observable_noise": ([0.0, 0.03, 0.1, 0.3], "additive_noise"),
    "additive_noise": ([0.0, 0.003, 0.01, 0.03], None),
    "drift_decades": ([0.0, 2.0, 4.0, 6.0], None),
    "photoelectrons": ([1e2, 1e3, 1e4, 1e5], None),
    "activation_bits": ([3, 4, 5, 6, 8], None),
}
AWARE_OF = [0.0, 0.1, 0.3, 1.0]


def student_of(dataset, components, degree):
    """Return the student of a row of the table, not fitted."""
    with (RESULTS / "table.csv").open() as file:
        (row,) = (
            row
            for row in csv.DictReader(file)
            if (row["dataset"], row["teacher"]) == (dataset, "mlp")
            and (int(row["components"]), int(row["degree"])) == (components, degree)
            and (row["method"], row["transfer_set"]) == (STUDENT[dataset], "none")
        )
    lifter = make_pipeline(PCA(components, random_state=0), MonomialLifter(degree))
    return KoopmanDistilledClassifier(
        soft_weight=float(row["soft_weight"]),
        temperature=float(row["temperature"]),
        ridge=float(row["ridge"]),
        tol=1e-5,
        lifter=lifter,
    )


def load(dataset):
    """Return training rows, labels and soft targets (None where labels will do), and the test's."""
    X, y = FETCH[dataset]("train", return_X_y=True)
    X_test, y_test = FETCH[dataset]("test", return_X_y=True)
    soft = None
    if STUDENT[dataset] == "exact":
        soft = TorchTeacher(load_or_train(dataset, "mlp"))(X)
    return X, y, soft, X_test, y_test


def fit(student, X, y, soft, rows=slice(None)):
    """Return the student, fitted to some rows."""
    return clone(student).fit(
        X[rows], y[rows], soft_labels=None if soft is None else soft[rows]
    )


def teacher_graph(module):
    """Return the perceptron as an ONNX model with the outputs of a student."""
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
    """Return a graph that does next to nothing: what a call costs by itself."""
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


def latencies(sessions, row, n_rounds=40, n_calls=100):
    """Return the median time of a call of each session, in seconds; they take turns."""
    times = np.empty((n_rounds, len(sessions)))
    for i in range(n_rounds):
        for j, each in enumerate(sessions):
            start = time.perf_counter()
            for _ in range(n_calls):
                each.run(None, {"X": row})
            times[i, j] = (time.perf_counter() - start) / n_calls
    return np.median(times, axis=0)


def run_onnx():
    X, y, soft, X_test, y_test = load("mnist")
    module = load_or_train("mnist", "mlp")
    models = {"nothing": (identity_graph(), None), "perceptron": (teacher_graph(module), None)}
    for components, degree in [(40, 2), (20, 3)]:
        student = fit(student_of("mnist", components, degree), X, y, soft)
        name = f"PCA {components}, degree {degree}"
        models[name] = (to_onnx(student, X_test[:1]), student)
    sessions = {name: session(model) for name, (model, _) in models.items()}
    times = latencies(list(sessions.values()), X_test[:1])
    seconds = dict(zip(sessions, times, strict=True))
    with writing("onnx.csv") as write:
        write(
            [
                "model",
                "accuracy",
                "labels_equal",
                "largest_probability_difference",
                "bytes",
                "nodes",
                "microseconds",
                "times_faster",
            ]
        )
        for name, (model, student) in models.items():
            accuracy = equal = difference = ""
            if name != "nothing":
                label, probabilities = sessions[name].run(None, {"X": X_test})
                accuracy = np.mean(label == y_test)
            if student is not None:
                equal = np.mean(label == student.predict(X_test))
                difference = (
                    f"{np.abs(probabilities - student.predict_proba(X_test)).max():.1e}"
                )
            write(
                [
                    name,
                    accuracy,
                    equal,
                    difference,
                    model.ByteSize(),
                    len(model.graph.node),
                    round(1e6 * seconds[name], 1),
                    round(seconds["perceptron"] / seconds[name], 2),
                ]
            )


def run_bits(dataset):
    X, y, soft, X_test, y_test = load(dataset)
    student = fit(student_of(dataset, 40, 2), X, y, soft)
    with writing(f"bits-{dataset}.csv") as write:
        write(["bits", "levels", "scale", "rounded", "rounding", "accuracy", "points_lost"])
        exact = student.score(X_test, y_test)
        write(["", "", "", "nothing", "", exact, 0.0])
        for levels, scale, rounded in [
            ("uniform", "row", "matrix"),
            ("uniform", "matrix", "matrix"),
            ("logarithmic", "row", "matrix"),
            ("uniform", "row", "matrix and PCA"),
        ]:
            for bits in BITS:
                for rounding in ("plain", "error feedback"):
                    accuracy = quantise_student(
                        student,
                        X,
                        bits=bits,
                        reducer_bits=bits if rounded == "matrix and PCA" else None,
                        levels=levels,
                        scale=scale,
                        feedback=rounding == "error feedback",
                    ).score(X_test, y_test)
                    lost = round(100 * (exact - accuracy), 2)
                    write([bits, levels, scale, rounded, rounding, accuracy, lost])


def run_noise(dataset):
    X, y, soft, X_test, y_test = load(dataset)
    student = student_of(dataset, 40, 2)
    rows, held = split(y)
    rows = rows[:20_000]
    plain = fit(student, X, y, soft)

    def on_chips(model, X, y, vary, value, n_chips=10):
        if not value:
            return model.score(X, y)
        settings = {"X_calibration": X[:1000], "n_chips": n_chips, "random_state": 0}
        return hardware_curve(model, X, y, vary=vary, values=[value], **settings).mean()

    with writing(f"noise-{dataset}.csv") as write:
        write(["property", "value", "student", "aware_of", "accuracy"])
        for vary, (values, parameter) in NOISE.items():
            if parameter is not None:
                few = {}  # students fitted to the 20,000, by what they are aware of
            for value in values:
                n_chips = 1 if vary == "activation_bits" else 10
                write(
                    [
                        vary,
                        value,
                        "plain",
                        0.0,
                        on_chips(plain, X_test, y_test, vary, value, n_chips),
                    ]
                )
                if parameter is None or value == 0:
                    continue
                scores = []
                for share in AWARE_OF:
                    known = round(share * value, 6)
                    if known not in few:
                        few[known] = fit(
                            student.set_params(**{parameter: known}), X, y, soft, rows
                        )
                    scores.append(on_chips(few[known], X[held], y[held], vary, value, 3))
                known = AWARE_OF[int(np.argmax(scores))] * value
                aware = plain
                if known:
                    aware = fit(student.set_params(**{parameter: known}), X, y, soft)
                student.set_params(**{parameter: 0.0})
                write(
                    [vary, value, "aware", known, on_chips(aware, X_test, y_test, vary, value)]
                )


class writing:
    """Write the rows of a result file one by one, and print them."""

    def __init__(self, name):
        self.file = (RESULTS / name).open("w", newline="")

    def __enter__(self):
        writer = csv.writer(self.file, lineterminator="\n")

        def write(row):
            row = [round(float(x), 5) if isinstance(x, float | np.floating) else x for x in row]
            writer.writerow(row)
            self.file.flush()
            print(*row, sep=", ", flush=True)

        return write

    def __exit__(self, *error):
        self.file.close()


def plot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    for dataset, row in zip(STUDENT, axes, strict=True):
        with (RESULTS / f"bits-{dataset}.csv").open() as file:
            bits = [line for line in csv.DictReader(file) if line["bits"]]
        curves = {}
        for line in bits:
            if (line["levels"], line["scale"]) == ("uniform", "row"):
                name = f"{line['rounded']}, {line['rounding']}"
                curves.setdefault(name, []).append([float(line["accuracy"])])
        curves = {name: np.array(values) for name, values in curves.items()}
        HardwareDisplay(BITS, curves, vary="weight_bits").plot(row[0])
        with (RESULTS / f"noise-{dataset}.csv").open() as file:
            noise = list(csv.DictReader(file))
        for ax, vary in zip(row[1:], ("multiplicative_noise", "observable_noise"), strict=True):
            values = NOISE[vary][0]
            found = {
                (line["student"], float(line["value"])): float(line["accuracy"])
                for line in noise
                if line["property"] == vary
            }
            at_zero = found["plain", 0.0]
            curves = {
                name: np.array([[found.get((name, value), at_zero)] for value in values])
                for name in ("plain", "aware")
            }
            HardwareDisplay(values, curves, vary=vary).plot(ax)
        for ax in row:
            ax.set_title(dataset)
    figure.savefig(IMAGES / "deployment.png", dpi=80)


def main():
    """Run one part and write its results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["onnx", "bits", "noise", "plot"])
    parser.add_argument("--dataset", choices=STUDENT, default="mnist")
    options = parser.parse_args()
    if options.part == "onnx":
        run_onnx()
    elif options.part == "plot":
        plot()
    else:
        {"bits": run_bits, "noise": run_noise}[options.part](options.dataset)


if __name__ == "__main__":
    main()
