"""
===================================================================
How many bits does a student need, and how much noise does it bear?
===================================================================

On an analogue chip the entries of the matrix are set with few bits and some noise, and light is
counted in photons. Four bits are enough here, and a student that expects noise bears more of it.

``sklearn_koopman.deployment`` simulates such chips, rounds matrices so that little is lost, and
fits students that expect the noise.

``--dataset mnist`` does the same on 10,000 images of MNIST, in minutes.
"""

# Authors: The sklearn_koopman developers
# SPDX-License-Identifier: BSD-3-Clause

# %%
# Two students
# ------------
# They differ in what they expect. The second one knows that each entry of its matrix will be wrong,
# typically by a fifth of its value.

import argparse

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.deployment import Hardware, HardwareDisplay, hardware_curve

parser = argparse.ArgumentParser(description="Simulate a student on imperfect hardware.")
parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own

if options.dataset == "digits":
    X, y = load_digits(return_X_y=True)
    X, n_components = X / 16, 20
else:
    images = fetch_mnist("train")
    X, y, n_components = images.data[:15_000], images.target[:15_000], 40
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

net = MLPClassifier((128,), alpha=0.3, learning_rate_init=3e-3, random_state=0).fit(X, y)


def make_student(**settings):
    """Return a fitted student."""
    lifter = make_pipeline(PCA(n_components, random_state=0), MonomialLifter(2))
    return KoopmanDistilledClassifier(
        FrozenEstimator(net), soft_weight=0.9, ridge=1e-4, lifter=lifter, **settings
    ).fit(X, y)


plain = make_student()
aware = make_student(multiplicative_noise=0.2)

# %%
# Few bits
# --------
# With error feedback, each entry is rounded so that it makes up for the errors of those before it.

BITS = [2, 3, 4, 5, 6, 8]
rounded = {
    name: hardware_curve(
        plain,
        X_test,
        y_test,
        vary="weight_bits",
        values=BITS,
        X_calibration=X,
        hardware=Hardware(feedback=feedback),
        n_chips=1,
    )
    for name, feedback in {"nearest level": False, "error feedback": True}.items()
}

# %%
# Noise
# -----
# Every chip is different, so ten are drawn, and bands reach from the worst to the best. Right:
# light is weak, and the detectors of the chip count photoelectrons, whose number fluctuates.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
for ax, second in zip(axes, ("#9b5de5", "#3c8d5a", "#3c8d5a"), strict=True):
    ax.set_prop_cycle(color=["#d1495b", second])
HardwareDisplay(BITS, rounded, vary="weight_bits").plot(axes[0])
students = {"plain": plain, "expects noise": aware}
noise = {"vary": "multiplicative_noise", "values": [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8]}
light = {"vary": "photoelectrons", "values": [10, 30, 100, 300, 1e3, 3e3, 1e4]}
for ax, settings in zip(axes[1:], (noise, light), strict=True):
    HardwareDisplay.from_estimators(
        students, X_test, y_test, X_calibration=X, random_state=0, ax=ax, **settings
    )
for ax, title in zip(axes, ("Few bits", "Noise of the matrix", "Few photons"), strict=True):
    ax.set_title(title)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.label_outer()
    ax.legend(frameon=False, loc="lower left" if ax is axes[1] else "lower right")

# %%
# Rounded to three bits, the student loses about two points, however it is rounded. Error feedback
# pays at two bits. Noise of a tenth of each entry costs next to nothing. Beyond a third, the plain
# student breaks down, on some chips long before others. The student that expects noise hardly
# changes, and it loses less than half a point where there is none. It has learned nothing about
# photons: there both students are alike, and need about a thousand of them.
