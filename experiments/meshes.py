"""What errors of a photonic mesh take from students, and what recalibration gives back.

    python experiments/meshes.py
    python experiments/meshes.py --plot

Students of 990 observables, with ResNet-18 as the teacher, are fitted to the 60,000 training images
of MNIST and scored on the 10,000 test images. "filters" are 55 filters of 7 x 7 on a grid of 3 x 3,
both sides of a threshold. "monomials" are all products of 43 PCA coordinates. Their settings are
those of `convolutional.py`. "filters, aware" expects errors (`multiplicative_noise`). Their size is
chosen on chips with the phase error of the row, by a sixth of the training images, which the
student has not seen then.

`accuracy` is the mean over chips, and `worst` the accuracy of the worst chip. Errors have the units
of `sklearn_koopman.deployment.Hardware`. "all" is phase_error=0.05, splitter_error=0.01,
interferometer_loss=0.1, crosstalk=0.002 and phase_bits=8. 5,000 training images calibrate the
chips. Writes meshes.csv; --plot draws docs/images/meshes.png.
"""

from dataclasses import dataclass
from functools import cache

from sklearn.pipeline import make_pipeline

from experiments import convolutional, runner
from experiments.images import split
from sklearn_koopman import ConvolutionalLifter, KoopmanDistilledClassifier
from sklearn_koopman.deployment import Hardware, hardware_curve, to_mesh
from sklearn_koopman.meshes import LAYOUTS

DATASET = "mnist"
LIFTERS = {
    "filters": ConvolutionalLifter(
        (28, 28), n_filters=55, filter_size=7, grid=3, random_state=0
    ),
    "monomials": convolutional.monomials(43),
}
RIDGE = {"filters": 1e-5, "monomials": 1e-4}
AWARE_AT = [0.05, 0.1, 0.2]
AWARE_OF = [0.0, 0.05, 0.1, 0.2, 0.4]
N_STEPS = 60
N_CALIBRATION = 5000
ALL = {
    "phase_error": 0.05,
    "splitter_error": 0.01,
    "interferometer_loss": 0.1,
    "crosstalk": 0.002,
    "phase_bits": 8,
}
VALUES = {
    "phase_error": [0.01, 0.02, 0.05, 0.1, 0.2],
    "splitter_error": [0.01, 0.03, 0.1],
    "interferometer_loss": [0.05, 0.1, 0.3],
    "crosstalk": [0.001, 0.002, 0.01],
    "phase_bits": [5, 6, 8],
}


@dataclass(frozen=True)
class Spec:
    """A student on chips of one kind."""

    student: str
    layout: str
    error: str
    value: float
    steps: int


def specs():
    """Return all specs."""
    found = [Spec("filters", layout, "none", 0.0, 0) for layout in LAYOUTS]
    found += [
        Spec("filters", layout, error, value, steps)
        for error, values in VALUES.items()
        for layout in (LAYOUTS if error == "phase_error" else ["tree"])
        for value in values[: runner.full_or_quick(None, 1)]
        for steps in (0, N_STEPS)
    ]
    found += [
        Spec("filters", layout, "all", 0.0, n) for layout in LAYOUTS for n in (0, N_STEPS)
    ]
    found += [Spec("filters, aware", "tree", "phase_error", v, 0) for v in AWARE_AT]
    found += [Spec("monomials", "tree", "none", 0.0, 0)]
    found += [Spec("monomials", "tree", "phase_error", 0.05, steps) for steps in (0, N_STEPS)]
    return found


@cache
def lifted(name):
    """Return a fitted dictionary and the observables of all training images."""
    X = rows().X
    lifter = convolutional.seeded(LIFTERS[name], 0).fit(X)
    return lifter, lifter.transform(X)


def rows():
    """Return training and test images, with the teacher's outputs."""
    found = convolutional.rows_of(DATASET, held_out=False)
    few = slice(runner.full_or_quick(None, 1000))
    return convolutional.Rows(*(each[few] for each in vars(found).values()))


