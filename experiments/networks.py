"""Spans of layers as one Koopman matrix, beside what else could be done with them.

    python experiments/networks.py --parts layers layers_short all_inputs rank budget
    python experiments/networks.py --parts conv resnet yin_yang
    python experiments/networks.py --plot
    python experiments/networks.py --report

Every row of experiments/results/networks.csv is one network with one span replaced, fitted on all
training rows; accuracies are those of test rows. The MNIST networks are those of
`experiments/teachers.py`: "deep" (784-256-128-64-32-10, 30 epochs), "deep-short" (the same, stopped
after 2, of the published accuracy) and "lenet". The ridge is the default one, 1e-6; the training
(10 epochs, learning rate 3e-3, soft weight 0.9, temperature 2) was chosen on 10,000 held-out
training images with a network that has not seen them.

- layers: single layers and longer spans of "deep", by dictionary; and the two kinds of training
- layers_short: the same of "deep-short"
- all_inputs: spans of "deep" whose observables are what enters, all of it, beside the monomials of
  its leading coordinates; also trained for 5 epochs, learning rate 1e-4, soft weight 1, which was
  chosen in the same way
- rank: accuracy against the rank of the matrix
- budget: the matrix truncated or pruned, and the span's own weights truncated or pruned, at equal
  numbers of parameters, before and after the same training
- conv: spans of the convolutional network
- resnet: spans of a ResNet-18 that was trained on 50,000 of the training images, 5 epochs; the
  matrices are fitted to 20,000 of these
- yin_yang: a hidden layer of a small network

`parameters` counts the entries of the matrix (of its factors; those that are not zero) and what
the lifter has learnt (PCA, landmarks); for the original weights, theirs. Biases are not counted.
"""

import warnings
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from torch import nn

from experiments.images import images, split
from experiments.runner import (
    PICTURES,
    RESULTS,
    Results,
    carry_out,
    experiment_parser,
    full_or_quick,
    parse,
    timed,
)
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

# The same training for weights that are pruned, which no estimator does.
from sklearn_koopman.networks._distil import DistillationOptions, distil

TRAINING = {"epochs": 10, "learning_rate": 3e-3, "random_state": 0}
SPANS = {
    "64 -> 32": ("7", "8"),
    "128 -> 64": ("5", "6"),
    "256 -> 128": ("3", "4"),
    "256 -> 32": ("3", "8"),
    "pixels -> 32": ("1", "8"),
}
RANKS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32]


KEY = ("part", "network", "span", "method", "setting")


def by_part(row):
    """Return what rows are sorted by."""
    return list(PARTS).index(row["part"])


TABLE = Results(RESULTS / "networks.csv", KEY, order=by_part)


@dataclass(frozen=True)
class Spec:
    """A part of the table."""

    part: str


@cache
def mnist():
    """Return training images and labels, test images and labels."""
    return *FETCH["mnist"]("train", return_X_y=True), *FETCH["mnist"]("test", return_X_y=True)


def monomials(p, degree=2):
    return make_pipeline(PCA(p, svd_solver="full", random_state=0), MonomialLifter(degree))


class Case:
    """A network, a span of it, and the rows that it is judged on."""

    def __init__(self, part, network, module, span_name, span, data):
        self.part, self.network, self.module = part, network, module
        self.span_name, self.span = span_name, span
        self.X, self.y, self.X_test, self.y_test = data
        self.labels = self.labels_of(module)

    def labels_of(self, module):
        with torch.inference_mode():
            batches = torch.as_tensor(self.X_test).split(2000)
            return torch.cat([module(batch).argmax(1) for batch in batches]).numpy()

    def row(self, method, setting, parameters, labels, seconds):
        row = {
            "part": self.part,
            "network": self.network,
            "span": self.span_name,
            "method": method,
            "setting": setting,
            "parameters": parameters,
            "accuracy": round(float(np.mean(labels == self.y_test)), 4),
            "fidelity": round(float(np.mean(labels == self.labels)), 4),
            "teacher": round(float(np.mean(self.labels == self.y_test)), 4),
            "seconds": round(seconds, 2),
        }
        print(*row.values(), sep="  ", flush=True)
        return row

    def linearized(self, method, setting="", **settings):
        """Fit, and return a row."""
        student = LinearizedNetworkClassifier(self.module, self.span, **settings)
        start = perf_counter()
        student.fit(self.X, self.y)
        seconds = perf_counter() - start
        return self.row(method, setting, size(student), student.predict(self.X_test), seconds)

    def other(self, method, setting, parameters, module, seconds=0.0):
        return self.row(method, setting, parameters, self.labels_of(module), seconds)

    def trained(self, module, learning_rate):
        """Train the weights of the span by the loss of `LinearizedNetworkClassifier`."""
        weights = _weights(module, self.span)
        masks = [(weight != 0).to(weight) for weight in weights]
        X, y = torch.as_tensor(self.X), torch.as_tensor(self.y)
        with torch.inference_mode():
            soft = torch.cat([self.module(batch) for batch in X.split(2000)])
        options = DistillationOptions(TRAINING["epochs"], 0.9, 2.0, learning_rate, 256, 0)
        distil(
            module,
            weights,
            masks,
            lambda rows: (X[rows], soft[rows].clone(), y[rows]),
            torch.ones(len(X)),
            options,
            np.random.RandomState(0),
        )
        return module


