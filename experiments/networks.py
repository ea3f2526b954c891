"""Whether one Koopman matrix can replace a span of layers, and what else could.

    python experiments/networks.py --parts layers layers_short all_inputs rank budget
    python experiments/networks.py --parts conv resnet yin_yang
    python experiments/networks.py --plot
    python experiments/networks.py --report

Every row of experiments/results/networks.csv is one network with one span replaced. It is fitted on
all training rows; accuracies are those of test rows. The MNIST networks are those of
`experiments/teachers.py`: "deep" (784-256-128-64-32-10, 30 epochs), "deep-short" (the same, stopped
after 2 epochs, at the published accuracy) and "lenet". The ridge is the default one, 1e-6. The
training (10 epochs, learning rate 3e-3, soft weight 0.9, temperature 2) was chosen on 10,000
held-out training images, with a network that has not seen them. The parts are:

- layers: single layers and longer spans of "deep", by dictionary, and the two kinds of training
- layers_short: the same for "deep-short"
- all_inputs: spans of "deep" whose observables are all inputs, beside the monomials of their
  leading coordinates; also trained for 5 epochs, learning rate 1e-4, soft weight 1, which was
  chosen in the same way
- rank: accuracy against the rank of the matrix
- budget: the matrix truncated or pruned, and the span's own weights truncated or pruned, at equal
  numbers of parameters, before and after the same training
- conv: spans of the convolutional network
- resnet: spans of a ResNet-18 that was trained on 50,000 of the training images, 5 epochs; the
  matrices are fitted to 20,000 of these
- yin_yang: a hidden layer of a small network

`parameters` counts the entries of the matrix (of its factors; those that are not zero) and the
numbers that the lifter has learnt (PCA, landmarks). For the original weights, it counts these.
Biases are not counted.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from torch import nn

from experiments import runner
from experiments.images import images, split
from experiments.teachers import network
from sklearn_koopman import MonomialLifter
from sklearn_koopman.datasets import make_yin_yang
from sklearn_koopman.inspection import span_report
from sklearn_koopman.networks import (
    LinearizedNetworkClassifier,
    drop_span,
    low_rank_span,
    pruned_span,
)

# Pruned weights are trained in the same way as matrices. No estimator does that.
from sklearn_koopman.networks._distil import DistillationOptions, distil

SPANS = {
    "64 -> 32": ("7", "8"),
    "128 -> 64": ("5", "6"),
    "256 -> 128": ("3", "4"),
    "256 -> 32": ("3", "8"),
    "pixels -> 32": ("1", "8"),
}
WIDTHS = {name: int(name.split()[0].replace("pixels", "784")) for name in SPANS}  # inputs
RANKS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32]
TABLE = runner.Results(
    "networks.csv",
    ("part", "network", "span", "method", "setting"),
    order=lambda row: list(PARTS).index(row["part"]),
)


@dataclass(frozen=True)
class Spec:
    """One network with one span replaced."""

    part: str
    network: str
    span: str
    method: str
    setting: str


class Case:
    """A network, a span of it, and the rows on which it is judged.

    The methods return a spec and a function that measures it. They do not measure anything yet.

    Parameters
    ----------
    part, network, span_name : str
    span : tuple of str
    load : callable
        Returns the network and its training rows, labels, test rows and labels.
    """

    def __init__(self, part, network, span_name, span, load):
        self.part, self.network = part, network
        self.span_name, self.span, self.load = span_name, span, load

    @cached_property
    def loaded(self):
        """The network and its rows."""
        return self.load()

    @cached_property
    def labels(self):
        """The network's labels of the test rows."""
        return self.labels_of(self.loaded[0])

    def spec(self, method, setting):
        """Return the spec of a method for the span."""
        return Spec(self.part, self.network, self.span_name, method, str(setting))

    def linearized(self, method, setting="", **settings):
        """Replace the span by a matrix."""
        return self.spec(method, setting), partial(self._fit_matrix, settings)

    def other(self, method, setting, parameters, change):
        """Replace the network by ``change(network, span)``."""
        return self.spec(method, setting), partial(self._measure_other, parameters, change)

    def _fit_matrix(self, settings):
        module, X, y, X_test, _ = self.loaded
        student = LinearizedNetworkClassifier(module, self.span, **settings)
        _, seconds = runner.timed(student.fit, X, y)
        return self._row(size(student), student.predict(X_test), seconds)

    def _measure_other(self, parameters, change):
        return self._row(parameters, self.labels_of(change(self.loaded[0], self.span)), 0.0)

    def labels_of(self, module):
        """Return a network's labels of the test rows."""
        X_test = self.loaded[3]
        with torch.inference_mode():
            batches = torch.as_tensor(X_test).split(2000)
            return torch.cat([module(batch).argmax(1) for batch in batches]).numpy()

    def _row(self, parameters, labels, seconds):
        y_test = self.loaded[4]
        return {
            "parameters": parameters,
            "accuracy": round(float(np.mean(labels == y_test)), 4),
            "fidelity": round(float(np.mean(labels == self.labels)), 4),
            "teacher": round(float(np.mean(self.labels == y_test)), 4),
            "seconds": round(seconds, 2),
        }

    def pruned_and_trained(self, n_parameters, module, span):
        """Return a pruned network. Its span is trained as in `LinearizedNetworkClassifier`."""
        pruned = deepcopy(pruned_span(module, span, n_parameters))
        first, last = map(int, span)
        weights = [each.weight for each in pruned[first : last + 1] if hasattr(each, "weight")]
        masks = [(weight != 0).to(weight) for weight in weights]
        X, y = map(torch.as_tensor, self.loaded[1:3])
        with torch.inference_mode():
            soft = torch.cat([module(batch) for batch in X.split(2000)])
        epochs = training()["epochs"]
        distil(
            pruned,
            weights,
            masks,
            lambda rows: (X[rows], soft[rows].clone(), y[rows]),
            torch.ones(len(X)),
            DistillationOptions(epochs, 0.9, 2.0, 1e-3, 256, 0),
            np.random.RandomState(0),
        )
        return pruned


