"""Draw the pictures of the user guide: ``python docs/pictures.py``.

They show real students of scikit-learn's digits and rings. Takes some seconds; writes to
``docs/images``. The picture of a report, ``audit.png``, is a photograph of the page of
``examples/plot_audit.py`` in a browser: ``report.save("audit.html")``, then ``chromium --headless
--screenshot --window-size=1100,1600 audit.html``.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import ConnectionPatch
from scipy.special import softmax
from sklearn.datasets import load_digits, make_circles
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_koopman import ConvolutionalLifter, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.inspection import FilterDisplay, FilterWeightsDisplay, LogitMapDisplay
from sklearn_koopman.pipeline import make_pipeline

TEACHER, STUDENT, GREY, ORANGE = "#1b4965", "#d1495b", "#8d99ae", "#e9a03b"
N_COMPONENTS = 20


def distilled_digits():
    """Return a network, its student, and digits that neither has seen."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    network = MLPClassifier(64, max_iter=1000, random_state=0).fit(X, y)
    student = make_pipeline(
        PCA(N_COMPONENTS, random_state=0),
        MonomialLifter(2),
        KoopmanDistilledClassifier(
            FrozenEstimator(network), soft_weight=0.9, temperature=2.0, ridge=1e-3
        ),
    ).fit(X, y)
    return network, student, X_test, y_test


def logits_of(network, X):
    """Return the logarithms of a network's probabilities."""
    return np.log(np.clip(network.predict_proba(X), 1e-30, None))


def show_bars(ax, values, color, title):
    """Draw numbers as bars without more ado."""
    ax.bar(np.arange(len(values)), values, color=color, width=0.8)
    ax.set_title(title, fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.axhline(0, color="black", linewidth=0.6)
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)


def show_classes(ax, probabilities, color, title):
    """Draw the probabilities of the ten digits."""
    show_bars(ax, probabilities, color, title)
    ax.set_ylim(0, 1)
    ax.set_xticks(range(len(probabilities)))
    ax.tick_params(length=0, labelsize=8)


def arrow(figure, start, end, color="black", label="", linestyle="-"):
    """Draw an arrow between two points of a figure, with a word above it."""
    figure.add_artist(
        ConnectionPatch(
            start,
            end,
            "figure fraction",
            "figure fraction",
            arrowstyle="-|>",
            mutation_scale=12,
            color=color,
            linewidth=1.4,
            linestyle=linestyle,
        )
    )
    x, y = np.mean([start, end], axis=0)
    figure.text(x, y + 0.03, label, ha="center", fontsize=9, color=color)


def between(left, right):
    """Return the ends of a level arrow from some axes to others."""
    left, right = left.get_position(), right.get_position()
    y = (left.y0 + left.y1) / 2
    return (left.x1 + 0.008, y), (right.x0 - 0.008, y)


def draw_idea(network, student, X, y):
    """Follow one digit through teacher and student."""
    doubts = softmax(logits_of(network, X), axis=1).max(axis=1)
    row = np.argsort(doubts)[3]
    x = X[row : row + 1]
    z = student[:1].transform(x)[0]
    psi = student[:2].transform(x)[0]
    K = student[-1].coef_ * np.std(student[:2].transform(X), axis=0)

    figure = plt.figure(figsize=(12, 4.4))
    below, height = 0.13, 0.27
    places = {  # left, width
        "x": (0.02, 0.1),
        "z": (0.19, 0.12),
        "psi": (0.39, 0.17),
        "K": (0.63, 0.18),
        "s": (0.87, 0.12),
    }
    axes = {
        name: figure.add_axes((left, below, width, height))
        for name, (left, width) in places.items()
    }
    network_axes = figure.add_axes((0.39, 0.64, 0.17, 0.25))
    soft = figure.add_axes((0.87, 0.63, 0.12, height))

    axes["x"].imshow(x.reshape(8, 8), cmap="gray_r")
    axes["x"].set(xticks=[], yticks=[])
    axes["x"].set_title("$x$: 64 pixels", fontsize=10)
    show_bars(axes["z"], z, GREY, f"$z$: {N_COMPONENTS} PCA coordinates")
    show_bars(axes["psi"], psi, ORANGE, rf"$\psi(z)$: {len(psi)} observables")
    limit = np.quantile(np.abs(K), 0.995)
    axes["K"].imshow(
        K, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )
    axes["K"].set(xticks=[], yticks=[])
    axes["K"].set_title(f"$K$: {len(K)} x {len(psi)} numbers", fontsize=10)
    show_classes(axes["s"], student.predict_proba(x)[0], STUDENT, "the student says")

    draw_layers(network_axes, (6, 8, 5))
    network_axes.set_title("trained network", fontsize=10)
    show_classes(soft, network.predict_proba(x)[0], TEACHER, "the teacher says")

    arrow(figure, *between(axes["x"], axes["z"]), label="linear")
    arrow(
        figure,
        *between(axes["z"], axes["psi"]),
        label="products,\nnever learnt",
        color=ORANGE,
    )
    arrow(figure, *between(axes["psi"], axes["K"]), label="linear")
    arrow(figure, *between(axes["K"], axes["s"]))
    arrow(figure, (0.07, 0.49), (0.38, 0.75), color=TEACHER)
    arrow(figure, *between(network_axes, soft), color=TEACHER)
    arrow(figure, (0.9, 0.58), (0.75, 0.47), color=TEACHER, linestyle="--")
    figure.text(0.72, 0.53, "$K$ is learnt from this", ha="center", fontsize=10, color=TEACHER)
    return figure


