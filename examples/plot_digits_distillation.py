"""
===========================================
Distilling a network that recognises digits
===========================================

A small neural network is trained on images of handwritten digits. Then a student learns from
its outputs: PCA, the monomials of the PCA coordinates, and one matrix. The student has no
layers; all that is nonlinear about it is fixed beforehand.

It is compared with its teacher, with the same student that learned without a teacher, and with the
least-squares matrix (EDMD). This takes a few seconds on scikit-learn's 8 x 8 digits;
``--dataset mnist`` and ``--dataset fashion_mnist`` take minutes. ``--output FOLDER`` saves the
picture.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Data
# ----
# Of the digits, 30 % are kept for the test. The two larger sets come with a test set.

import argparse
import pickle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_fashion_mnist, fetch_mnist
from sklearn_koopman.deployment import detach_teacher
from sklearn_koopman.inspection import distillation_report
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.teachers import TorchTeacher

SETTINGS = {
    "digits": {"n_hidden": 128, "max_epochs": 40, "batch_size": 32},
    "mnist": {"n_hidden": 512, "max_epochs": 10},
    "fashion_mnist": {"n_hidden": 512, "max_epochs": 10},
}

parser = argparse.ArgumentParser(description="Distil a network that recognises digits.")
parser.add_argument("--dataset", choices=SETTINGS, default="digits")
parser.add_argument("--output", type=Path, help="folder for the picture")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own


def load(dataset):
    """Return training and test images as rows of values in [0, 1], labels, and class names."""
    if dataset == "digits":
        X, y = load_digits(return_X_y=True)
        X = (X / 16).astype(np.float32)
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
        return X, X_test, y, y_test, [str(digit) for digit in range(10)]
    fetch = {"mnist": fetch_mnist, "fashion_mnist": fetch_fashion_mnist}[dataset]
    train, test = fetch("train"), fetch("test")
    return train.data, test.data, train.target, test.target, list(train.target_names)


X, X_test, y, y_test, names = load(options.dataset)

# %%
# Teacher
# -------
# A multi-layer perceptron, trained by skorch. torch draws the first weights and the order of
# the rows from a global generator; ``fork_rng`` leaves that as it was.


def train_teacher(X, y, *, n_hidden, max_epochs, batch_size=128, seed=0):
    """Return a trained torch module that gives logits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = NeuralNetClassifier(
            nn.Sequential(
                nn.Linear(X.shape[1], n_hidden),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Linear(n_hidden, n_hidden // 2),
                nn.ReLU(),
                nn.Linear(n_hidden // 2, len(np.unique(y))),
            ),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=2e-3,
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=int(len(X) > 10_000),  # a line for each epoch
        )
        net.fit(X, y.astype(np.int64))
    return net.module_


teacher = TorchTeacher(train_teacher(X, y, **SETTINGS[options.dataset]))

# %%
# Student
# -------
# ``make_pipeline`` of this package hands the pixels to the teacher, although the student stands
# behind PCA. On the digits, a grid search over the training images chooses how much the teacher
# counts, its temperature and the ridge penalty. The teacher is trained already and has seen all
# training images, so the search ranks settings; the accuracy to believe is that of the test.
# On the larger sets the settings are fixed beforehand.


def make_student(teacher, n_components, **settings):
    """Return the unfitted pipeline."""
    return make_pipeline(
        PCA(n_components, random_state=0),
        MonomialLifter(2),
        KoopmanDistilledClassifier(teacher, **settings),
    )


def search(student, X, y):
    """Return the student with the settings that are best in a cross-validation."""
    name = "koopmandistilledclassifier"
    grid = {
        f"{name}__soft_weight": [0.5, 0.9],
        f"{name}__temperature": [1.0, 2.0, 4.0],
        f"{name}__ridge": [1e-4, 1e-3],
    }
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    found = GridSearchCV(student, grid, cv=cv, refit=False, verbose=1).fit(X, y)
    settings = {key.removeprefix(f"{name}__"): v for key, v in found.best_params_.items()}
    print(f"best settings: {settings}\n")
    return student.set_params(**found.best_params_)


if options.dataset == "digits":
    sizes, n_components = [5, 10, 15, 20, 30], 20
    student = search(make_student(teacher, n_components), X, y)
else:
    sizes, n_components = [10, 20, 30, 40], 40
    student = make_student(teacher, n_components, soft_weight=0.9, temperature=2.0, ridge=1e-4)

# %%
# What it is worth
# ----------------
# The report has the same student without a teacher, and least squares, beside it: always look at
# these. It is made for students of different sizes, for the picture.

reports = {}
for size in sizes:
    reports[size] = distillation_report(
        clone(student).set_params(pca__n_components=size),
        X=X,
        y=y,
        X_test=X_test,
        y_test=y_test,
    )
    print(f"{size} PCA coordinates: {reports[size].rows[1].accuracy:.4f}", flush=True)
print(f"\n{options.dataset}, {n_components} PCA coordinates:\n{reports[n_components]}")

# %%
# After ``fit`` the teacher is not needed.

student.fit(X, y)
shipped = detach_teacher(student)
print(f"The student without its teacher has {len(pickle.dumps(shipped)):,} bytes.")

# %%
# Picture
# -------
# To the left, accuracy against multiplications, for students of different sizes. To the right,
# test images on which the teacher hesitates, and how far the student shares its doubts.

COLORS = {
    "teacher": "#1b4965",
    "distilled student": "#d1495b",
    "student without teacher": "#e9a03b",
    "EDMD on labels": "#8d99ae",
}


def plot_costs(ax, reports):
    """Draw the accuracy of every model of some reports above its multiplications."""
    for name, color in COLORS.items():
        rows = [row for report in reports for row in report.rows if row.model == name]
        rows = rows[:1] if name == "teacher" else rows
        style = {"marker": "o"}
        if name == "teacher":
            style = {"marker": "*", "markersize": 14, "linestyle": "none"}
        costs = [row.multiplications for row in rows]
        ax.plot(costs, [100 * row.accuracy for row in rows], color=color, label=name, **style)
    ax.set_xscale("log")
    ax.set_xlabel("multiplications per image")
    ax.set_ylabel("test accuracy (%)")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower right", frameon=False)


def plot_doubts(axes, images, targets, teacher_proba, student_proba, names):
    """Draw images, and the probabilities that teacher and student give to the classes."""
    places = np.arange(len(names))
    for (left, right), image, target, by_teacher, by_student in zip(
        axes, images, targets, teacher_proba, student_proba, strict=True
    ):
        left.imshow(image, cmap="gray_r")
        left.set_axis_off()
        left.set_title(names[target], fontsize=9, pad=3)
        right.bar(places - 0.2, by_teacher, 0.4, color=COLORS["teacher"], label="teacher")
        right.bar(
            places + 0.2, by_student, 0.4, color=COLORS["distilled student"], label="student"
        )
        right.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, 1), yticks=[0, 0.5, 1], xticks=[])
        right.spines[["top", "right"]].set_visible(False)
    long = max(map(len, names)) > 2
    right.set_xticks(
        places, names, rotation=60 if long else 0, ha="right" if long else "center"
    )
    axes[0][1].legend(ncols=2, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))


