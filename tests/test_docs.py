"""The docs: their programs run, no public name is missing, and numbers agree with tables."""

import ast
import builtins
import copy
import csv
import functools
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

import sklearn_koopman

try:
    import torch
except ImportError:
    torch = None

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PERCENTAGE = re.compile(r"\b\d\d\.\d\d\b")
RESULTS = [ROOT / "experiments" / "results", ROOT / "benchmarks" / "results"]
PAGES = [ROOT / "README.md", *sorted([*DOCS.glob("*.md"), *DOCS.glob("*/*.md")])]

# The shorter programs take these for granted: digits, a trained network, a student.
DATA = """
from collections import OrderedDict
import numpy as np, torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

images, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(images.astype(np.float32) / 16, y, random_state=0)
"""
LARGER = """
def enlarged(X):
    images = np.kron(X.reshape(-1, 8, 8), np.ones((1, 3, 3), dtype=X.dtype))
    return np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(len(X), -1)

X, X_test = enlarged(X), enlarged(X_test)  # 28 x 28
"""
NETWORK = """
torch.manual_seed(0)
sizes = X.shape[1], 64, 64, 64
layers = [layer for size in sizes for layer in (nn.Linear(size, 64), nn.ReLU())]
net = module = nn.Sequential(
    OrderedDict(features=nn.Sequential(*layers), classes=nn.Linear(64, 10))
)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
for _ in range(60):
    loss = nn.functional.cross_entropy(net(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
net.eval()

fresh_rows = X_test
with torch.no_grad():
    net_logits = net(inputs).numpy()
    net_labels_of_fresh_rows = net(torch.from_numpy(fresh_rows)).argmax(axis=1).numpy()
"""
STUDENT = """
from sklearn.decomposition import PCA
from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.pipeline import make_pipeline

student = make_pipeline(PCA(10), MonomialLifter(2), KoopmanDistilledClassifier(net, tol=1e-4))
student.fit(X, y)
"""
GIVEN = {
    "net", "module", "student", "X", "y", "X_test", "y_test",
    "net_logits", "net_labels_of_fresh_rows", "fresh_rows",
}  # fmt: skip


@functools.cache
def given(is_large):
    """Return {name: value} of the names that programs take for granted, made once."""
    with torch.random.fork_rng():
        made = {}
        exec("".join([DATA, LARGER if is_large else "", NETWORK, STUDENT]), made)
    return {name: made[name] for name in GIVEN}


# On these pages, all blocks are one program. Each goes on where the last one ended.
WHOLE = {"tasks-microcontrollers", "tasks-onnx", "tasks-optics", "tasks-sklearn", "tasks-torch"}


def name_of(page):
    """Return the name of a page, such as ``tasks-torch``."""
    folder = f"{page.parent.name}-" if page.parent.parent == DOCS else ""
    return folder + page.stem


def programs():
    """Return {name: text} of every block of Python on every page, or of all blocks of a page."""
    block = re.compile(r"^( *)```python\n(.*?)^ *```", re.M | re.S)
    found = {}
    for page in PAGES:
        texts = [
            re.sub(rf"^{indent}", "", text, flags=re.M)
            for indent, text in block.findall(page.read_text("utf-8"))
        ]
        if name_of(page) in WHOLE:
            found[name_of(page)] = "\n".join(texts)
        else:
            found |= {f"{name_of(page)}-{number}": text for number, text in enumerate(texts)}
    return found