def draw_layers(ax, sizes):
    """Draw a network of some layers."""
    columns = [
        np.column_stack([np.full(size, i), np.linspace(-size, size, size)])
        for i, size in enumerate(sizes)
    ]
    for left, right in pairwise(columns):
        for start in left:
            for end in right:
                ax.plot(*np.transpose([start, end]), color=TEACHER, linewidth=0.3, alpha=0.6)
    for column in columns:
        ax.scatter(*column.T, s=28, color=TEACHER, zorder=2)
    ax.set_axis_off()


def draw_lifting():
    """Draw rings that no line separates, before and after lifting."""
    X, y = make_circles(300, noise=0.08, factor=0.5, random_state=0)
    lifter = MonomialLifter(2)
    student = make_pipeline(
        lifter, KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-4)
    ).fit(X, y)
    straight = make_pipeline(
        MonomialLifter(1), KoopmanDistilledClassifier(soft_weight=0.0, ridge=1e-4)
    ).fit(X, y)
    colors = np.array([TEACHER, STUDENT])[y]
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
    grid = np.linspace(-1.4, 1.4, 200)
    plane = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    for ax, model, title in (
        (axes[0], straight, "One matrix on $x_1, x_2$:\na line"),
        (axes[2], student, "In the plane,\na curve"),
    ):
        said = model.decision_function(plane).reshape(len(grid), -1)
        ax.contourf(grid, grid, said > 0, levels=[-0.5, 0.5, 1.5], alpha=0.18,
                    colors=[TEACHER, STUDENT])  # fmt: skip
        ax.scatter(*X.T, c=colors, s=12)
        score = f"{model.score(X, y):.0%} right"
        ax.set(xlabel="$x_1$", ylabel="$x_2$", title=f"{title} ({score})", aspect="equal")
    squares = X**2
    axes[1].scatter(*squares.T, c=colors, s=12)
    names = list(lifter.fit(X).get_feature_names_out(["x1", "x2"]))
    # The difference of both classes' logits decides.
    slopes = dict(zip(names, np.diff(student[-1].coef_, axis=0)[0], strict=True))
    a, b = slopes["x1^2"], slopes["x2^2"]
    constant = np.diff(student[-1].intercept_).item()
    ends = np.array([0.0, -constant / a])
    axes[1].plot(ends, -(constant + a * ends) / b, color="black", linewidth=1)
    axes[1].set(
        xlabel="$x_1^2$",
        ylabel="$x_2^2$",
        title="Among the observables $x_1^2, x_2^2$,\na line is enough",
        xlim=(-0.05, 1.6),
        ylim=(-0.05, 1.6),
    )
    return figure


def draw_soft_labels(network, X, y):
    """Draw what a teacher says of doubtful digits at three temperatures."""
    logits = logits_of(network, X)
    certain = np.sort(softmax(logits, axis=1), axis=1)
    # Right, but with a second thought.
    is_right = logits.argmax(axis=1) == y
    rows = np.flatnonzero(is_right & (certain[:, -1] > 0.9) & (certain[:, -2] > 0.01))
    rows = rows[np.sort(np.unique(y[rows], return_index=True)[1])][:3]
    temperatures = 1, 2, 4
    figure, axes = plt.subplots(
        len(rows), 4, figsize=(9, 4.6), width_ratios=[1, 2, 2, 2], layout="constrained"
    )
    for (image, *bars), row in zip(axes, rows, strict=True):
        image.imshow(X[row].reshape(8, 8), cmap="gray_r")
        image.set(xticks=[], yticks=[], ylabel=f"a {y[row]}")
        for ax, temperature in zip(bars, temperatures, strict=True):
            title = f"$T = {temperature}$" if row == rows[0] else ""
            show_classes(ax, softmax(logits[row] / temperature), TEACHER, title)
    return figure


