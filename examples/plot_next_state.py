"""
=========================
Where does it swing next?
=========================

The next state of an oscillator is a function of its state, and a regressor can learn that function:
this is extended dynamic mode decomposition. Here is how long a student stays near the truth.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Trajectories
# ------------
# The Duffing oscillator, :math:`x'' = -x'/2 + x - x^3`, has two wells and some friction. Students
# see a hundred trajectories, one state every tenth of a second.

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

from sklearn_koopman import EDMDRegressor, MonomialLifter


def trajectories(n, n_steps, seed):
    """Return states, (n, n_steps + 1, 2)."""
    start = np.random.default_rng(seed).uniform(-2, 2, size=(2, n))

    def rate(t, state):
        x, v = state.reshape(2, n)
        return np.concatenate([v, -v / 2 + x - x**3])

    times = 0.1 * np.arange(n_steps + 1)
    found = solve_ivp(rate, times[[0, -1]], start.ravel(), t_eval=times, rtol=1e-9, atol=1e-9)
    return found.y.reshape(2, n, -1).transpose(1, 2, 0)


seen = trajectories(100, 50, seed=0)
before, after = (part.reshape(-1, 2) for part in (seen[:, :-1], seen[:, 1:]))

# %%
# Students
# --------
# Each student is one matrix, from the monomials of a state to the next state. ``predict`` makes a
# step, and the state that it reaches is lifted again for the next one.

truth = trajectories(50, 100, seed=1)
degrees = 1, 3, 5, 7
paths = {}
for degree in degrees:
    student = EDMDRegressor(lifter=MonomialLifter(degree), ridge=1e-12).fit(before, after)
    states = [truth[:, 0]]
    for _ in range(100):
        states.append(student.predict(states[-1]))
    paths[degree] = np.stack(states, axis=1)

# %%
# How far they get
# ----------------

COLORS = dict(zip(degrees, ["#e9a03b", "#d1495b", "#9b5de5", "#3c8d5a"], strict=True))

figure, (plane, errors) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for number in range(4):
    plane.plot(
        *truth[number].T, color="0.75", linewidth=5, label="truth" if number == 0 else None
    )
for degree in (1, 3):
    for number in range(4):
        name = f"degree {degree}" if number == 0 else None
        plane.plot(*paths[degree][number].T, color=COLORS[degree], linewidth=1.3, label=name)
plane.set(xlabel="position", ylabel="velocity", title="Four new trajectories", ylim=(-2.1, 1.4))
plane.legend(loc="lower center", ncols=3, frameon=False)
for degree, path in paths.items():
    distance = np.linalg.norm(path - truth, axis=2)
    middle = np.median(distance, axis=0)
    errors.semilogy(np.arange(1, 101), middle[1:], color=COLORS[degree])
    errors.text(101, middle[-1], f"degree {degree}", color=COLORS[degree], va="center")
    print(f"degree {degree}: {np.median(distance[:, -1]):.1e} after 100 steps")
errors.set(xlabel="step", title="Distance from the truth, median of 50", xlim=(0, 122))
errors.set_xticks(range(0, 101, 20))
for ax in (plane, errors):
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)

# %%
# A linear map knows one well at most. The force has degree 3, but a step of a tenth of a second has
# not: every two degrees more are worth two digits or more. Friction helps predictions: all
# trajectories end in a well, and so do those of the students.
