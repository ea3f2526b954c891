"""
=======================
Somebody else's network
=======================

A pretrained network comes as a file, without the data that it was trained on. Here one matrix
learns from such a file, with other data: the files that happen to be on this machine.

The network is that of `magika <https://pypi.org/project/magika/>`_: an ONNX graph inside its wheel
that tells 214 types of files apart by the bytes at their two ends.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# The network
# -----------
# The package itself is not imported: ``OnnxTeacher`` runs the file that it brings along.

import json
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.teachers import OnnxTeacher

MAGIKA = find_spec("magika")
if MAGIKA is None:
    print("magika is not installed, and there is nothing to see: pip install --no-deps magika")

# %%
# Its inputs
# ----------
# Files of the Python installation, the same number of each kind. The network takes the first and
# the last 1,024 bytes of a file without blanks around them, as int32. 256 stands for missing bytes.

KINDS = (
    *(".c", ".css", ".h", ".html", ".js", ".json", ".md", ".png"),
    *(".py", ".pyc", ".pyi", ".rst", ".so", ".svg", ".toml", ".txt"),
)


def tokens(file):
    """Return what the network takes of a file."""
    content = file.read_bytes()
    beginning, end = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
    row = np.full(2048, 256, dtype=np.int32)
    row[: len(beginning)] = list(beginning)
    row[len(row) - len(end) :] = list(end)
    return row


def installed_files(n_of_a_kind=100):
    """Return files of each kind, evenly spaced among all there are."""
    paths = sysconfig.get_paths()
    folders = {Path(paths[name]) for name in ("stdlib", "purelib", "data")}
    files = sorted({file for folder in folders for file in folder.rglob("*.*")})
    for kind in KINDS:
        found = [file for file in files if file.suffix == kind and file.is_file()]
        found = [file for file in found if file.stat().st_size > 64]
        yield from found[:: max(1, len(found) // n_of_a_kind)][:n_of_a_kind]


# %%
# A student
# ---------
# It sees how often each byte occurs in the two halves. Its pipeline hands the raw rows to the
# teacher, whose own choices replace labels. Types with few files are left out.


def counts(rows):
    """Return the square root of how often each of 257 values is in the two halves."""
    halves = rows.reshape(2 * len(rows), -1).astype(int)
    found = [np.bincount(half, minlength=257) for half in halves]
    return np.sqrt(found).reshape(len(rows), -1)


if MAGIKA is not None:
    (folder,) = Path(MAGIKA.submodule_search_locations[0]).glob("models/*")
    names = json.loads((folder / "config.min.json").read_text())["target_labels_space"]
    teacher = OnnxTeacher(folder / "model.onnx", classes=names, output="proba")

    X = np.array([tokens(file) for file in installed_files()])
    y = np.array(names)[teacher(X).argmax(axis=1)]
    types, of_type, n_files = np.unique(y, return_inverse=True, return_counts=True)
    X, y = X[n_files[of_type] >= 20], y[n_files[of_type] >= 20]
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

    seen = FunctionTransformer(counts), StandardScaler()
    lifting = PCA(30, random_state=0), MonomialLifter(2)
    learner = KoopmanDistilledClassifier(teacher, soft_weight=0.9, ridge=0.03, tol=1e-3)
    alone = clone(learner).set_params(teacher=None, soft_weight=0.0)
    models = {
        "student": make_pipeline(*seen, *lifting, learner),
        "without soft targets": make_pipeline(*seen, *lifting, alone),
        "logistic regression": make_pipeline(*seen, LogisticRegression(C=0.01, max_iter=300)),
    }
    print(f"{len(X)} files to learn from, {len(X_test)} to judge by, {len(set(y))} types")
    for name, model in models.items():
        print(f"{name}: {model.fit(X, y).score(X_test, y_test):.1%} agreement")

# %%
# What it mixes up
# ----------------
# Left: the agreement with the network for each type. Right: the file that the student is least sure
# of, and what both say of it.

if MAGIKA is not None:
    student = models["student"]
    classes = student.classes_
    proba, chosen = student.predict_proba(X_test), student.predict(X_test)
    agreement = [np.mean(chosen[y_test == kind] == kind) for kind in classes]
    doubtful = proba.max(axis=1).argmin()
    said = teacher(X_test[[doubtful]])[0][[names.index(kind) for kind in classes]]

    places = np.arange(len(classes))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 5), sharey=True, layout="constrained"
    )
    left.barh(places, [100 * share for share in agreement], color="#d1495b")
    left.set(yticks=places, yticklabels=classes, xlim=(0, 100))
    left.set_xlabel("agreement with the network (%)")
    right.barh(places + 0.2, said, 0.4, color="#1b4965", label="network")
    right.barh(places - 0.2, proba[doubtful], 0.4, color="#d1495b", label="student")
    right.set(xlim=(0, 1), xlabel="probability")
    right.set_title("The most doubtful file")
    right.legend(frameon=False)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)

# %%
# Only the file of the network was needed: not its package, its data, or labels. Counts of bytes
# identify most types. With so few files, soft targets teach no more than the choices alone, and
# logistic regression on the same counts is as good.
