"""How long one row takes: a compiled student, its pipeline, onnxruntime, and the teacher.

    OMP_NUM_THREADS=1 python benchmarks/bench_single_row.py

Students of the perceptron of the tables (784-512-256-10) on MNIST judge one image at a time, on one
thread each, all in turns. `deployment.compile` and the pipeline that it compiles give a label.
onnxruntime gives label and probabilities. The teacher runs in torch and in onnxruntime. It has been
trained with one pass over some rows only, as its accuracy makes no difference to the time. The
table has medians in microseconds, and compares labels and logits of all test images. Writes
benchmarks/results/single_row.csv.
"""

import numpy as np
import torch
from sklearn.decomposition import PCA

from benchmarks import runner
from benchmarks.bench_deployment import session, teacher_graph
from experiments.images import images
from experiments.teachers import make_mlp
from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, RBFLifter
from sklearn_koopman.deployment import compile, to_onnx
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.teachers import TorchTeacher

LIFTERS = {
    "PCA 40, degree 2": (40, MonomialLifter(2)),
    "PCA 20, degree 3": (20, MonomialLifter(3)),
    "PCA 30, degree 3": (30, MonomialLifter(3)),
    "PCA 40, 500 Gaussians": (40, RBFLifter(500, random_state=0)),
}
N_ROWS = 20_000
N_CALLS = 50


def trained_once(X, y):
    """Return the perceptron after one pass over the rows."""
    torch.manual_seed(0)
    network = make_mlp()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    rows, labels = torch.as_tensor(X), torch.as_tensor(y.astype(int))
    for batch in torch.randperm(len(rows)).split(128):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(rows[batch]), labels[batch]).backward()
        optimiser.step()
    return network.eval()


def microseconds(sides, repeats):
    """Return the median time of a call of each side; they take turns."""

    def calls(side):
        return [runner.seconds(side) for _ in range(N_CALLS)]

    timed = {name: lambda side=side: calls(side) for name, side in sides.items()}
    found = runner.in_turns(timed, repeats, warm_up=1)
    return {
        name: 1e6 * runner.median_of(np.concatenate(times)) for name, times in found.items()
    }


def in_torch(network, row):
    """Return a function that judges a row with the teacher."""
    tensor = torch.as_tensor(row)

    def judge():
        with torch.inference_mode():
            return network(tensor).argmax(1)

    return judge


def in_onnx(model, row):
    """Return a function that judges a row with onnxruntime."""
    ready = session(model)
    return lambda: ready.run(None, {"X": row})


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__, repeats=60)


def main():
    """Run the benchmark and write its table."""
    args = runner.parse(parser())
    torch.set_num_threads(1)
    X, y = (part[: runner.full_or_quick(N_ROWS, 2000)] for part in images("mnist", "train"))
    X_test, _ = images("mnist", "test")
    row = X_test[:1]
    network = trained_once(X, y)
    of_teacher = {
        "teacher, torch": in_torch(network, row),
        "teacher, onnxruntime": in_onnx(teacher_graph(network), row),
    }
    results = runner.Measurements("single_row.csv", ["student"])
    for name, (n_components, lifter) in LIFTERS.items():
        student = make_pipeline(
            PCA(n_components, random_state=0),
            lifter,
            KoopmanDistilledClassifier(TorchTeacher(network), ridge=1e-4, tol=1e-4),
        ).fit(X, y)
        compiled = compile(student)
        sides = {
            "compiled": lambda compiled=compiled: compiled.predict(row),
            "compiled, probabilities": lambda compiled=compiled: compiled.predict_proba(row),
            "pipeline": lambda student=student: student.predict(row),
            "onnxruntime": in_onnx(to_onnx(student, row), row),
            **of_teacher,
        }
        times = microseconds(sides, args.repeats)
        gap = np.abs(compiled.decision_function(X_test) - student.decision_function(X_test))
        same = compiled.predict(X_test) == student.predict(X_test)
        results.add(
            {
                "student": name,
                "observables": student[-1].coef_.shape[1],
                **{f"{side}, us": round(time, 1) for side, time in times.items()},
                "labels equal": round(float(same.mean()), 5),
                "largest difference of logits": f"{gap.max():.1e}",
            }
        )


if __name__ == "__main__":
    main()
