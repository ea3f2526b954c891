"""How large an installation of the wheel is with each extra, and whether everything runs there.

    make wheel    (or python benchmarks/bench_install.py)
    python benchmarks/bench_install.py --extras none torch

The script builds the wheel from this repository. Then it makes a virtual environment with each of
the extras, one after the other, with the versions of constraints.txt. `packages` and `MB` count
what is in site-packages then, with everything that the extra brings along. `seconds` is how long
pip took, which depends on how far away the package index is. torch is installed first, by itself,
as pip then takes the build that it finds: the column `torch` says which. Linux only.

In every environment, from an empty folder, the script tries three things. It imports all public
names. Functions that need a missing extra must say which one. ``python -m sklearn_koopman check``
must find the answers of scikit-learn. Where there is torch, README's program runs too. If something
fails, the script ends with its error. Writes benchmarks/results/install.csv.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import runner

ROOT = Path(__file__).parents[1]
NONE = "none"
EXTRAS = NONE, "plot", "skops", "dask", "onnx", "torch", "torch,plot"
# This runs in each environment. It imports all public names, calls a function for each extra, and
# prints the extras that the functions miss.
TRIAL = """
from importlib import import_module
from pkgutil import walk_packages

import numpy as np
from sklearn.datasets import load_iris

import sklearn_koopman
from sklearn_koopman import deployment

for found in walk_packages(sklearn_koopman.__path__, "sklearn_koopman."):
    if "._" not in found.name:
        module = import_module(found.name)
        for name in getattr(module, "__all__", ()):
            getattr(module, name)

X, y = load_iris(return_X_y=True)
student = sklearn_koopman.EDMDClassifier(lifter=sklearn_koopman.MonomialLifter(2)).fit(X, y)
display = deployment.HardwareDisplay([2, 4], {"": np.ones((2, 1))}, vary="weight_bits")
users = {
    "onnx": lambda: deployment.to_onnx(student, X),
    "plot": lambda: display.plot(),
    "skops": lambda: deployment.save_student(student, "student.skops"),
    "torch": lambda: deployment.to_module(student),
}
for extra, use in users.items():
    try:
        use()
    except ImportError as error:
        assert f'pip install "sklearn-koopman[{extra}]"' in str(error), error
        print(extra)
"""
TRIED = {"onnx", "plot", "skops", "torch"}


def main(options):
    """Try out the extras, one after the other."""
    results = runner.Measurements("install.csv", ["extras"], anew=options.extras == EXTRAS)
    with tempfile.TemporaryDirectory() as folder:
        wheel = built_wheel(Path(folder))
        for extras in runner.full_or_quick(options.extras, [NONE]):
            results.add(installed(wheel, extras, Path(folder) / "environment"))


def built_wheel(folder):
    """Build the wheel with its compiled kernels, and return its path."""
    # We build from a copy: leftovers of earlier builds would get into the wheel.
    source = folder / "source"
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "sklearn_koopman", source / "sklearn_koopman", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--build-constraint", "constraints.txt", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def installed(wheel, extras, environment):
    """Install a wheel with some extras into a new environment, try it out, return its row."""
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", environment)
    python = environment / "bin" / "python"
    install = ["--python", python, "install", "-c", "constraints.txt", "--no-compile"]
    wanted = [f"{wheel}[{extras}]" if extras != NONE else wheel]
    if "torch" in extras.split(","):
        wanted = ["torch", *wanted]
    taken = sum(runner.seconds(pip, *install, package) for package in wanted)
    (site_packages,) = (environment / "lib").glob("python*/site-packages")
    row = {
        "extras": extras,
        "packages": len(list(site_packages.glob("*.dist-info"))),
        "MB": round(megabytes(site_packages)),
        "largest": ", ".join(largest(site_packages)),
        "seconds": round(taken, 1),
        "torch": "",
    }
    with tempfile.TemporaryDirectory() as elsewhere:
        lacking = set(run(python, "-c", TRIAL, cwd=elsewhere).split())
        if lacking != TRIED - set(extras.split(",")):
            sys.exit(f"{extras}: lacks {', '.join(sorted(lacking))}")
        run(python, "-m", "sklearn_koopman", "check", cwd=elsewhere)
        if "torch" in extras.split(","):
            run(python, "-c", readme_program(), cwd=elsewhere)
            row["torch"] = run(
                python, "-c", "import torch; print(torch.__version__)", cwd=elsewhere
            ).strip()
    return row


def readme_program():
    """Return the program that README shows."""
    return re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)[1]


def megabytes(folder):
    """Return how many megabytes the files of a folder take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def largest(site_packages, n_shown=3):
    """Return the largest folders, with their megabytes."""
    sizes = {path.name: megabytes(path) for path in site_packages.iterdir() if path.is_dir()}
    names = sorted(sizes, key=sizes.get, reverse=True)[:n_shown]
    return [f"{name} {sizes[name]:.0f}" for name in names]


def pip(*arguments):
    """Run this Python's pip."""
    run(sys.executable, "-m", "pip", "--quiet", *arguments)


def run(*command, cwd=ROOT):
    """Run a command that does not see this repository through PYTHONPATH; return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, text=True, capture_output=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def parser():
    """Return the parser of the command line."""
    parser = runner.benchmark_parser(__doc__)
    parser.add_argument(
        "--extras", nargs="+", default=EXTRAS, help="some of: " + "; ".join(EXTRAS)
    )
    return parser


if __name__ == "__main__":
    main(runner.parse(parser()))
