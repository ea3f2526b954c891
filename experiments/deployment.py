"""What students lose on the way to hardware, with few bits and with noise.

    python experiments/deployment.py bits --dataset mnist
    python experiments/deployment.py noise --dataset fashion_mnist
    python experiments/deployment.py noise --plot

The students are those of experiments/results/table.csv (PCA 40, degree 2). Their settings were
chosen there, without the test images. For MNIST it is the student distilled from the perceptron,
for Fashion-MNIST the one that learns from labels. All are fitted to the 60,000 training images and
scored on the 10,000 test images.

"bits" writes bits-DATASET.csv, and "noise" writes noise-DATASET.csv. Where chips are drawn at
random, accuracies are means over 10 chips. A student may know of the noise. Knowing all of it is
not always best, as the bound that distillation minimises is far from tight. So the share is chosen
from 0, 1/10, 3/10 and all of it: students are fitted to 20,000 training images, and the best on
chips wins, judged by 10,000 other training images. --plot draws docs/images/deployment.png from all
of these tables.
"""

from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from experiments import runner, table
from experiments.images import DATASETS, images, split
from experiments.teachers import teacher
from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.deployment import HardwareDisplay, hardware_curve, quantise_student

STUDENT = {"mnist": "exact", "fashion_mnist": "no teacher"}
BITS = [2, 3, 4, 5, 6, 8]
# For each kind of noise: its sizes, and the parameter by which students know of it.
NOISE = {
    "multiplicative_noise": ([0.0, 0.1, 0.2, 0.5, 1.0], "multiplicative_noise"),
    "observable_noise": ([0.0, 0.03, 0.1, 0.3], "additive_noise"),
    "additive_noise": ([0.0, 0.003, 0.01, 0.03], None),
    "drift_decades": ([0.0, 2.0, 4.0, 6.0], None),
    "photoelectrons": ([1e2, 1e3, 1e4, 1e5], None),
    "activation_bits": ([3, 4, 5, 6, 8], None),
}
AWARE_OF = [0.0, 0.1, 0.3, 1.0]
# How weights are rounded: the levels, the scale, and which weights.
ROUNDED = [
    ("uniform", "row", "matrix"),
    ("uniform", "matrix", "matrix"),
    ("logarithmic", "row", "matrix"),
    ("uniform", "row", "matrix and PCA"),
]


@dataclass(frozen=True)
class Bits:
    """A student with rounded weights."""

    bits: str
    levels: str
    scale: str
    rounded: str
    rounding: str


@dataclass(frozen=True)
class Noise:
    """A student on noisy chips; it knows of the noise or not."""

    property: str
    value: float
    student: str


def student_of(dataset, components, degree):
    """Return the unfitted student of a row of the table."""
    row = table.row_of(table.Spec(dataset, "mlp", components, degree, STUDENT[dataset]))
    return KoopmanDistilledClassifier(
        **table.settings_in(row),
        tol=1e-5,
        lifter=make_pipeline(PCA(components, random_state=0), MonomialLifter(degree)),
    )


def soft_labels(dataset):
    """Return the teacher's outputs for the training rows, None if the labels are enough."""
    if STUDENT[dataset] != "exact":
        return None
    return teacher(dataset, "mlp")(images(dataset, "train")[0])


@cache
def fitted(dataset, components=40, degree=2, few=False, **noise):
    """Return a student, fitted to all rows, or to some of those that are not held out."""
    X, y = images(dataset, "train")
    soft = soft_labels(dataset)
    rows = split(y)[0][:20_000] if few else slice(None)
    student = student_of(dataset, components, degree).set_params(**noise)
    return student.fit(X[rows], y[rows], soft_labels=None if soft is None else soft[rows])


def measure_bits(dataset, spec):
    """Return the accuracy after rounding, and the points that are lost."""
    X, _ = images(dataset, "train")
    test = images(dataset, "test")
    student = fitted(dataset)
    exact = student.score(*test)
    if spec.rounded == "nothing":
        return {"accuracy": round(exact, 5), "points_lost": 0.0}
    bits = int(spec.bits)
    accuracy = quantise_student(
        student,
        X,
        bits=bits,
        reducer_bits=bits if spec.rounded == "matrix and PCA" else None,
        levels=spec.levels,
        scale=spec.scale,
        feedback=spec.rounding == "error feedback",
    ).score(*test)
    return {"accuracy": round(accuracy, 5), "points_lost": round(100 * (exact - accuracy), 2)}


