"""Random trees read out of networks that have learnt them: does the same tree come out.

    python benchmarks/bench_tree_recovery.py --n-features 100 --depth 3
    python benchmarks/bench_tree_recovery.py --n-features 1000 --depth 3

The networks are those of tree_networks.py. Each is distilled from 10,000 unlabelled inputs by
beams of several widths: as published (only what the features represent best), and with
`greedy=True`, the default. "right" is the fraction of 100,000 fresh inputs on which the distilled
tree has the label of the *true* tree; 1 is exact recovery. DecisionTreeClassifier sees the same
10,000 inputs with the network's labels, and may be as deep as it likes; "blind" is the default
with features that say nothing.

Adds rows to benchmarks/results/tree_recovery.csv, in place of those of the same setting and
method.
"""

import argparse
import csv
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.tree import DecisionTreeClassifier
from tree_networks import load_or_train, uniform

from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.teachers import TorchTeacher

RESULTS = Path(__file__).parent / "results" / "tree_recovery.csv"
HEADER = "n_features,depth,seed,method,beam_width,n_probes,n_leaves,right,teacher_right,seconds"
BEAMS = (10, 50, 100, 200)
N_TRAIN, N_TEST = 10_000, 100_000


def rows_of(n_features, depth, seed, only=None):
    """Yield a row for every method and beam, or for one method alone, on one tree."""
    tree, network = load_or_train(n_features, depth, seed)
    teacher = TorchTeacher(network, output="logits", batch_size=10_000)
    rng = np.random.default_rng([n_features, depth, seed, 1])
    X, X_test = uniform(N_TRAIN, n_features, rng), uniform(N_TEST, n_features, rng)
    truth = tree.predict(X_test)
    said = (teacher(X)[:, 0] > 0).astype(int)
    teacher_right = np.mean((teacher(X_test)[:, 0] > 0) == truth)

    def student(beam_width, **settings):
        return DistilledTreeClassifier(
            teacher, max_depth=depth, beam_width=beam_width, random_state=0, **settings
        )

    methods = [("probes only", width, student(width, greedy=False)) for width in BEAMS]
    methods += [("default", width, student(width)) for width in BEAMS]
    methods += [("blind", width, student(width, features=nothing)) for width in BEAMS[-1:]]
    methods += [("DecisionTreeClassifier", "", DecisionTreeClassifier(random_state=0))]
    for method, beam_width, model in methods:
        if only not in (None, method):
            continue
        start = perf_counter()
        model.fit(X, said)
        seconds = perf_counter() - start
        right = np.mean(model.predict(X_test) == truth)
        yield [
            n_features,
            depth,
            seed,
            method,
            beam_width,
            getattr(model, "n_probes_", ""),
            model.get_n_leaves(),
            round(float(right), 5),
            round(float(teacher_right), 5),
            round(seconds, 2),
        ]


def nothing(X):
    """Return features that say nothing."""
    return np.zeros((len(X), 1))


def write(new):
    """Put rows in the place of those of the same setting and method."""
    old = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            old = list(csv.reader(file))[1:]
    settings = {tuple(map(str, row[:4])) for row in new}
    rows = [row for row in old if tuple(row[:4]) not in settings] + new
    rows.sort(key=lambda row: [int(number) for number in row[:3]])
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([HEADER.split(","), *rows])


def main():
    """Distil the networks of one setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-features", type=int, default=100)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--method", help="run this one alone, for example 'blind'")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    options = parser.parse_args()
    for seed in options.seeds:
        rows = []
        for row in rows_of(options.n_features, options.depth, seed, options.method):
            print(*row, flush=True)
            rows.append(row)
        write(rows)


if __name__ == "__main__":
    main()
