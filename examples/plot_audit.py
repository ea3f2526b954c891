"""
==========================================
Can this student be trusted with a tumour?
==========================================

A random forest tells benign tumours from malignant ones by 30 measurements of their cells. Its
student is one quadratic form of them, so questions about it have exact answers.

How far is this patient from the other diagnosis? Which measurements speak for the diagnosis? What
is the formula? Is the student as good for large cells as for small ones?
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Teacher and student
# -------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, ObservableSelector
from sklearn_koopman.audit import (
    CertifiedAccuracyDisplay,
    LeadingTermsDisplay,
    audit_report,
)
from sklearn_koopman.inspection import formula, shapley_values
from sklearn_koopman.pipeline import make_pipeline

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
y = np.where(y == 1, "benign", "malignant")
X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
forest = RandomForestClassifier(random_state=0).fit(X, y)
student = make_pipeline(
    StandardScaler(),
    MonomialLifter(2),
    KoopmanDistilledClassifier(FrozenEstimator(forest), ridge=1e-2),
).fit(X, y)

# %%
# The report
# ----------
# Everything is on one page: ``report.save("audit.html")`` writes a file that loads nothing else.
# The bounds hold because the student has not seen these rows. Distances are in standard deviations
# of the columns.

is_large = X_test["mean radius"] > X["mean radius"].median()
report = audit_report(
    student,
    X_test,
    y_test,
    teacher=forest,
    groups={"nuclei": np.where(is_large, "large", "small")},
    title="A student of 30 measurements of cells",
)
report

# %%
# One patient
# -----------
# Shapley values say what spoke for the diagnosis, and they are computed without sampling. The logit
# differs from its mean over the training rows, and each column has a share in that difference.

patient = X_test.iloc[[0]]
explanation = shapley_values(student, patient, background=X)
print(f"{student.predict(patient)[0]}: logit {student.decision_function(patient)[0]:.3f}")
print(f"mean logit of the training rows: {explanation.base_values:.3f}")
for i in np.argsort(-np.abs(explanation.values[0]))[:6]:
    value = patient.iloc[0, i]
    print(f"{explanation.feature_names[i]:24} {value:9.4g} {explanation.values[0, i]:+.3f}")

# %%
# Some columns say more together than each of them alone: these are the strongest pairs.

pairs = shapley_values(student, patient, background=X, return_interactions=True)
upper = np.triu(np.abs(pairs.interactions[0]), k=1)
for place in np.argsort(-upper, axis=None)[:4]:
    i, j = np.unravel_index(place, upper.shape)
    both = 2 * pairs.interactions[0, i, j]  # half of it is on either side of the diagonal
    print(f"{pairs.feature_names[i]} and {pairs.feature_names[j]}: {both:+.3f}")

# %%
# A formula to carry in the head
# ------------------------------
# Another student has eight observables instead of 496, chosen greedily. A prime marks a scaled
# column.

small = make_pipeline(
    StandardScaler(),
    ObservableSelector(MonomialLifter(2), max_observables=8),
    KoopmanDistilledClassifier(FrozenEstimator(forest), ridge=1e-2),
).fit(X, y)
print(f"496 observables: {student.score(X_test, y_test):.1%}")
print(f"8 observables:   {small.score(X_test, y_test):.1%}")
written = formula(small, X)
print(written)

# %%
# Which student is more robust?
# -----------------------------
# Left: the certified accuracy of both. A row is certified at a distance if it is classified
# correctly, and so is everything within that distance. Right: the share of each term of the small
# student in the variance of its logit. A share is negative where other terms work against the term.

LARGE, SMALL = "#d1495b", "#3c8d5a"
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.set_prop_cycle(color=[LARGE, SMALL])
right.set_prop_cycle(color=[SMALL])
for name, each in {"496 observables": student, "8 observables": small}.items():
    CertifiedAccuracyDisplay.from_estimator(
        each, X_test, y_test, scale="std", ax=left, name=name
    )
left.set_xlabel("distance, in standard deviations of the columns")
LeadingTermsDisplay(written).plot(right)
right.set_title("The small student's terms")
for ax in (left, right):
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)

plt.show()