def size(student):
    """Return how many numbers stand in for the span."""
    layer = student.linearized_.koopman_0
    matrices = sum(int(w.count_nonzero()) for w in layer.readout.parameters() if w.ndim > 1)
    learnt = (parameter for parameter in layer.lift.parameters() if parameter.ndim > 1)
    return matrices + sum(parameter.numel() for parameter in learnt)


def layers(part="layers", network="deep"):
    module = load_or_train("mnist", network)
    for name, span in SPANS.items():
        case = Case(part, network, module, name, span, mnist())
        width = int(module[int(span[0])].in_features)
        p = 30 if width <= 64 else 60
        whitened = PCA(30, whiten=True, random_state=0)
        scaled = StandardScaler() if width <= 256 else whitened
        gaussians = make_pipeline(scaled, Nystroem(n_components=1000, random_state=0))
        yield case.linearized("affine")
        yield case.linearized("monomials", f"PCA {p}, degree 2", lifter=monomials(p))
        yield case.linearized("Gaussians", "1000 landmarks", lifter=gaussians)
        if name in ("256 -> 32", "pixels -> 32"):  # the others need no training
            yield case.linearized("affine, trained", **TRAINING)
            yield case.linearized("affine, tail trained", trained="tail", **TRAINING)
            yield case.linearized(
                "monomials, trained", f"PCA {p}, degree 2", lifter=monomials(p), **TRAINING
            )


def all_inputs():
    module = load_or_train("mnist", "deep")
    gentle = {"epochs": 5, "learning_rate": 1e-4, "soft_weight": 1.0, "random_state": 0}
    for name in ("64 -> 32", "128 -> 64", "256 -> 128", "256 -> 32"):
        case = Case("all_inputs", "deep", module, name, SPANS[name], mnist())
        p = 30 if name == "64 -> 32" else 60
        # These are linearly dependent, which the ridge takes care of.
        settings = {"lifter": make_union(StandardScaler(), monomials(p)), "ridge": 1e-5}
        setting = f"all inputs, PCA {p}, degree 2"
        yield case.linearized("monomials", setting, **settings)
        yield case.linearized("monomials, trained", setting, **settings, **gentle)


def rank():
    module = load_or_train("mnist", "deep")
    for name, span in SPANS.items():
        case = Case("rank", "deep", module, name, span, mnist())
        p = 30 if name == "64 -> 32" else 60
        for r in RANKS:
            yield case.linearized("monomials", r, lifter=monomials(p), rank=r)


