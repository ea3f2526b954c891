"""How faithful distilled trees of each size are on ordinary data, beside their baselines.

    python experiments/tree_curves.py --dataset breast_cancer
    python experiments/tree_curves.py --dataset wine
    python experiments/tree_curves.py --dataset digits
    python experiments/tree_curves.py --dataset wine --tao PYTHON
    python experiments/tree_curves.py --plot

The teacher is a torch perceptron of two hidden layers of 64 units. 30 % of each data set are kept
for the test, in ten different splits. All trees learn the teacher's labels, except for those on the
true labels. They learn on the training rows, or on these and four times as many made rows: training
rows are drawn again, and noise of a fifth of each input's deviation is added. Fidelity is agreement
with the teacher on the test rows; nothing is chosen on these. "Blind" is a distilled tree that sees
only the labels of the network. It shows what the features are worth, apart from the dynamic
programming.

With --tao the trees are those of imodels' TAO. PYTHON is a Python in whose environment imodels is
installed; it grows them (experiments/tao.py). Writes experiments/results/tree_curves.csv, and
docs/images/tree_curves.png with `--plot`.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from experiments import runner
from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.teachers import TorchTeacher

LOAD = {"breast_cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}
SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
TAO = "TAO, teacher, more rows"
CURVES = runner.Results(
    "tree_curves.csv",
    ("dataset", "method", "n_leaves"),
    order=lambda row: (list(LOAD).index(row["dataset"]), row["method"], int(row["n_leaves"])),
)


@dataclass(frozen=True)
class Spec:
    """The trees of all sizes that a method grows."""

    dataset: str
    method: str


class Standardise(nn.Module):
    """Subtracts the mean of each input and divides by its deviation."""

    def __init__(self, X):
        super().__init__()
        self.register_buffer("mean", torch.tensor(X.mean(axis=0), dtype=torch.float32))
        scale = torch.tensor(X.std(axis=0), dtype=torch.float32)
        self.register_buffer("scale", torch.where(scale > 0, scale, 1.0))

    def forward(self, x):
        """Return standardised inputs."""
        return (x - self.mean) / self.scale


def train_teacher(X, y, seed):
    """Return a perceptron trained for 100 epochs."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            Standardise(X),
            nn.Linear(X.shape[1], 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, y.max() + 1),
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
        inputs, targets = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
        for _ in range(runner.full_or_quick(100, 3)):
            for rows in torch.randperm(len(X)).split(32):
                loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return network.eval()


def more_rows(X, times, rng):
    """Return the rows, and more rows that are made from them."""
    made = X[rng.integers(0, len(X), times * len(X))]
    return np.vstack([X, made + 0.2 * X.std(axis=0) * rng.normal(size=made.shape)])