def training(epochs=10, **settings):
    """Return the settings of training."""
    epochs = runner.full_or_quick(epochs, 1)
    return {"epochs": epochs, "learning_rate": 3e-3, "random_state": 0} | settings


def size(student):
    """Return how many numbers replace the span."""
    layer = student.linearized_.koopman_0
    matrices = sum(int(w.count_nonzero()) for w in layer.readout.parameters() if w.ndim > 1)
    learnt = (parameter for parameter in layer.lift.parameters() if parameter.ndim > 1)
    return matrices + sum(parameter.numel() for parameter in learnt)


def monomials(p, degree=2):
    """Return the monomials of leading coordinates."""
    return make_pipeline(PCA(p, svd_solver="full", random_state=0), MonomialLifter(degree))


def on_mnist(kind):
    """Return a network and its rows."""
    return network("mnist", kind), *images("mnist", "train"), *images("mnist", "test")


def case_of(part, name, kind="deep"):
    """Return a span of one of the perceptrons."""
    return Case(part, kind, name, SPANS[name], partial(on_mnist, kind))


def layers(part="layers", kind="deep"):
    """Yield single layers and longer spans."""
    for name, width in WIDTHS.items():
        case = case_of(part, name, kind)
        p = 30 if width <= 64 else 60
        whitened = PCA(30, whiten=True, random_state=0)
        scaled = StandardScaler() if width <= 256 else whitened
        n_landmarks = runner.full_or_quick(1000, 50)
        landmarks = Nystroem(n_components=n_landmarks, random_state=0)
        gaussians = make_pipeline(scaled, landmarks)
        setting = f"PCA {p}, degree 2"
        yield case.linearized("affine")
        yield case.linearized("monomials", setting, lifter=monomials(p))
        yield case.linearized("Gaussians", "1000 landmarks", lifter=gaussians)
        if name in ("256 -> 32", "pixels -> 32"):  # other spans need no training
            yield case.linearized("affine, trained", **training())
            yield case.linearized("affine, tail trained", trained="tail", **training())
            yield case.linearized(
                "monomials, trained", setting, lifter=monomials(p), **training()
            )


def all_inputs():
    """Yield spans whose observables are all inputs and monomials."""
    gentle = training(5, learning_rate=1e-4, soft_weight=1.0)
    for name in ("64 -> 32", "128 -> 64", "256 -> 128", "256 -> 32"):
        case = case_of("all_inputs", name)
        p = 30 if name == "64 -> 32" else 60
        # These observables are linearly dependent. The ridge takes care of that.
        settings = {"lifter": make_union(StandardScaler(), monomials(p)), "ridge": 1e-5}
        setting = f"all inputs, PCA {p}, degree 2"
        yield case.linearized("monomials", setting, **settings)
        yield case.linearized("monomials, trained", setting, **settings, **gentle)