def names_taken_for_granted(text):
    """Return the names that a program reads but never defines."""
    nodes = list(ast.walk(ast.parse(text)))
    made = {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    made |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    read = {node.id for node in nodes if isinstance(node, ast.Name)}
    return read - made - set(dir(builtins))


PROGRAMS = programs()
# These programs run in an interpreter of their own: the one that readers try first, and those that
# start processes, which import the file.
SCRIPTS = {name for name, text in PROGRAMS.items() if name == "README-0" or "__main__" in text}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, tmp_path, monkeypatch, capsys):
    text = PROGRAMS[name]
    needed = names_taken_for_granted(text)
    assert needed <= GIVEN, f"neither made nor given: {needed - GIVEN}"
    for package in ("distributed", "onnx", "skops", "torch"):
        if package in text:
            pytest.importorskip(package, reason=f"{package} is not installed")
    if name in SCRIPTS:
        assert not needed
        printed = run_as_script(text, tmp_path)
    else:
        if needed and torch is None:
            pytest.skip("torch is not installed")
        values = given("(28, 28)" in text) if needed else {}
        monkeypatch.chdir(tmp_path)
        exec(compile(text, name, "exec"), {"__name__": name, **copy.deepcopy(values)})
        printed = capsys.readouterr().out
    assert printed or "print" not in text


