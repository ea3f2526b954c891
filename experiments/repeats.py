"""What a random seed changes for the MNIST student of degree 2, PCA 40.

    python experiments/repeats.py

The exact solver draws nothing, so its students are the same; mini-batches depend on the order
of the rows. Writes experiments/results/repeats.csv.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from experiments import runner
from experiments.images import images
from experiments.teachers import teacher
from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter

SOLVERS = {"lbfgs": {}, "adam": {"max_iter": 10, "batch_size": 512}}


@dataclass(frozen=True)
class Spec:
    """Fits by one solver."""

    solver: str


def measure(spec, n_seeds):
    """Return the accuracies over seeds, and how much the coefficients differ."""
    X, y = images("mnist", "train")
    X_test, y_test = images("mnist", "test")
    logits = teacher("mnist", "mlp")(X)
    accuracies, coefs = [], []
    for seed in range(n_seeds):
        student = KoopmanDistilledClassifier(
            soft_weight=1.0,
            temperature=4.0,
            ridge=1e-4,
            lifter=make_pipeline(PCA(40, random_state=seed), MonomialLifter(2)),
            solver=spec.solver,
            random_state=seed,
            **SOLVERS[spec.solver],
        ).fit(X, y, soft_labels=logits)
        accuracies.append(student.score(X_test, y_test))
        coefs.append(student.coef_)
    mean, std = runner.mean_and_std(accuracies)
    return {
        "seeds": n_seeds,
        "accuracy": mean,
        "accuracy_std": std,
        "largest_coef_difference": float(max(np.abs(coef - coefs[0]).max() for coef in coefs)),
        "objective": round(student.objective_, 5),
    }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--seeds", type=runner.count, default=3)
    return made


def main():
    """Fit with every seed, or show the table."""
    options = runner.parse(parser())
    results = runner.Results("repeats.csv", ["solver"])
    specs = [Spec(solver) for solver in SOLVERS]
    runner.carry_out(options, results, specs, partial(measure, n_seeds=options.seeds))


if __name__ == "__main__":
    main()