def student_of_filters():
    """Return a student of filters without a teacher, and digits that it has not seen."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X / 16, y, test_size=0.3, stratify=y, random_state=0
    )
    lifter = ConvolutionalLifter(
        (8, 8), n_filters=16, filter_size=3, grid=3, root=False, random_state=0
    )
    student = make_pipeline(lifter, KoopmanDistilledClassifier(soft_weight=0, ridge=1e-3))
    return student.fit(X, y), X, X_test, y_test


def draw_pooling(student, X, y):
    """Follow one patch of a digit to its observables."""
    lifter, row = student[0], X[np.flatnonzero(y == 3)[0]]
    j = 0
    kernel, patches = lifter.filters_[j, 0], lifter.patches(row[None])[0]
    responses = (patches @ kernel.ravel() + lifter.offsets_[j]).reshape(6, 6)
    place = responses.argmax()
    sides = [np.maximum(sign * responses - lifter.threshold, 0) for sign in (1, -1)]
    cells = lifter.transform(row[None]).reshape(16, 2, 3, 3)[j]

    figure = plt.figure(figsize=(12, 3.6))
    axes = {
        name: figure.add_axes((left, bottom, 0.13, 0.42))
        for name, left, bottom in (
            ("$x$: 8 x 8 pixels", 0.01, 0.25),
            ("a patch, scaled", 0.2, 0.47),
            ("filter $w$", 0.2, -0.05),
            ("its responses $r$, at all places", 0.42, 0.25),
            ("$\\max(r - t, 0)$", 0.64, 0.52),
            ("$\\max(-r - t, 0)$", 0.64, -0.02),
            ("means: 9 observables", 0.86, 0.52),
            ("and 9 more", 0.86, -0.02),
        )
    }
    limit = np.abs(responses).max()
    pictures = [
        row.reshape(8, 8),
        patches[place].reshape(3, 3),
        kernel,
        responses,
        *sides,
        *cells,
    ]
    signed = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    styles = [*3 * [{"cmap": "gray"}], signed]
    styles += [
        {"cmap": "Reds", "vmin": 0, "vmax": limit},
        {"cmap": "Blues", "vmin": 0, "vmax": limit},
    ]
    styles += [{"cmap": "Reds", "vmin": 0}, {"cmap": "Blues", "vmin": 0}]
    for (title, ax), picture, style in zip(axes.items(), pictures, styles, strict=True):
        ax.imshow(picture, **style)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=10)
    image, _, _, response, *boxes = axes.values()
    down, across = divmod(place, 6)
    for ax, size in ((image, 3), (response, 1)):
        ax.add_patch(plt.Rectangle((across - 0.5, down - 0.5), size, size, fill=False,
                                   edgecolor=ORANGE, linewidth=2))  # fmt: skip
    for ax in boxes:
        for line in (1, 2):
            step = 2 if ax in boxes[:2] else 1
            ax.axhline(line * step - 0.5, color=ORANGE, linewidth=1)
            ax.axvline(line * step - 0.5, color=ORANGE, linewidth=1)
    arrow(figure, (0.14, 0.5), (0.205, 0.62), color=ORANGE)
    arrow(figure, (0.325, 0.62), (0.415, 0.5), color=ORANGE)
    arrow(figure, (0.325, 0.2), (0.415, 0.42), color=ORANGE)
    figure.text(0.355, 0.44, "product", fontsize=9, color=ORANGE)
    arrow(figure, (0.555, 0.52), (0.64, 0.68), color=TEACHER)
    arrow(figure, (0.555, 0.38), (0.64, 0.22), color=STUDENT)
    for y_of in (0.72, 0.18):
        arrow(figure, (0.775, y_of), (0.855, y_of), label="mean")
    return figure


def draw_filter_weights(student, X):
    """Draw filters, and what two classes make of them."""
    figure = plt.figure(figsize=(12, 3.9), layout="constrained")
    left, *right = figure.subfigures(1, 3, width_ratios=[1, 1.6, 1.6])
    FilterDisplay.from_estimator(student, ax=left.subplots())
    left.suptitle("16 filters that nobody trained", fontsize=10)
    for part, label in zip(right, (3, 7), strict=True):
        axes = part.subplots(3, 5)
        FilterWeightsDisplay.from_estimator(student, label, X, n_shown=5, axes=axes)
        part.suptitle(f"what a {label} makes of five of them", fontsize=10)
    return figure


def draw_logit_maps(student, X, X_test):
    """Draw where the logits of two doubtful digits come from."""
    logits = np.sort(student.decision_function(X_test), axis=1)
    rows = np.argsort(logits[:, -1] - logits[:, -2])[:2]
    figure, axes = plt.subplots(2, 4, figsize=(8.5, 4.4), layout="constrained")
    for row, line in zip(rows, axes, strict=True):
        LogitMapDisplay.from_estimator(student, X_test[row], X_reference=X, axes=line)
    return figure


def main(arguments=None):
    """Draw them all."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the user guide.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "images")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    network, student, X, y = distilled_digits()
    of_filters, X_seen, X_test, y_test = student_of_filters()
    figures = {
        "idea": draw_idea(network, student, X, y),
        "lifting": draw_lifting(),
        "soft_labels": draw_soft_labels(network, X, y),
        "pooling": draw_pooling(of_filters, X_test, y_test),
        "filters": draw_filter_weights(of_filters, X_seen),
        "logit_maps": draw_logit_maps(of_filters, X_seen, X_test),
    }
    for name, figure in figures.items():
        figure.savefig(options.output / f"{name}.png", dpi=110, bbox_inches="tight")
        print(options.output / f"{name}.png")


if __name__ == "__main__":
    main()