def hesitating(proba, y, n_images):
    """Return rows with the least certain of all classes, no class twice."""
    order = np.argsort(proba.max(axis=1))
    _, first = np.unique(y[order], return_index=True)
    return order[np.sort(first)[:n_images]]


def make_figure(reports, teacher, student, X_test, y_test, names):
    """Return the whole picture."""
    figure = plt.figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1], wspace=0.04)
    plot_costs(left.subplots(), reports)
    left.suptitle("What accuracy costs")
    axes = right.subplots(4, 2, width_ratios=[1, 5])
    teacher_proba = softmax(teacher(X_test), axis=1)
    rows = hesitating(teacher_proba, y_test, len(axes))
    side = round(X_test.shape[1] ** 0.5)
    plot_doubts(
        axes,
        X_test[rows].reshape(-1, side, side),
        y_test[rows],
        teacher_proba[rows],
        student.predict_proba(X_test[rows]),
        names,
    )
    right.suptitle("Images on which the teacher hesitates, and their true class")
    return figure


figure = make_figure(list(reports.values()), teacher, shipped, X_test, y_test, names)
if options.output is not None:
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{options.dataset}_distillation.png"
    figure.savefig(path, dpi=150)
    print(f"picture: {path}")

# %%
# On the digits a student of 20 coordinates is as accurate as its teacher, for less than a
# quarter of the multiplications. But so is the same student without a teacher: these images do
# not need one. On MNIST it is worth some tenths of a point (``experiments/table.py``). Where the
# teacher hesitates, the student mostly has the same classes in mind.
