"""What the probes of a tree cost: least squares for all at once, or 101 Adam steps for each.

    python benchmarks/bench_trees.py

The network of experiments/tree_networks.py has learnt a tree of depth 4 on 100 inputs. With its
activations and a beam of 100 there are about 50,000 clauses. Timed are the whole of `fit` (network,
factorisation, probes, dynamic programming), and the probes as published: 101 Adam steps for each on
the activations of 1,000 inputs (learning rate 0.01, our choice), with errors on 10,000 others. The
published probes take too long here for all clauses. So a subset is timed, and the time per probe is
multiplied. This is done once with one probe after the other, and once with many in one matrix
product, which is the fastest way to run them.

Least squares is timed on the same 1,000 rows, and on the 2,000 rows of the defaults. Writes
benchmarks/results/tree_probes.csv.
"""

import numpy as np
import torch
from scipy.stats import spearmanr
from threadpoolctl import threadpool_info

from benchmarks import runner
from experiments.tree_networks import tree_and_network, uniform
from sklearn_koopman import DistilledTreeClassifier
from sklearn_koopman.solvers import LinearProbes
from sklearn_koopman.teachers import TorchTeacher

# The features that a student takes from its teacher. No public name gives them.
from sklearn_koopman.trees._features import internal_features

N_FEATURES, DEPTH, BEAM = 100, 4, 100
N_ROWS, N_VALIDATION, N_STEPS, N_CLAUSES = 1000, 10_000, 101, 500


def time_least_squares(teacher, X, n_rows, repeats):
    """Return the least seconds of `fit` with ``n_rows`` probed rows, and the number of probes."""
    student = DistilledTreeClassifier(
        teacher,
        max_depth=DEPTH,
        beam_width=runner.full_or_quick(BEAM, 5),
        greedy=False,
        max_probe_samples=n_rows,
        random_state=0,
    )
    turns = {"fit": lambda: runner.seconds(student.fit, X, np.arange(len(X)) % 2)}
    return min(runner.in_turns(turns, repeats)["fit"]), student.n_probes_


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


def standardised(raw):
    """Return the features, centred and scaled to unit length by the first rows."""
    phi = torch.from_numpy(raw - raw[:N_ROWS].mean(axis=0))
    return phi / (phi[:N_ROWS] ** 2).sum(axis=1).mean().sqrt()


def clauses(X, tree, rng):
    """Return which clauses of two conditions hold for each row, as at the second level."""
    # Half of them are conditions on the variables that the tree uses.
    anything = rng.integers(0, N_FEATURES, (2, N_CLAUSES // 2))
    first, second = np.hstack([rng.choice(tree.variable, anything.shape), anything])
    return (X[:, first] > 0) & (X[:, second] > 0)


def time_adam(phi, holds, together, n_timed):
    """Return the errors of the last probes, and the seconds of all timed ones."""
    targets = torch.from_numpy(np.where(holds, 1, -1).astype(np.float32))

    def probe_all():
        return [
            adam_errors(
                phi[:N_ROWS], targets[:N_ROWS, part], phi[N_ROWS:], targets[N_ROWS:, part]
            )
            for part in np.split(np.arange(n_timed), n_timed // together)
        ]

    errors, taken = runner.timed(probe_all)
    return errors[-1], taken


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__, repeats=3)


def main():
    """Time both and write the results."""
    options = runner.parse(parser())
    threads = max(info["num_threads"] for info in threadpool_info())
    tree, network = tree_and_network(N_FEATURES, DEPTH, seed=0)
    teacher = TorchTeacher(network, output="logits", batch_size=10_000)
    rng = np.random.default_rng(0)
    X = uniform(N_ROWS + N_VALIDATION, N_FEATURES, rng)
    raw = internal_features(teacher, X, len(X))
    phi, holds = standardised(raw), clauses(X, tree, rng)

    found = []
    for n_rows in (N_ROWS, 2000):  # as published, and the defaults
        taken, n_probes = time_least_squares(teacher, X, n_rows, options.repeats)
        found.append(("least squares, whole fit", n_rows, n_probes, taken))
    of_defaults = found[-1][-1]
    for together, n_timed in ((1, runner.full_or_quick(20, 2)), (N_CLAUSES, N_CLAUSES)):
        errors, taken = time_adam(phi, holds, together, n_timed)
        found.append((f"101 Adam steps, {together} at a time", N_ROWS, n_timed, taken))

    everywhere = np.ones(N_ROWS, dtype=bool)
    ours = LinearProbes(raw[:N_ROWS], 1e-3).errors(everywhere, holds[:N_ROWS])[0]
    adams = errors / np.var(np.where(holds[N_ROWS:], 1, -1), axis=0)
    print(f"rank correlation of the errors: {spearmanr(ours, adams).statistic:.3f}")
    results = runner.Measurements("tree_probes.csv", ["method", "rows"])
    for method, n_rows, n_timed, taken in found:
        of_all = taken / n_timed * n_probes
        results.add(
            {
                "method": method,
                "rows": n_rows,
                "probes_timed": n_timed,
                "seconds": round(taken, 3),
                "seconds_for_all": round(of_all, 2),
                "all_probes": n_probes,
                "times_slower": round(of_all / of_defaults, 1),
                "threads": threads,
            }
        )


if __name__ == "__main__":
    main()
