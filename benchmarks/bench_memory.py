"""Peak memory of fitting MNIST at degree 3, PCA 30: lifter= inside, and as a pipeline step.

    python benchmarks/bench_memory.py

Each side is a process of its own; its largest resident memory counts everything, the 60,000 x 784
float32 pixels and the libraries too. A few iterations are enough: later ones need no more memory.
Writes benchmarks/results/memory.csv.
"""

import argparse
import csv
import resource
import subprocess
import sys
import warnings
from pathlib import Path

from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.datasets import fetch_mnist

COMPONENTS, DEGREE = 30, 3
RESULTS = Path(__file__).parent / "results" / "memory.csv"
STUDENTS = {
    "EDMD": EDMDClassifier(),
    "distilled": KoopmanDistilledClassifier(soft_weight=0.0, max_iter=3),
}


def fit(name, place):
    """Fit one student and print the peak memory of this process in megabytes."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = fetch_mnist("train", return_X_y=True)
    steps = PCA(COMPONENTS, random_state=0), MonomialLifter(DEGREE)
    student = STUDENTS[name]
    if place == "inside":
        student.set_params(lifter=make_pipeline(*steps)).fit(X, y)
    else:
        make_pipeline(*steps, student).fit(X, y)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main():
    """Run every side in a process of its own, or one side in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", nargs=2, metavar=("STUDENT", "PLACE"))
    options = parser.parse_args()
    if options.side:
        fit(*options.side)
        return
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["student", "lifting", "peak_MB"])
        for name in STUDENTS:
            for place in ("inside", "pipeline step"):
                command = [sys.executable, __file__, "--side", name, place]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                writer.writerow([name, place, done.stdout.strip()])
                print(name, place, done.stdout.strip(), "MB", flush=True)


if __name__ == "__main__":
    main()
