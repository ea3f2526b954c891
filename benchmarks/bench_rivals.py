"""Time the work that other libraries share with this one, side by side, each in its own place.

    make rivals    (or python benchmarks/rivals.py)

scikit-learn, pykoopman, deeptime, pykoop and pysindy lift the same snapshots of the Lorenz-96
model to the same monomials and fit the same least squares as sklearn_koopman; what exactly is
compared, and how, says `benchmarks/rivals/sides.py`. The four that are not scikit-learn get a
virtual environment each, in benchmarks/.venvs/, with the versions that `benchmarks/rivals/` pins.
Every library does every task in a process of its own, one after the other, with as many BLAS
threads as there are cores; `seconds` is the median of 5 runs, of fewer where 5 would take
longer than 10 s. A process that takes more than two minutes is stopped, and a library
that failed at a task or was stopped is not asked for a larger one: `remark` says so.

Writes benchmarks/results/rivals.csv: `ratio` is to the time of ours; `peak_MB` is the rise of the
largest resident memory; `disagreement` is the largest difference between predictions for new
states and those of ours, `error` that between the next states and what they are (for lift: the
columns of degree 1), both relative to the largest value. Ends with exit status 1 where one of them
is more than rounding.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from math import comb
from pathlib import Path

from kept_rows import load

HERE = Path(__file__).parent
PINS, VENVS, RESULTS = HERE / "rivals", HERE / ".venvs", HERE / "results" / "rivals.csv"
LIBRARIES = ["sklearn_koopman", "scikit-learn", "pykoopman", "deeptime"]
LIBRARIES += ["deeptime, PolynomialFeatures", "pykoop", "pysindy"]
MOST_SECONDS = 120
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
WRONG = "another result than ours, or than the planted one"
# n, p, degree, dtype; the smallest first
CASES = {
    "lift": [
        (60_000, 20, 2, "float64"),
        (60_000, 10, 3, "float64"),
        (60_000, 20, 3, "float32"),
        (60_000, 20, 3, "float64"),
    ],
    "operator": [
        (10_000, 10, 2, "float64"),
        (60_000, 10, 2, "float64"),
        (60_000, 20, 2, "float32"),
        (60_000, 20, 2, "float64"),
        (10_000, 20, 3, "float64"),
        (60_000, 20, 3, "float64"),
    ],
    "state": [(60_000, 20, 2, "float64"), (60_000, 20, 3, "float64")],
    "labels": [(60_000, 20, 2, "float64"), (60_000, 20, 3, "float64")],
}
COLUMNS = ["task", "n", "p", "degree", "D", "dtype", "library", "version", "seconds", "runs"]
COLUMNS += ["ratio", "peak_MB", "disagreement", "error", "remark", "built_with", "machine"]


def interpreter(library):
    """Return the Python that has a library; make its environment if there is none yet."""
    name = library.split(",")[0]
    pins = PINS / f"{name}.txt"
    if not pins.exists():
        return sys.executable
    home = VENVS / name
    python, installed = home / "bin" / "python", home / pins.name
    if not installed.exists() or installed.read_text() != pins.read_text():
        print(f"installing {name}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", pins]
        subprocess.run(install, check=True)
        installed.write_text(pins.read_text())
    return python


def version_of(library):
    """Return the version that is pinned, or installed beside this script's Python."""
    name = library.split(",")[0]
    pins = PINS / f"{name}.txt"
    if not pins.exists():
        return version(name)
    pinned = dict(line.split("==") for line in pins.read_text().splitlines() if "==" in line)
    return pinned[name]


def run(library, script, *arguments, most_seconds=MOST_SECONDS):
    """Return what a library's process found; what it could not do is a remark."""
    command = [interpreter(library), PINS / script, library, *map(str, arguments)]
    threads = {"OMP_NUM_THREADS": str(os.cpu_count())}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **threads},
            capture_output=True,
            text=True,
            timeout=most_seconds,
        )
    except subprocess.TimeoutExpired:
        return {"remark": f"stopped after {most_seconds} s"}
    if done.returncode < 0:
        return {"remark": f"killed by signal {-done.returncode}"}
    if done.returncode > 0:
        return {"remark": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def race(task, case, given_up, reference):
    """Yield what each library found, ours first; add those that fail to `given_up`."""
    n, p, degree, dtype = case
    for library in LIBRARIES:
        if "," in library and task != "operator":
            continue  # the same as without the comma
        if library in given_up:
            found = {"remark": f"not tried: {given_up[library]}"}
        else:
            found = run(library, "sides.py", task, *case, reference)
        if library == LIBRARIES[0]:
            ours = found["seconds"]
        if "seconds" in found:
            found["ratio"] = found["seconds"] / ours
        elif library not in given_up:
            given_up[library] = f"{found['remark']} (n={n}, p={p}, degree={degree})"
        checks = found.get("disagreement", 0.0), found.get("error", 0.0)
        if not all(check <= TOLERANCE[dtype] for check in checks):
            found["remark"] = WRONG
        yield {
            "task": task,
            "n": n,
            "p": p,
            "degree": degree,
            "D": comb(p + degree, degree),
            "dtype": dtype,
            "library": library,
            "version": version_of(library),
            **found,
        }


def measure(tasks):
    """Yield the rows of the table, and print them."""
    with tempfile.TemporaryDirectory() as folder:
        for task in tasks:
            given_up = {}
            for number, case in enumerate(CASES[task]):
                reference = Path(folder) / f"{task}{number}.npy"
                for row in race(task, case, given_up, reference):
                    row = {name: rounded(row.get(name, "")) for name in COLUMNS[:-1]}
                    print(*row.values(), sep="  ", flush=True)
                    yield {**row, "machine": machine()}


def rounded(value):
    return float(f"{value:.3g}") if isinstance(value, float) else value


def machine():
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def main():
    """Run the tasks and write their rows; those of other tasks stay in the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=list(CASES), default=list(CASES))
    tasks = parser.parse_args().tasks
    rows = {task: [] for task in CASES}
    for row in load(RESULTS):
        rows[row["task"]].append(row)
    rows |= {task: [] for task in tasks}
    for row in measure(tasks):
        rows[row["task"]].append(row)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for task in CASES for row in rows[task])
    wrong = sum(row["remark"] == WRONG for task in tasks for row in rows[task])
    if wrong:
        sys.exit(f"{wrong} rows: {WRONG}")


if __name__ == "__main__":
    main()
