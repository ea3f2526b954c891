"""What a bare `import sklearn_koopman` does and does not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_koopman

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


def test_it_exports_what_it_promises():
    for name in sklearn_koopman.__all__:
        assert getattr(sklearn_koopman, name).__name__ == name


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_the_version_is_the_same_everywhere(file):
    versions = re.findall(r"^(?:version: |## )([\d.]+\d)", (ROOT / file).read_text(), re.M)
    assert versions[0] == sklearn_koopman.__version__
