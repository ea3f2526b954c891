"""
==============================================
Reading a decision tree out of a small network
==============================================

A network learns to tell benign from malignant tumours by 30 measurements. Then a tree of five
leaves is read out of it, which agrees with the network on 95 % of the test rows.

The tests in the tree are those that the activations of the network represent, or those that best
separate what the network says. A certificate bounds how often tree and network disagree.
``--output FOLDER`` saves the picture.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data
# ----
# Half of the rows train the network and the tree. The other half is for the certificate: it needs
# rows that the tree has not seen, the more the better.

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, export_text, plot_tree
from torch import nn

from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.inspection import certificate_sample_size, fidelity_certificate
from sklearn_koopman.teachers import TorchTeacher

parser = argparse.ArgumentParser(description="Read a decision tree out of a network.")
parser.add_argument("--output", type=Path, help="folder for the picture")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

data = load_breast_cancer()
feature_names, class_names = list(data.feature_names), list(data.target_names)
X, X_test, y, y_test = train_test_split(
    data.data, data.target, test_size=0.5, stratify=data.target, random_state=0
)


# %%
# Teacher
# -------
# The first module standardises the measurements, so that the tree can use their own units.


class Standardise(nn.Module):
    """Takes the mean of each input off and divides by its deviation."""

    def __init__(self, X):
        super().__init__()
        self.register_buffer("mean", torch.tensor(X.mean(axis=0), dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(X.std(axis=0), dtype=torch.float32))

    def forward(self, x):
        """Return the standardised inputs."""
        return (x - self.mean) / self.scale


def train_network(X, y, *, n_epochs=60, seed=0):
    """Return a perceptron with two hidden layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            Standardise(X),
            nn.Linear(X.shape[1], 32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.ReLU(),
            nn.Linear(32, 2),
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01)
        inputs, targets = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
        for _ in range(n_epochs):
            for rows in torch.randperm(len(X)).split(32):
                loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return network.eval()


teacher = TorchTeacher(train_network(X, y), output="logits")
said_test = teacher(X_test).argmax(axis=1)
print(f"network: {np.mean(said_test == y_test):.1%} of the test rows right")


# %%
# More rows
# ---------
# The teacher labels whatever it is asked, so the tree can learn from more rows than there are:
# here training rows drawn again, with a little noise.


def more_rows(X, times, seed=0):
    """Return the rows and some that are made of them."""
    rng = np.random.default_rng(seed)
    made = X[rng.integers(0, len(X), times * len(X))]
    return np.vstack([X, made + 0.2 * X.std(axis=0) * rng.normal(size=made.shape)])


X_more = more_rows(X, times=10)
said = teacher(X_more).argmax(axis=1)

# %%
# Tree
# ----
# The labels are what the network says. A fitted ``DecisionTreeClassifier`` of scikit-learn is
# inside, so scikit-learn prints it.

student = DistilledTreeClassifier(teacher, max_depth=3, random_state=0).fit(X_more, said)
print(export_text(student.decision_tree_, feature_names=feature_names))
print(f"tree: {student.score(X_test, y_test):.1%} right, {student.get_n_leaves()} leaves")

# %%
# Certificate
# -----------
# The test rows were drawn independently, and nothing was chosen with them. So they bound how often
# tree and network disagree on *all* rows of this kind, with 95 % confidence.

print(fidelity_certificate(said_test, student.predict(X_test), delta=0.05))
n_samples = certificate_sample_size(0.01, delta=0.05)
print(f"\n{n_samples} rows without a disagreement would certify 1 %.")


# %%
# Picture
# -------


def make_figure(student, greedy, X_test, said_test, feature_names, class_names):
    """Draw the tree, and fidelity against size beside that of a greedy tree."""
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(10, 8), height_ratios=[1.6, 1], layout="constrained"
    )
    plot_tree(
        student.decision_tree_,
        ax=above,
        feature_names=feature_names,
        class_names=class_names,
        filled=True,
        impurity=False,
        proportion=True,
        fontsize=9,
        precision=2,
    )
    above.set_title("The tree that is read out of the network")
    curves = {
        "distilled tree": [(tree.n_leaves, tree.decision_tree) for tree in student.path_[1:]],
        "greedy tree": [(tree.get_n_leaves(), tree) for tree in greedy],
    }
    for (name, trees), color in zip(curves.items(), ("#d1495b", "#8d99ae"), strict=True):
        sizes, models = zip(*trees, strict=True)
        fidelities = [100 * np.mean(model.predict(X_test) == said_test) for model in models]
        below.plot(sizes, fidelities, marker="o", markersize=4, color=color, label=name)
    below.axvline(student.get_n_leaves(), color="#d1495b", linestyle=":", label="chosen size")
    below.set(xlabel="leaves", ylabel="agreement (%)")
    below.set_title("Agreement with the network on test rows")
    below.grid(alpha=0.3)
    below.spines[["top", "right"]].set_visible(False)
    below.legend(frameon=False, loc="lower right")
    return figure


greedy = [
    DecisionTreeClassifier(max_leaf_nodes=size, random_state=0).fit(X_more, said)
    for size in range(2, 9)
]
figure = make_figure(student, greedy, X_test, said_test, feature_names, class_names)
if options.output is not None:
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "distilled_tree.png"
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")

# %%
# Four tests are enough to agree with the network on all but one row in twenty. The greedy tree of
# the same size agrees on two or three rows of 285 fewer, which is within the noise: on these
# measurements, one test at a time finds as much.
