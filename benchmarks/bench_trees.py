"""What probes cost: least squares for all of them at once, or 101 steps of Adam for each.

    python benchmarks/bench_tree_probes.py

One network of tree_networks.py that has learnt a tree of depth 4 on 100 inputs, its activations,
and a beam of 100: about 50,000 clauses. Timed are the whole of `fit` (network, factorisation,
probes, dynamic programming), and the probes as published: on the activations of 1,000 inputs,
101 Adam steps for each (learning rate 0.01, our choice), errors on 10,000 others. The published
probes take too long here for all clauses, so a subset is timed and the time per probe multiplied;
once one probe after the other, and once many in one matrix product, which is the best that can be
made of them.

Least squares is timed on the same 1,000 rows, and on the 2,000 of the defaults. Writes
benchmarks/results/tree_probes.csv.
"""

import csv
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from scipy.stats import spearmanr
from threadpoolctl import threadpool_info
from tree_networks import load_or_train, uniform

from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.solvers import LinearProbes
from sklearn_koopman.teachers import TorchTeacher
from sklearn_koopman.trees._features import internal_features

RESULTS = Path(__file__).parent / "results" / "tree_probes.csv"
N_FEATURES, DEPTH, BEAM = 100, 4, 100
N_ROWS, N_VALIDATION, N_STEPS, N_CLAUSES = 1000, 10_000, 101, 500
REPEATS = 3


def time_least_squares(teacher, X, n_rows):
    """Return the least seconds of `fit` with so many probed rows, and the number of probes."""
    times = []
    for _ in range(REPEATS):
        student = DistilledTreeClassifier(
            teacher,
            max_depth=DEPTH,
            beam_width=BEAM,
            greedy=False,
            max_probe_samples=n_rows,
            random_state=0,
        )
        start = perf_counter()
        student.fit(X, np.arange(len(X)) % 2)
        times.append(perf_counter() - start)
    return min(times), student.n_probes_


def adam_errors(phi, clauses, phi_validation, clauses_validation):
    """Return the validation errors of the probes of some clauses, one column each."""
    probe = torch.nn.Linear(phi.shape[1], clauses.shape[1])
    optimizer = torch.optim.Adam(probe.parameters(), lr=1e-2)
    for _ in range(N_STEPS):
        loss = ((probe(phi) - clauses) ** 2).mean(axis=0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        return ((probe(phi_validation) - clauses_validation) ** 2).mean(axis=0).numpy()


def main():
    """Time both and write the results."""
    threads = max(info["num_threads"] for info in threadpool_info())
    tree, network = load_or_train(N_FEATURES, DEPTH, seed=0)
    teacher = TorchTeacher(network, output="logits", batch_size=10_000)
    rng = np.random.default_rng(0)
    X = uniform(N_ROWS + N_VALIDATION, N_FEATURES, rng)
    raw = internal_features(teacher, X, len(X))
    phi = torch.from_numpy(raw - raw[:N_ROWS].mean(axis=0))
    phi /= (phi[:N_ROWS] ** 2).sum(axis=1).mean().sqrt()
    print(f"{threads} threads, {phi.shape[1]} features", flush=True)

    # clauses of two conditions, as at the second level; half of them on what the tree looks at
    anything = rng.integers(0, N_FEATURES, (2, N_CLAUSES // 2))
    first, second = np.hstack([rng.choice(tree.variable, anything.shape), anything])
    holds = (X[:, first] > 0) & (X[:, second] > 0)
    targets = torch.from_numpy(np.where(holds, 1, -1).astype(np.float32))
    data = phi[:N_ROWS], targets[:N_ROWS], phi[N_ROWS:], targets[N_ROWS:]

    results, n_probes = [], 0
    for n_rows in (N_ROWS, 2000):  # as published, and the defaults
        seconds, n_probes = time_least_squares(teacher, X, n_rows)
        results.append(("least squares, whole fit", n_rows, n_probes, seconds, seconds))
    for together, n_timed in ((1, 20), (N_CLAUSES, N_CLAUSES)):
        start = perf_counter()
        errors = [
            adam_errors(data[0], data[1][:, part], data[2], data[3][:, part])
            for part in np.split(np.arange(n_timed), n_timed // together)
        ]
        seconds = perf_counter() - start
        name = f"101 Adam steps, {together} at a time"
        results.append((name, N_ROWS, n_timed, seconds, seconds / n_timed * n_probes))

    probes = LinearProbes(raw[:N_ROWS], 1e-3)
    everywhere = np.ones(N_ROWS, dtype=bool)
    ours = probes.errors(everywhere, holds[:N_ROWS])[0]
    adams = errors[-1] / np.var(np.where(holds[N_ROWS:], 1, -1), axis=0)
    print(f"rank correlation of the errors: {spearmanr(ours, adams).statistic:.3f}")
    of_defaults = results[1][-1]
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = (
            "method,rows,probes_timed,seconds,seconds_for_all,all_probes,times_slower,threads"
        )
        writer.writerow(header.split(","))
        for name, n_rows, n_timed, seconds, total in results:
            row = [name, n_rows, n_timed, round(seconds, 3), round(total, 2), n_probes]
            writer.writerow([*row, round(total / of_defaults, 1), threads])
            print(*row, round(total / of_defaults, 1), flush=True)


if __name__ == "__main__":
    main()