@cache
def split_and_teacher(dataset, seed):
    """Return the data of one split with the teacher's labels, and the teacher."""
    X, y = LOAD[dataset](return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    teacher = TorchTeacher(train_teacher(X, y, seed), output="logits")
    X_more = more_rows(X, 4, np.random.default_rng(seed))
    said = {
        f"said{name}": teacher(rows).argmax(axis=1)
        for name, rows in (("", X), ("_more", X_more), ("_test", X_test))
    }
    data = {"X": X, "y": y, "X_more": X_more, "X_test": X_test, "y_test": y_test, **said}
    return data, teacher


def greedy(X, labels, data, teacher):
    """Yield the predictions of scikit-learn's tree of each size, and its seconds."""
    for size in SIZES:
        tree = DecisionTreeClassifier(max_leaf_nodes=size, random_state=0)
        _, seconds = runner.timed(tree.fit, data[X], data[labels])
        yield tree.predict(data["X_test"]), seconds


def distilled(X, labels, data, teacher, **settings):
    """Yield the predictions of the distilled tree of each size, and the seconds of all sizes."""
    student = DistilledTreeClassifier(
        teacher,
        max_depth=8,
        beam_width=runner.full_or_quick(200, 10),
        max_leaf_nodes=max(SIZES),
        validation_fraction=None,
        random_state=0,
        **settings,
    )
    _, seconds = runner.timed(student.fit, data[X], data[labels])
    for size in SIZES:
        fitting = [tree for tree in student.path_ if tree.n_leaves <= size]
        yield fitting[-1].decision_tree.predict(data["X_test"]), seconds


def tao(python, data, teacher):
    """Yield the predictions of TAO's tree of each size, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        rows, found = Path(folder) / "rows.npz", Path(folder) / "found.npz"
        np.savez(rows, **{name: data[name] for name in ("X_more", "said_more", "X_test")})
        script = Path(__file__).parent / "tao.py"
        subprocess.run([python, script, rows, found, *map(str, SIZES)], check=True)
        with np.load(found) as trees:
            yield from zip(trees["labels"], trees["seconds"], strict=True)


def nothing(rows):
    """Return features that say nothing."""
    return np.zeros((len(rows), 1))


FEW, MORE = ("X", "said"), ("X_more", "said_more")
METHODS = {
    "greedy, labels": partial(greedy, "X", "y"),
    "greedy, teacher": partial(greedy, *FEW),
    "greedy, teacher, more rows": partial(greedy, *MORE),
    "distilled": partial(distilled, *FEW),
    "distilled, more rows": partial(distilled, *MORE),
    "distilled, probes only, more rows": partial(distilled, *MORE, greedy=False),
    "distilled, blind, more rows": partial(distilled, *MORE, features=nothing),
}


def measure(spec, n_seeds, python=None):
    """Yield the row of each size: means over the splits."""
    grow = partial(tao, python) if spec.method == TAO else METHODS[spec.method]
    runs = []
    for seed in range(n_seeds):
        data, teacher = split_and_teacher(spec.dataset, seed)
        runs.append(
            [
                (
                    np.mean(labels == data["said_test"]),
                    np.mean(labels == data["y_test"]),
                    seconds,
                )
                for labels, seconds in grow(data=data, teacher=teacher)
            ]
        )
    for size, of_size in zip(SIZES, zip(*runs, strict=True), strict=True):
        fidelity, accuracy, seconds = np.array(of_size).T
        numbers = {
            "fidelity": fidelity.mean(),
            "fidelity_std": fidelity.std(),
            "accuracy": accuracy.mean(),
            "seconds": seconds.mean(),
        }
        rounded = {name: round(float(number), 4) for name, number in numbers.items()}
        yield {"n_leaves": size, **rounded}


# The curves that are drawn: one colour for each method, dashed with more rows. Two methods are only
# in the table. Greedy trees of labels are those of the teacher, and blind trees are nearly those of
# "distilled, more rows".
COLORS = {
    "greedy, teacher": runner.EDMD,
    "greedy, teacher, more rows": runner.EDMD,
    "distilled": runner.STUDENT,
    "distilled, more rows": runner.STUDENT,
    "distilled, probes only, more rows": runner.FILTERS,
    "TAO, teacher, more rows": runner.ANOTHER,
}


def plot():
    """Draw the curves of all data sets side by side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(LOAD), figsize=(11, 4.2), layout="constrained")
    for ax, dataset in zip(axes, LOAD, strict=True):
        for method, color in COLORS.items():
            curve = CURVES.where(dataset=dataset, method=method)
            sizes = [int(row["n_leaves"]) for row in curve]
            fidelities = [100 * float(row["fidelity"]) for row in curve]
            style = "--" if "more rows" in method else "-"
            ax.plot(sizes, fidelities, style, color=color, marker="o", markersize=3,
                    label=method.replace(", teacher", ""))  # fmt: skip
        ax.set(title=dataset.replace("_", " "), xlabel="leaves", xscale="log")
        ax.set_xticks(SIZES, SIZES)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("agreement with the network\non test rows (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  frameon=False)  # fmt: skip
    runner.save_picture(figure, "tree_curves", dpi=120)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__, plot=True)
    made.add_argument("--dataset", choices=LOAD, default="wine")
    made.add_argument("--seeds", type=runner.count, default=10)
    made.add_argument("--method", choices=METHODS, help="only this method")
    made.add_argument("--tao", metavar="PYTHON", help="only trees of TAO, grown by this Python")
    return made


def main():
    """Measure one data set, or draw or show the table."""
    options = runner.parse(parser())
    methods = [options.method] if options.method else [TAO] if options.tao else list(METHODS)
    n_seeds = runner.full_or_quick(options.seeds, 2)
    runner.carry_out(
        options,
        CURVES,
        [Spec(options.dataset, method) for method in methods],
        partial(measure, n_seeds=n_seeds, python=options.tao),
        plot,
    )


if __name__ == "__main__":
    main()