@cache
def fitted(name, noise=0.0, seen_alone=False):
    """Return a student, fitted to all training images, or to those that are not held out."""
    data, (lifter, Z) = rows(), lifted(name)
    chosen = split(data.y)[0] if seen_alone else slice(None)
    matrix = KoopmanDistilledClassifier(
        soft_weight=0.5,
        temperature=2.0,
        ridge=RIDGE[name],
        multiplicative_noise=noise,
        tol=1e-4,
    )
    matrix.fit(Z[chosen], data.y[chosen], soft_labels=data.logits[chosen])
    return make_pipeline(lifter, matrix)


def accuracies(student, spec, X, y):
    """Return the accuracies of some chips."""
    errors = ALL if spec.error == "all" else {spec.error: spec.value}
    settings = {} if spec.error == "none" else errors
    if settings.get("phase_bits"):
        settings = settings | {"phase_bits": int(settings["phase_bits"])}
    return hardware_curve(
        student,
        X,
        y,
        vary="recalibration_steps",
        values=[runner.full_or_quick(spec.steps, min(spec.steps, 2))],
        X_calibration=rows().X[:N_CALIBRATION],
        hardware=Hardware(mesh=spec.layout, **settings),
        n_chips=runner.full_or_quick(1 if not settings else 3, 1),
        random_state=0,
    )[0]


@cache
def noise_that_helps(spec):
    """Return the size of errors that a student should expect, chosen on held-out images."""
    data = rows()
    held = split(data.y)[1]
    found = {
        noise: accuracies(
            fitted("filters", noise, seen_alone=True), spec, data.X[held], data.y[held]
        ).mean()
        for noise in runner.full_or_quick(AWARE_OF, AWARE_OF[:2])
    }
    return max(found, key=found.get)


def measure(spec):
    """Return the row of a student on its chips."""
    data = rows()
    noise = noise_that_helps(spec) if spec.student.endswith("aware") else 0.0
    student = fitted(spec.student.split(",")[0], noise)
    found = accuracies(student, spec, data.X_test, data.y_test)
    mesh = to_mesh(student, data.X[:N_CALIBRATION], layout=spec.layout)
    return {
        "expected_noise": noise,
        "observables": student[-1].coef_.shape[1],
        "interferometers": mesh.n_interferometers,
        "depth": mesh.depth,
        "chips": len(found),
        "accuracy": round(float(found.mean()), 5),
        "worst": round(float(found.min()), 5),
    }


def plot():
    """Draw accuracy against the error of phases, before and after recalibration."""
    import matplotlib.pyplot as plt

    table = runner.Results("meshes.csv", [])
    figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
    colors = dict(zip(LAYOUTS, (runner.STUDENT, runner.FILTERS, runner.ANOTHER), strict=True))
    for layout, color in colors.items():
        for steps, style in ((0, "--"), (N_STEPS, "-")):
            found = table.where(
                student="filters", layout=layout, error="phase_error", steps=steps
            )
            ax.plot(
                [float(row["value"]) for row in found],
                [100 * float(row["accuracy"]) for row in found],
                style,
                marker="o",
                color=color,
                label=f"{layout.capitalize()}, {'recalibrated' if steps else 'as made'}",
            )
    ax.set(xscale="log", xlabel="error of a phase (rad)", ylabel="test accuracy (%)")
    ticks = VALUES["phase_error"]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower left")
    runner.save_picture(figure, "meshes", dpi=130)


def parser():
    """Return the parser of the command line."""
    return runner.experiment_parser(__doc__, plot=True)


def main():
    """Measure the missing rows, show the table, or draw it."""
    options = runner.parse(parser())
    results = runner.Results("meshes.csv", ["student", "layout", "error", "value", "steps"])
    runner.carry_out(options, results, specs(), measure, plot)


if __name__ == "__main__":
    main()
