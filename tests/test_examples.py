"""The example scripts run as users run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(script, *arguments):
    # Small matrices: several threads of several test processes only wait for each other.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        env={**os.environ, **threads, "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_digits_distillation(tmp_path):
    for package in ("torch", "skorch", "matplotlib"):
        pytest.importorskip(package)
    folder = tmp_path / "new" / "folder"
    printed = run("plot_digits_distillation.py", "--output", folder)

    row = re.compile(
        r"^(teacher|distilled student|EDMD on labels) +(0\.\d+) +([01]\.\d+) ", re.M
    )
    found = {name: (float(acc), float(fid)) for name, acc, fid in row.findall(printed)}
    assert found.keys() == {"teacher", "distilled student", "EDMD on labels"}
    assert min(accuracy for accuracy, _ in found.values()) > 0.9
    assert found["teacher"][1] == 1
    assert "parameters  multiplications" in printed

    (picture,) = folder.iterdir()
    assert picture.name == "digits_distillation.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_distilled_tree(tmp_path):
    for package in ("torch", "matplotlib"):
        pytest.importorskip(package)
    folder = tmp_path / "new" / "folder"
    printed = run("plot_distilled_tree.py", "--output", folder)

    accuracies = dict(re.findall(r"^(network|tree): +([\d.]+)%", printed, re.M))
    assert float(accuracies["network"]) > 90
    assert float(accuracies["tree"]) > 85
    wrong, bound = map(float, re.findall(r"disagree on (\d+).*\n.*most ([\d.]+)%", printed)[0])
    assert wrong / 285 < bound / 100 < 0.15
    assert printed.count("class:") >= 2

    (picture,) = folder.iterdir()
    assert picture.name == "distilled_tree.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