def budget():
    module = load_or_train("mnist", "deep")
    name = "256 -> 32"
    case = Case("budget", "deep", module, name, SPANS[name], mnist())
    whole = span_size(module, case.span)
    n_in, n_out = 256, int(name.split()[-1])
    for share in (2, 4, 8, 16, 32, 64):
        n_parameters = whole // share
        setting = f"1/{share}"
        low_rank, _ = low_rank_span(module, case.span, n_parameters)
        pruned = pruned_span(module, case.span, n_parameters)
        yield case.other("weights, low rank", setting, n_parameters, low_rank)
        yield case.other("weights, pruned", setting, n_parameters, pruned)
        trained = case.trained(deepcopy(pruned), learning_rate=1e-3)
        yield case.other("weights, pruned, trained", setting, n_parameters, trained)
        r = n_parameters // (n_in + n_out)
        if 0 < r < n_out:
            yield case.linearized("affine, low rank", setting, rank=r)
            yield case.linearized("affine, low rank, trained", setting, rank=r, **TRAINING)
        density = n_parameters / (n_in * n_out)
        if density < 1:
            yield case.linearized("affine, pruned", setting, density=density)
            yield case.linearized(
                "affine, pruned, trained", setting, density=density, **TRAINING
            )
        p = min(20, n_parameters // 2 // n_in)
        if p >= 4:
            lifter = monomials(p)
            n_observables = (p + 1) * (p + 2) // 2
            density = (n_parameters - p * n_in) / (n_observables * n_out)
            density = density if density < 1 else None
            for method, training in (
                ("monomials, pruned", {}),
                (
                    "monomials, pruned, trained",
                    TRAINING,
                ),
            ):
                yield case.linearized(
                    method,
                    f"{setting}, PCA {p}",
                    lifter=lifter,
                    density=density,
                    **training,
                )


def conv():
    module = load_or_train("mnist", "lenet")
    maps = {"layout": "channels_first", "kernel_size": 6}
    for name, span, settings, p in [
        ("convolution 6 -> 16, pooled", ("4", "6"), maps, 40),
        ("convolution 6 -> 16, pooled, as a whole", ("4", "6"), {}, 100),
        ("dense 400 -> 120 -> 84", ("8", "11"), {}, 60),
        ("dense 120 -> 84", ("10", "11"), {}, 60),
        ("convolution to 84", ("4", "11"), {}, 100),
    ]:
        case = Case("conv", "lenet", module, name, span, mnist())
        yield case.linearized("affine", **settings)
        yield case.linearized(
            "monomials", f"PCA {p}, degree 2", lifter=monomials(p), **settings
        )
        if p < 100:
            training = TRAINING | {"epochs": 3}
            yield case.linearized("affine, trained", **settings, **training)
            yield case.linearized(
                "monomials, trained",
                f"PCA {p}, degree 2",
                lifter=monomials(p),
                **settings,
                **training,
            )


def resnet(n_rows=20_000):
    module = load_or_train("mnist", "resnet18", held_out=True)
    X, y, X_test, y_test = mnist()
    rows = split(y)[0][:n_rows]
    for name, span in [
        ("last block", ("1.layer4.1", "1.layer4.1")),
        ("last stage, pooled", ("1.layer4", "1.avgpool")),
    ]:
        case = Case(
            "resnet", "resnet18", module, name, span, (X[rows], y[rows], X_test, y_test)
        )
        if name == "last block":
            yield case.other("identity", "", 0, drop_span(module, span))
        yield case.linearized("affine", ridge=1e-4)
        lifter = make_union(StandardScaler(), monomials(60))
        yield case.linearized(
            "monomials", "all inputs, PCA 60, degree 2", lifter=lifter, ridge=1e-4
        )


def yin_yang():
    data = []
    for n_samples, seed in ((5000, 42), (1000, 40)):
        X, y = make_yin_yang(n_samples, random_state=seed)
        data += [X.astype(np.float32), y]
    module = yin_yang_network(*data[:2])
    for name, span in [("30 -> 30", ("2", "3")), ("30 -> 30 -> 30", ("2", "5"))]:
        case = Case("yin_yang", "4-30-30-30-3", module, name, span, tuple(data))
        yield case.other("identity", "", 0, drop_span(module, span))
        yield case.linearized("affine")
        for degree in (2, 3):
            yield case.linearized(
                "monomials", f"degree {degree}", lifter=MonomialLifter(degree), ridge=1e-4
            )
        gaussians = make_pipeline(StandardScaler(), Nystroem(n_components=500, random_state=0))
        yield case.linearized("Gaussians", "500 landmarks", lifter=gaussians)
        training = TRAINING | {"epochs": 30}
        yield case.linearized("affine, trained", **training)
        yield case.linearized(
            "monomials, trained",
            "degree 2",
            lifter=MonomialLifter(2),
            ridge=1e-4,
            **training,
        )


def yin_yang_network(X, y, n_epochs=300):
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


def measure(spec):
    """Yield the rows of a part."""
    for row in PARTS[spec.part]():
        yield row


def report():
    """Print all that can be done with one span, at a quarter of the numbers of the affine map."""
    X, y, X_test, y_test = mnist()
    student = LinearizedNetworkClassifier(
        network("mnist", "deep"), SPANS["256 -> 32"], density=0.25, **TRAINING
    )
    print(span_report(student, X, y, X_test=X_test, y_test=y_test, tail_epochs=10, verbose=1))


def plot():
    """Draw accuracy against rank, and against the number of parameters."""
    import matplotlib.pyplot as plt

    rows = TABLE.rows()
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name in SPANS:
        curve = [row for row in rows if row["part"] == "rank" and row["span"] == name]
        x, y = ([float(row[key]) for row in curve] for key in ("setting", "accuracy"))
        axes[0].plot(x, np.multiply(y, 100), "o-", label=name)
    axes[0].set(xlabel="rank of the matrix", ylabel="test accuracy, %", ylim=(85, 99))
    axes[0].legend()
    chosen = [row for row in rows if row["part"] == "budget" and row["span"] == "256 -> 32"]
    for method in sorted({row["method"] for row in chosen}):
        curve = [row for row in chosen if row["method"] == method]
        x, y = ([float(row[key]) for row in curve] for key in ("parameters", "accuracy"))
        style = "--" if method.startswith("weights") else "-"
        axes[1].plot(x, np.multiply(y, 100), "o" + style, label=method)
    axes[1].set(xlabel="parameters instead of 43,008", xscale="log", ylim=(80, 99))
    axes[1].legend(fontsize="small")
    figure.savefig(PICTURES / "networks.png", dpi=110)


def parser():
    """Return the parser of the command line."""
    made = experiment_parser(__doc__, plot=True)
    made.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    made.add_argument("--report", action="store_true", help="one span by all methods, only")
    return made


def main():
    """Run some parts, draw, show or report."""
    options = parse(parser())
    if options.report:
        report()
    else:
        carry_out(options, TABLE, [Spec(part) for part in options.parts], measure, plot)


if __name__ == "__main__":
    main()
