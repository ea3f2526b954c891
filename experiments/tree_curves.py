"""Size against fidelity on ordinary data: distilled trees and their baselines.

    python benchmarks/bench_tree_curves.py --dataset breast_cancer
    python benchmarks/bench_tree_curves.py --dataset wine
    python benchmarks/bench_tree_curves.py --dataset digits
    python benchmarks/bench_tree_curves.py --plot

The teacher is a torch perceptron of two hidden layers of 64 units. Of each data set 30 % are kept
for the test, ten times over. All trees but those on the true labels learn what the teacher says:
on the training rows, or on these and four times as many that are made of them (drawn again, with
noise of a fifth of each input's deviation). Fidelity is agreement with the teacher on the test
rows; nothing is chosen on these. "Blind" is a distilled tree that sees nothing of the network but
what it says: what the features are worth, apart from the dynamic programming.

`--export FOLDER` writes the rows and what the teacher says for tree_curves_imodels.py, whose
package may need an environment of its own. Writes benchmarks/results/tree_curves.csv, and
docs/images/tree_curves.png with `--plot`.
"""

import argparse
import csv
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "tree_curves.csv"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "tree_curves.png"
LOAD = {"breast_cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}
SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
HEADER = ["dataset", "method", "n_leaves", "fidelity", "fidelity_std", "accuracy", "seconds"]


class Standardise(nn.Module):
    """Takes the mean of each input off and divides by its deviation."""

    def __init__(self, X):
        super().__init__()
        self.register_buffer("mean", torch.tensor(X.mean(axis=0), dtype=torch.float32))
        scale = torch.tensor(X.std(axis=0), dtype=torch.float32)
        self.register_buffer("scale", torch.where(scale > 0, scale, 1.0))

    def forward(self, x):
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
        for _ in range(100):
            for rows in torch.randperm(len(X)).split(32):
                loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return network.eval()


def more_rows(X, times, rng):
    """Return the rows and some that are made of them."""
    made = X[rng.integers(0, len(X), times * len(X))]
    return np.vstack([X, made + 0.2 * X.std(axis=0) * rng.normal(size=made.shape)])


def task(dataset, seed):
    """Return the data of one split, its teacher and what that says."""
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


def trees_of_each_size(data, teacher, only=None):
    """Yield the method, the size, a fitted tree and the seconds that it took."""

    def greedy(X, labels):
        for size in SIZES:
            start = perf_counter()
            tree = DecisionTreeClassifier(max_leaf_nodes=size, random_state=0).fit(X, labels)
            yield size, tree, perf_counter() - start

    def distilled(X, labels, **settings):
        start = perf_counter()
        student = DistilledTreeClassifier(
            teacher,
            max_depth=8,
            beam_width=200,
            max_leaf_nodes=max(SIZES),
            validation_fraction=None,
            random_state=0,
            **settings,
        ).fit(X, labels)
        seconds = perf_counter() - start  # of all sizes
        for size in SIZES:
            fitting = [tree for tree in student.path_ if tree.n_leaves <= size]
            yield size, fitting[-1].decision_tree, seconds

    X, X_more = data["X"], data["X_more"]
    methods = {
        "greedy, labels": greedy(X, data["y"]),
        "greedy, teacher": greedy(X, data["said"]),
        "greedy, teacher, more rows": greedy(X_more, data["said_more"]),
        "distilled": distilled(X, data["said"]),
        "distilled, more rows": distilled(X_more, data["said_more"]),
        "distilled, probes only, more rows": distilled(X_more, data["said_more"], greedy=False),
        "distilled, blind, more rows": distilled(
            X_more, data["said_more"], features=lambda rows: np.zeros((len(rows), 1))
        ),
    }
    for method in methods if only is None else [only]:
        for size, tree, seconds in methods[method]:
            yield method, size, tree, seconds


def score(tree, data):
    """Return fidelity and accuracy on the test rows."""
    labels = tree.predict(data["X_test"])
    return np.mean(labels == data["said_test"]), np.mean(labels == data["y_test"])


def write(dataset, scores):
    """Put the means over the splits in the place of those of the same methods."""
    new = []
    for (method, size), runs in scores.items():
        fidelity, accuracy, seconds = np.array(runs).T
        numbers = fidelity.mean(), fidelity.std(), accuracy.mean(), seconds.mean()
        new.append([dataset, method, size, *(round(float(number), 4) for number in numbers)])
    old = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            old = list(csv.reader(file))[1:]
    replaced = {(dataset, method) for method, _ in scores}
    rows = [row for row in old if tuple(row[:2]) not in replaced] + new
    rows.sort(key=lambda row: (list(LOAD).index(row[0]), row[1], int(row[2])))
    with RESULTS.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])


COLORS = {
    "greedy, labels": "#c9cdd2",
    "greedy, teacher": "#8d99ae",
    "greedy, teacher, more rows": "#5c677d",
    "TAO, teacher, more rows": "#e9a03b",
    "distilled": "#e07a86",
    "distilled, more rows": "#d1495b",
    "distilled, probes only, more rows": "#1b4965",
    "distilled, blind, more rows": "#62b6cb",
}


def plot():
    """Draw the curves of all data sets side by side."""
    import matplotlib.pyplot as plt

    with RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axes = plt.subplots(1, len(LOAD), figsize=(12, 4.6), layout="constrained")
    for ax, dataset in zip(axes, LOAD, strict=True):
        for method, color in COLORS.items():
            curve = [
                row for row in rows if (row["dataset"], row["method"]) == (dataset, method)
            ]
            sizes = [int(row["n_leaves"]) for row in curve]
            fidelities = [100 * float(row["fidelity"]) for row in curve]
            ax.plot(sizes, fidelities, color=color, marker="o", markersize=3, label=method)
        ax.set(title=dataset.replace("_", " "), xlabel="leaves", xscale="log")
        ax.set_xticks(SIZES, SIZES)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("agreement with the network\non test rows (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(PICTURE, dpi=120)
    print(f"picture: {PICTURE}")


def main():
    """Run one data set, export it, or draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", choices=LOAD, default="wine")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--method", help="run this one alone, for example 'distilled'")
    parser.add_argument("--export", type=Path, help="write the data of each split here, only")
    parser.add_argument("--plot", action="store_true", help="draw what was written, only")
    options = parser.parse_args()
    if options.plot:
        plot()
        return
    scores = {}
    for seed in range(options.seeds):
        data, teacher = task(options.dataset, seed)
        if options.export is not None:
            options.export.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(options.export / f"{options.dataset}-{seed}.npz", **data)
            continue
        for method, size, tree, seconds in trees_of_each_size(data, teacher, options.method):
            scores.setdefault((method, size), []).append((*score(tree, data), seconds))
        print(f"{options.dataset}: split {seed} done", flush=True)
    if scores:
        write(options.dataset, scores)


if __name__ == "__main__":
    main()
