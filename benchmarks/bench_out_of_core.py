"""Memory and time of fitting 10 million rows on disk: degree 2, 40 columns, 861 observables.

    python benchmarks/bench_out_of_core.py

Writes a memmap of float32 (1.6 GB) to a temporary folder and fits every student in a process of its
own. The memory is RssAnon of /proc/<pid>/status, sampled 50 times a second: all that the process
has allocated, libraries' data included. Pages of the memmap that happen to be in memory are not
counted; they are cache that the kernel takes back when it is short of memory. Linux only.
Writes benchmarks/results/out_of_core.csv.
"""

import argparse
import csv
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter

N_COLUMNS, N_CLASSES, DEGREE = 40, 10, 2
RESULTS = Path(__file__).parent / "results" / "out_of_core.csv"
STUDENTS = {
    "EDMD": EDMDClassifier(lifter=MonomialLifter(DEGREE)),
    "distilled": KoopmanDistilledClassifier(
        soft_weight=0.0, max_iter=5, lifter=MonomialLifter(DEGREE)
    ),
}


def write_rows(folder, n_rows, n_columns=N_COLUMNS):
    """Write X and y, block by block: normal columns, classes that depend on their products."""
    rng = np.random.default_rng(0)
    shape = (n_rows, n_columns)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", dtype=np.float32, shape=shape)
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", dtype=np.int64, shape=(n_rows,))
    mixing = rng.normal(size=(n_columns // 2, N_CLASSES)).astype(np.float32)
    for rows in gen_batches(n_rows, 100_000):
        block = rng.standard_normal((rows.stop - rows.start, n_columns), dtype=np.float32)
        logits = (block[:, : 2 * len(mixing) : 2] * block[:, 1::2]) @ mixing
        X[rows], y[rows] = block, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def fit(name, folder):
    """Fit one student and print the seconds that took."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X = np.load(folder / "X.npy", mmap_mode="r")
    y = np.load(folder / "y.npy", mmap_mode="r")
    start = time.perf_counter()
    student = STUDENTS[name].fit(X, y)
    seconds = time.perf_counter() - start
    print(f"{seconds:.1f},{student.score(X[:100_000], y[:100_000]):.3f}")


def watched(command):
    """Run a command; return what it printed and the peak of its anonymous memory in MB."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = re.search(r"RssAnon:\s+(\d+) kB", status.read_text())
            peak = max(peak, int(found[1]) if found else 0)
            time.sleep(0.02)
        printed = process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed.strip(), peak / 1024


def main():
    """Write the rows and fit every student on them, or fit one in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--student", choices=STUDENTS, nargs="+", default=list(STUDENTS))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        fit(options.student[0], options.folder)
        return
    with tempfile.TemporaryDirectory() as folder, RESULTS.open("w", newline="") as file:
        write_rows(Path(folder), options.rows)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["student", "rows", "observables", "RssAnon_MB", "seconds", "accuracy"])
        n_observables = (N_COLUMNS + 1) * (N_COLUMNS + 2) // 2
        for name in options.student:
            command = [sys.executable, __file__, "--student", name, "--folder", folder]
            printed, peak = watched(command)
            row = [name, options.rows, n_observables, round(peak), *printed.split(",")]
            writer.writerow(row)
            file.flush()
            print(*row, flush=True)


if __name__ == "__main__":
    main()