def specs_of_bits():
    """Return the spec of a student that is not rounded, and those of all that are."""
    return [
        Bits("", "", "", "nothing", ""),
        *(
            Bits(str(bits), *how, rounding)
            for how in ROUNDED
            for bits in BITS
            for rounding in ("plain", "error feedback")
        ),
    ]


def on_chips(model, X, y, spec, n_chips=10):
    """Return the mean accuracy over chips."""
    if not spec.value:
        return model.score(X, y)
    settings = {"X_calibration": X[:1000], "n_chips": n_chips, "random_state": 0}
    curve = hardware_curve(model, X, y, vary=spec.property, values=[spec.value], **settings)
    return curve.mean()


def measure_noise(dataset, spec):
    """Return the noise that a student knows of, and its accuracy."""
    test = images(dataset, "test")
    known, n_chips = 0.0, 1 if spec.property == "activation_bits" else 10
    noise = {}
    if spec.student == "aware":
        known = knowledge(dataset, spec)
        noise = {NOISE[spec.property][1]: known} if known else {}
    accuracy = on_chips(fitted(dataset, **noise), *test, spec, runner.full_or_quick(n_chips, 1))
    return {"aware_of": round(known, 5), "accuracy": round(accuracy, 5)}


def knowledge(dataset, spec):
    """Return the noise that a student should know of, chosen on held-out images."""
    X, y = images(dataset, "train")
    _, held = split(y)
    scores = []
    for share in AWARE_OF:
        noise = {NOISE[spec.property][1]: round(share * spec.value, 6)}
        student = fitted(dataset, few=True, **noise)
        scores.append(on_chips(student, X[held], y[held], spec, runner.full_or_quick(3, 1)))
    return AWARE_OF[int(np.argmax(scores))] * spec.value


def specs_of_noise():
    """Return the students for every kind of noise: plain ones, and aware ones if possible."""
    return [
        Noise(vary, value, student)
        for vary, (values, parameter) in NOISE.items()
        for value, student in product(values, ("plain", "aware"))
        if student == "plain" or (parameter is not None and value)
    ]


def plot():
    """Draw what bits and noise take away."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, 3, figsize=(11, 6.4), sharex="col", sharey="row", layout="constrained"
    )
    for dataset, row in zip(STUDENT, axes, strict=True):
        bits = [line for line in results_of("bits", dataset).rows() if line["bits"]]
        curves = {}
        for line in bits:
            if (line["levels"], line["scale"]) == ("uniform", "row"):
                name = f"{line['rounded']}, {line['rounding']}"
                curves.setdefault(name, []).append([float(line["accuracy"])])
        curves = {name: np.array(values) for name, values in curves.items()}
        row[0].set_prop_cycle(color=["0.5", runner.STUDENT, "0.75", runner.FILTERS])
        HardwareDisplay(BITS, curves, vary="weight_bits").plot(row[0])
        noise = results_of("noise", dataset).rows()
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
            ax.set_prop_cycle(color=[runner.STUDENT, runner.ANOTHER])
            HardwareDisplay(values, curves, vary=vary).plot(ax)
        for ax in row:
            ax.set_title({"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}[dataset])
            ax.grid(alpha=0.3)
            ax.label_outer(remove_inner_ticks=False)
            ax.legend(frameon=False)
    runner.save_picture(figure, "deployment", dpi=110)


def results_of(part, dataset):
    """Return the table of a part and a data set."""
    key = {
        "bits": ("bits", "levels", "scale", "rounded", "rounding"),
        "noise": ("property", "value", "student"),
    }[part]
    return runner.Results(f"{part}-{dataset}.csv", key)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("part", choices=["bits", "noise"])
    made.add_argument("--dataset", choices=DATASETS, default="mnist")
    return made


def main():
    """Measure, draw or show one part."""
    options = runner.parse(parser())
    specs, measure = {
        "bits": (specs_of_bits(), measure_bits),
        "noise": (specs_of_noise(), measure_noise),
    }[options.part]
    results = results_of(options.part, options.dataset)
    runner.carry_out(options, results, specs, partial(measure, options.dataset), plot)


if __name__ == "__main__":
    main()
