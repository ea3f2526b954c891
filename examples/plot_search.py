"""
===================================
Which student can a budget pay for?
===================================

A student needs a dictionary of observables, its size, and settings of the fit, and the best choice
depends on the budget. ``KoopmanSearchCV`` finds the best student for each budget.

It tries many candidates on a few rows, and the best of them on more. The best student at each price
is then fitted to all rows.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# One call
# --------
# The teacher is a support vector machine. The search fits it, because the held-out rows that judge
# candidates must be new to the teacher. A budget is a number of multiplications for one digit, from
# the pixels to the ten scores.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklearn_koopman.inspection import cost
from sklearn_koopman.search import KoopmanSearchCV

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.3, stratify=y, random_state=0)

search = KoopmanSearchCV(
    SVC(C=10), budget=[500, 1000, 2000], input_shape=(8, 8), random_state=0
).fit(X, y)
teacher = SVC(C=10).fit(X, y)
print(f"the teacher: {teacher.score(X_test, y_test):.1%}")

# %%
# The best at each price
# ----------------------
# Held-out rows chose these students, so scores on those rows are a little optimistic; scores on
# test rows are not. A dearer student that is not better is left out.

for student, price in zip(search.frontier_estimators_, search.frontier_costs_, strict=True):
    print(
        f"{price:5.0f} multiplications, {student.coef_.shape[1]:4d} observables: "
        f"{student.score(X_test, y_test):.1%}"
    )
assert cost(student, X[:1]).multiplications == price

# %%
# All candidates
# --------------
# Each has its score in the last round that it took part in. The table also has the other rounds,
# and the settings.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.set_prop_cycle(color=["#d1495b"])
search.plot(ax)
ax.yaxis.set_major_formatter(lambda score, _: f"{100 * score:g}")
ax.set(ylabel="accuracy on held-out rows (%)", title="Candidates, and the frontier")
ax.set_xticks([200, 500, 1000, 2000], ["200", "500", "1,000", "2,000"])
ax.minorticks_off()
ax.legend(frameon=False, loc="lower right")
ax.grid(alpha=0.3)
ax.spines[["top", "right"]].set_visible(False)
table = search.results_
for row in search.frontier_:
    print(f"{table['score'][row]:.3f}  {table['cost'][row]:5.0f}  {table['candidate'][row]}")

# %%
# What is the teacher worth?
# --------------------------
# The twin of the best student has the same observables, and learns from labels alone.

twin = search.no_teacher_
print(f"with the teacher: {search.score(X_test, y_test):.1%}")
print(f"without: {twin.score(X_test, y_test):.1%}")

# %%
# Another budget
# --------------
# This needs no other search.

small = search.student(budget=1500)
print(f"{small.score(X_test, y_test):.1%}")

plt.show()
