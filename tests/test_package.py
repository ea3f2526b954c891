"""What a bare `import sklearn_koopman` does, and what it does not do."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import sklearn_koopman
from benchmarks.bench_install import TRIAL, TRIED

ROOT = Path(__file__).parents[1]


def test_importing_the_package_imports_no_optional_dependency():
    code = (
        "import sys, sklearn_koopman, sklearn_koopman.teachers, sklearn_koopman.pipeline\n"
        "import sklearn_koopman.inspection, sklearn_koopman.deployment\n"
        "import sklearn_koopman.networks\n"
        "sklearn_koopman.teachers.as_teacher(len)\n"
        "optional = {'torch', 'skorch', 'dask', 'matplotlib', 'tqdm', 'skops'}\n"
        "optional |= {'onnx', 'onnxruntime', 'skl2onnx'}\n"
        "print(*optional & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.slow
def test_without_extras_all_public_names_are_there_and_say_what_they_need(tmp_path):
    """This test has one environment. `make wheel` does the same in empty ones."""
    optional = ["torch", "skorch", "tqdm", "onnx", "onnxruntime", "skl2onnx"]
    optional += ["skops", "dask", "distributed", "matplotlib", "torchvision", "pandas"]
    # scipy would take None in sys.modules for the package itself.
    code = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {optional}:
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Missing())
{TRIAL}"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert set(done.stdout.split()) == TRIED


def test_it_exports_what_it_promises():
    for name in sklearn_koopman.__all__:
        assert getattr(sklearn_koopman, name).__name__ == name


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_the_version_is_the_same_everywhere(file):
    versions = re.findall(r"^(?:version: |## )([\d.]+\d)", (ROOT / file).read_text(), re.M)
    assert versions[0] == sklearn_koopman.__version__


def shown_versions(preparation=""):
    """Return the lines that a fresh interpreter shows, as (name, value)."""
    code = f"import sys\n{preparation}\nimport sklearn_koopman\nsklearn_koopman.show_versions()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return dict(
        line.strip().split(": ", 1) for line in done.stdout.splitlines() if ": " in line
    )


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def test_versions_are_those_of_all_that_users_install():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    users = [extras[name] for name in ("torch", "vision", "onnx", "skops", "dask", "plot")]
    shown = shown_versions()
    assert shown["sklearn-koopman"] == sklearn_koopman.__version__
    assert shown["executable"] == sys.executable
    for requirement in sum(users, project["dependencies"]):
        package = re.match(r"[\w-]+", requirement)[0]
        assert shown[package] == version_of(package)


def test_versions_say_whether_there_is_a_kernel():
    shown = shown_versions()
    if shown["compiled"] == "yes":
        assert re.fullmatch("(16|32|64) bytes", shown["vectors"])
    # This needs another process, because this one has imported the kernel.
    shown = shown_versions("sys.modules['sklearn_koopman.rows._kernel'] = None")
    assert shown["compiled"] == "not compiled: everything works, slower"
    assert "vectors" not in shown


@pytest.mark.parametrize(
    ("there_is", "said"), [(True, [0, 0, 0]), (False, [0, 1, 1])], ids=["compiled", "not"]
)
def test_verbose_says_once_that_there_is_no_kernel(there_is, said):
    """First a fit that is not verbose, then two verbose ones, in a fresh interpreter."""
    if there_is:
        pytest.importorskip("sklearn_koopman.rows._kernel", reason="not compiled")
    code = f"""
import sys
if not {there_is}:
    sys.modules["sklearn_koopman.rows._kernel"] = None
from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier
X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
for student in (
    EDMDClassifier(),
    EDMDClassifier(verbose=1),
    KoopmanDistilledClassifier(soft_weight=0, verbose=1),
):
    student.fit(X, y)
    print("end of a fit", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    fits = done.stdout.split("end of a fit")
    counts = ["without its compiled kernel" in shown for shown in fits[:-1]]
    assert np.cumsum(counts).tolist() == said