def rank():
    """Yield matrices of each rank."""
    for name in SPANS:
        case = case_of("rank", name)
        p = 30 if name == "64 -> 32" else 60
        for r in RANKS:
            yield case.linearized("monomials", r, lifter=monomials(p), rank=r)


def budget():
    """Yield all methods for a span at equal numbers of parameters."""
    case = case_of("budget", "256 -> 32")
    n_in, n_out = 256, 32
    whole = 256 * 128 + 128 * 64 + 64 * 32
    for fraction in (2, 4, 8, 16, 32, 64):
        n = whole // fraction
        setting = f"1/{fraction}"
        for method, change in (
            ("weights, low rank", lambda *network, n=n: low_rank_span(*network, n)[0]),
            ("weights, pruned", lambda *network, n=n: pruned_span(*network, n)),
            ("weights, pruned, trained", partial(case.pruned_and_trained, n)),
        ):
            yield case.other(method, setting, n, change)
        matrices = {}
        r = n // (n_in + n_out)
        if 0 < r < n_out:
            matrices["affine, low rank"] = setting, {"rank": r}
        density = n / (n_in * n_out)
        if density < 1:
            matrices["affine, pruned"] = setting, {"density": density}
        p = min(20, n // 2 // n_in)
        if p >= 4:
            density = (n - p * n_in) / ((p + 1) * (p + 2) // 2 * n_out)
            settings = {"lifter": monomials(p), "density": density if density < 1 else None}
            matrices["monomials, pruned"] = f"{setting}, PCA {p}", settings
        for method, (said, settings) in matrices.items():
            yield case.linearized(method, said, **settings)
            yield case.linearized(f"{method}, trained", said, **settings, **training())


def conv():
    """Yield spans of the convolutional network."""
    maps = {"layout": "channels_first", "kernel_size": 6}
    for name, span, settings, p in [
        ("convolution 6 -> 16, pooled", ("4", "6"), maps, 40),
        ("convolution 6 -> 16, pooled, as a whole", ("4", "6"), {}, 100),
        ("dense 400 -> 120 -> 84", ("8", "11"), {}, 60),
        ("dense 120 -> 84", ("10", "11"), {}, 60),
        ("convolution to 84", ("4", "11"), {}, 100),
    ]:
        case = Case("conv", "lenet", name, span, partial(on_mnist, "lenet"))
        quadratic = settings | {"lifter": monomials(p)}
        setting = f"PCA {p}, degree 2"
        yield case.linearized("affine", **settings)
        yield case.linearized("monomials", setting, **quadratic)
        if p < 100:
            yield case.linearized("affine, trained", **settings, **training(3))
            yield case.linearized("monomials, trained", setting, **quadratic, **training(3))


@cache
def resnet_and_rows(n_rows=20_000):
    """Return ResNet-18 and some of its training rows."""
    X, y = images("mnist", "train")
    rows = split(y)[0][:n_rows]
    return (
        network("mnist", "resnet18", held_out=True),
        X[rows],
        y[rows],
        *images("mnist", "test"),
    )


def resnet():
    """Yield spans of ResNet-18."""
    for name, span in [
        ("last block", ("1.layer4.1", "1.layer4.1")),
        ("last stage, pooled", ("1.layer4", "1.avgpool")),
    ]:
        case = Case("resnet", "resnet18", name, span, resnet_and_rows)
        if name == "last block":
            yield case.other("identity", "", 0, drop_span)
        yield case.linearized("affine", ridge=1e-4)
        lifter = make_union(StandardScaler(), monomials(60))
        setting = "all inputs, PCA 60, degree 2"
        yield case.linearized("monomials", setting, lifter=lifter, ridge=1e-4)


@cache
def yin_yang_and_rows():
    """Return the small network and its rows."""
    data = []
    for n_samples, seed in ((5000, 42), (1000, 40)):
        X, y = make_yin_yang(n_samples, random_state=seed)
        data += [X.astype(np.float32), y]
    return yin_yang_network(*data[:2], n_epochs=runner.full_or_quick(300, 10)), *data


def yin_yang():
    """Yield hidden layers of a small network."""
    for name, span in [("30 -> 30", ("2", "3")), ("30 -> 30 -> 30", ("2", "5"))]:
        case = Case("yin_yang", "4-30-30-30-3", name, span, yin_yang_and_rows)
        quadratic, cubic = ({"lifter": MonomialLifter(q), "ridge": 1e-4} for q in (2, 3))
        gaussians = make_pipeline(StandardScaler(), Nystroem(n_components=500, random_state=0))
        yield case.other("identity", "", 0, drop_span)
        yield case.linearized("affine")
        yield case.linearized("monomials", "degree 2", **quadratic)
        yield case.linearized("monomials", "degree 3", **cubic)
        yield case.linearized("Gaussians", "500 landmarks", lifter=gaussians)
        yield case.linearized("affine, trained", **training(30))
        yield case.linearized("monomials, trained", "degree 2", **quadratic, **training(30))


def yin_yang_network(X, y, n_epochs):
    """Return a network of three hidden layers, trained by one-cycle Adam."""
    torch.manual_seed(0)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    widths = [4, 30, 30, 30]
    hidden = [(nn.Linear(*widths[i : i + 2]), nn.ReLU()) for i in range(3)]
    module = nn.Sequential(*(layer for pair in hidden for layer in pair), nn.Linear(30, 3))
    optimizer = torch.optim.Adam(module.parameters())
    n_steps = n_epochs * -(-len(X) // 100)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=n_steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X), generator=generator).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(X[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return module.eval()


PARTS = {
    "layers_short": partial(layers, "layers_short", "deep-short"),
    "layers": layers,
    "all_inputs": all_inputs,
    "rank": rank,
    "budget": budget,
    "conv": conv,
    "resnet": resnet,
    "yin_yang": yin_yang,
}


def report():
    """Print all methods for one span, with a quarter of the numbers of the affine map."""
    module, X, y, X_test, y_test = on_mnist("deep")
    student = LinearizedNetworkClassifier(
        module, SPANS["256 -> 32"], density=0.25, **training()
    )
    tail_epochs = training()["epochs"]
    print(
        span_report(
            student, X, y, X_test=X_test, y_test=y_test, tail_epochs=tail_epochs, verbose=2
        )
    )


def plot():
    """Draw accuracy against rank, and against the number of parameters."""
    import matplotlib.pyplot as plt

    rows = TABLE.rows()
    figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    axes[0].set_prop_cycle(
        color=[runner.FILTERS, runner.ANOTHER, runner.EDMD, runner.STUDENT, runner.NO_TEACHER]
    )
    for name in SPANS:
        curve = [row for row in rows if row["part"] == "rank" and row["span"] == name]
        x, y = ([float(row[key]) for row in curve] for key in ("setting", "accuracy"))
        axes[0].plot(x, np.multiply(y, 100), "o-", label=name)
    axes[0].set(xlabel="rank of the matrix", ylabel="test accuracy (%)", ylim=(85, 99))
    axes[0].legend(frameon=False, loc="lower right")
    colors = {"affine": runner.STUDENT, "monomials": runner.FILTERS, "weights": runner.TEACHER}
    chosen = [row for row in rows if row["part"] == "budget" and row["span"] == "256 -> 32"]
    for method in sorted({row["method"] for row in chosen}):
        curve = [row for row in chosen if row["method"] == method]
        x, y = ([float(row[key]) for row in curve] for key in ("parameters", "accuracy"))
        marker = "s" if "low rank" in method else "o"
        style = "-" if "trained" in method else "--"
        color = colors[method.partition(",")[0]]
        axes[1].plot(x, np.multiply(y, 100), marker + style, color=color, label=method)
    axes[1].set(xlabel="parameters instead of 43,008", xscale="log", ylim=(85, 99))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower right", ncols=3,
                  fontsize="small", frameon=False)  # fmt: skip
    for axis in axes:
        axis.grid(alpha=0.3)
    runner.save_picture(figure, "networks", dpi=110)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    made.add_argument("--report", action="store_true", help="only one span, by all methods")
    return made


def main():
    """Measure some parts, or draw, show or report."""
    options = runner.parse(parser())
    if options.quick:
        options.parts = ["budget", "yin_yang"]
    if options.report:
        report()
        return
    trials = dict(trial for part in options.parts for trial in PARTS[part]())
    runner.carry_out(options, TABLE, list(trials), lambda spec: trials[spec](), plot)


if __name__ == "__main__":
    main()