def run_as_script(text, folder):
    """Return the output of a program in an interpreter of its own."""
    script = folder / "script.py"
    script.write_text(text, encoding="utf-8")
    # Other tests cover these lines. Tracing them in every worker would take half of the time.
    traced = {name for name in os.environ if name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in traced},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_pictures_of_the_guide(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    subprocess.run(
        [sys.executable, DOCS / "pictures.py", "--output", tmp_path],
        env={**os.environ, "MPLBACKEND": "Agg"},
        check=True,
        timeout=300,
    )
    drawn = {file.name for file in tmp_path.iterdir()}
    of_filters = {"filters.png", "logit_maps.png", "pooling.png"}
    assert drawn == {"idea.png", "lifting.png", "soft_labels.png", *of_filters}
    assert drawn <= {file.name for file in (DOCS / "images").iterdir()}


@pytest.mark.parametrize("name", ["README-0", *sorted(WHOLE)])
def test_the_first_program_of_the_readme_and_whole_pages_need_nothing(name):
    assert not names_taken_for_granted(PROGRAMS[name])


def public_modules():
    inside = [
        f"sklearn_koopman.{module.name}"
        for module in pkgutil.iter_modules(sklearn_koopman.__path__)
        if not module.name.startswith("_")
    ]
    return ["sklearn_koopman", *inside]


@pytest.mark.parametrize("module", public_modules())
def test_the_reference_has_everything_public(module):
    """The package and its modules may export the same object. Listing it once is enough."""
    pages = "".join(page.read_text("utf-8") for page in sorted((DOCS / "api").glob("*.md")))
    listed = re.findall(r"^   (sklearn_koopman\.[\w.]+)$", pages, re.M)
    assert len(set(listed)) == len(listed)
    described = []
    for name in listed:
        place, _, last = name.rpartition(".")
        assert last in importlib.import_module(place).__all__, name
        described.append(getattr(importlib.import_module(place), last))
    exported = importlib.import_module(module)
    missing = [
        name
        for name in exported.__all__
        if not any(getattr(exported, name) is item for item in described)
    ]
    assert not missing


def test_every_committed_result_is_on_the_page_of_measurements():
    page = (DOCS / "measurements.md").read_text("utf-8")
    shown = re.findall(r"^```\{measured\} (.+)$", page, re.M)
    committed = [file.name for folder in RESULTS for file in folder.glob("*.csv")]
    assert sorted(shown) == sorted(committed)


def measured_together():
    """Return the percentages and multiplications of every measured student, in groups.

    A group is the set of all figures of one dictionary with one teacher: accuracies of the teacher,
    of the student, of the same student without a teacher, and of least squares, all with the same
    rows.
    """
    groups = {}
    for file in ("table.csv", "convolutional.csv"):
        with (RESULTS[0] / file).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        of_one_student = [
            name
            for name in (
                "dataset",
                "teacher_accuracy",
                "transfer_set",
                "observables",
                "components",
            )
            if name in rows[0]
        ]
        for row in rows:
            group = groups.setdefault((file, *(row[name] for name in of_one_student)), set())
            group |= {
                f"{100 * float(row[column]):.2f}"
                for column in ("accuracy", "teacher_accuracy")
                if row[column]
            }
            group |= {f"{int(row[column]):,}" for column in ("observables", "multiplications")}
            group.add(
                {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}[
                    row["dataset"]
                ]
            )
    return list(groups.values())


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_accuracies_on_the_first_pages_are_in_the_committed_tables(page):
    text = (ROOT / page).read_text("utf-8")
    groups = measured_together()
    lines = [
        line for line in text.splitlines() if re.match(r"\| (\S+-)?(MNIST|CIFAR-10), ", line)
    ]
    assert sum(len(PERCENTAGE.findall(line)) for line in lines) >= 10
    for line in lines:
        said = {line.split(",")[0].strip("| ")}
        said |= set(PERCENTAGE.findall(line))
        said |= set(re.findall(r"\b\d{1,3}(?:,\d{3})+\b|\b\d{3}\b", line))
        assert any(said <= group for group in groups), f"never measured together: {line}"
    published = {"95.98", "96.77"}
    assert set(PERCENTAGE.findall(text)) <= set.union(published, *groups)


def points_that_teachers_are_worth():
    """Return {line of the table on the results page: differences of accuracies}."""

    def differences(file, column, without, distilled, group):
        with (RESULTS[0] / file).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        pairs = {}
        for row in rows:
            students = pairs.setdefault(tuple(row[name] for name in group), {})
            students[row[column]] = 100 * Decimal(row["accuracy"])
        return {
            group: both[distilled] - both[without]
            for group, both in pairs.items()
            if {without, distilled} <= both.keys()
        }

    products = differences(
        "table.csv",
        "method",
        "no teacher",
        "exact",
        ["observables", "dataset", "teacher", "components", "transfer_set"],
    )
    pooled = differences(
        "convolutional.csv",
        "student",
        "no teacher",
        "distilled",
        ["observables", "dataset", "teacher_accuracy", "dictionary", "transfer_set"],
    )
    few = differences(
        "what_matters.csv", "method", "no teacher", "exact", ["study", "dataset", "value"]
    )
    both = {key: points for key, points in pooled.items() if key[1] != "cifar10"}
    monomials = [points for (*_, name, _), points in both.items() if name == "monomials"]
    sizes = {size: [] for size in (231, 861, 20_000)}
    for (observables, *_), points in products.items():
        sizes[min(size for size in sizes if int(observables) <= size)].append(points)
    first = "MNIST and Fashion-MNIST"
    return {
        f"{first}, 61 or 231 products": sizes[231],
        f"{first}, 861 products": sizes[861],
        f"{first}, 1,771 products or more": sizes[20_000] + monomials,
        f"{first}, filters": [
            points for (*_, name, _), points in both.items() if "monomials" not in name
        ],
        f"{first}, filters and products": [
            points for (*_, name, _), points in both.items() if "and monomials" in name
        ],
        "CIFAR-10, filters": [points for key, points in pooled.items() if key not in both],
        "MNIST, 861 products, 500 to 20,000 images": [
            points for (study, *_), points in few.items() if study == "rows"
        ],
    }


def test_what_a_teacher_is_worth_is_what_the_tables_say():
    page = (DOCS / "results.md").read_text("utf-8")
    said = dict(re.findall(r"^\| (.+?) \| (-?\d.*?) \|$", page, re.M))
    for student, worth in points_that_teachers_are_worth().items():
        ends = [
            str(end.quantize(Decimal("0.1"), ROUND_HALF_UP)) for end in (min(worth), max(worth))
        ]
        word = " and " if len(worth) == 2 else " to "
        assert said[student] == word.join(dict.fromkeys(ends)), student


LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=name_of,
)
def test_links_lead_somewhere_on_a_code_host_too(page):
    made_by_the_build = {(DOCS / "auto_examples" / "index.rst").resolve()}
    for target in LINK.findall(page.read_text("utf-8")):
        path = (page.parent / target).resolve()
        assert path.exists() or path in made_by_the_build, target
