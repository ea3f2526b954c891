"""Whether we find the random tree that a network has learnt.

    python experiments/tree_recovery.py --n-features 100 --depth 3
    python experiments/tree_recovery.py --n-features 1000 --depth 3

The networks are those of tree_networks.py. Each one is distilled from 10,000 unlabelled inputs by
beams of several widths: as published (only the clauses that the features represent best), and with
`greedy=True`, the default. "right" is the fraction of 100,000 fresh inputs on which the distilled
tree has the label of the *true* tree; 1 is exact recovery. DecisionTreeClassifier sees the same
10,000 inputs with the network's labels, and may be as deep as it likes. "blind" is the default
with features that say nothing.

Writes experiments/results/tree_recovery.csv.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from experiments import runner
from experiments.tree_networks import tree_and_network, uniform
from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.teachers import TorchTeacher

BEAMS = (10, 50, 100, 200)
N_TRAIN, N_TEST = 10_000, 100_000
SETTING = ("n_features", "depth", "seed")


def nothing(X):
    """Return features that say nothing."""
    return np.zeros((len(X), 1))


# The beams of each method, and its parameters.
METHODS = {
    "probes only": (BEAMS, {"greedy": False}),
    "default": (BEAMS, {}),
    "blind": (BEAMS[-1:], {"features": nothing}),
    "DecisionTreeClassifier": (("",), {}),
}


@dataclass(frozen=True)
class Spec:
    """A network, and a method to find a tree in it."""

    n_features: int
    depth: int
    seed: int
    method: str
    beam_width: int | str


class Bench:
    """A tree, a network that has learnt it, and inputs."""

    def __init__(self, *setting):
        self.tree, network = tree_and_network(*setting)
        self.teacher = TorchTeacher(network, output="logits", batch_size=10_000)
        rng = np.random.default_rng([*setting, 1])
        self.X = uniform(runner.full_or_quick(N_TRAIN, 500), setting[0], rng)
        self.X_test = uniform(runner.full_or_quick(N_TEST, 1000), setting[0], rng)
        self.truth = self.tree.predict(self.X_test)
        self.said = (self.teacher(self.X)[:, 0] > 0).astype(int)
        self.teacher_right = np.mean((self.teacher(self.X_test)[:, 0] > 0) == self.truth)


@lru_cache(maxsize=1)
def bench(*setting):
    """Return the network that was asked for last, or load it."""
    return Bench(*setting)


def measure(spec):
    """Return how often the found tree is right."""
    inputs = bench(spec.n_features, spec.depth, spec.seed)
    if spec.method == "DecisionTreeClassifier":
        model = DecisionTreeClassifier(random_state=0)
    else:
        _, settings = METHODS[spec.method]
        model = DistilledTreeClassifier(
            inputs.teacher,
            max_depth=spec.depth,
            beam_width=spec.beam_width,
            random_state=0,
            **settings,
        )
    _, seconds = runner.timed(model.fit, inputs.X, inputs.said)
    right = np.mean(model.predict(inputs.X_test) == inputs.truth)
    return {
        "n_probes": getattr(model, "n_probes_", ""),
        "n_leaves": model.get_n_leaves(),
        "right": round(float(right), 5),
        "teacher_right": round(float(inputs.teacher_right), 5),
        "seconds": round(seconds, 2),
    }


def specs(options):
    """Return the networks and methods that the options ask for."""
    return [
        Spec(options.n_features, options.depth, seed, method, width)
        for seed in options.seeds
        for method, (widths, _) in METHODS.items()
        for width in widths
        if options.method in (None, method)
    ]


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--n-features", type=runner.count, default=100)
    made.add_argument("--depth", type=runner.count, default=3)
    made.add_argument("--method", choices=METHODS, help="only this method")
    made.add_argument("--seeds", type=int, nargs="+", default=range(5))
    return made


def main():
    """Distil the networks of one setting, or show the table."""
    options = runner.parse(parser())
    if options.quick:
        options.n_features, options.depth, options.seeds = 20, 2, [0]
    results = runner.Results(
        "tree_recovery.csv",
        [*SETTING, "method", "beam_width"],
        order=lambda row: [int(row[name]) for name in SETTING],
    )
    runner.carry_out(options, results, specs(options), measure)


if __name__ == "__main__":
    main()
