"""The scripts in experiments/ and benchmarks/: they import, and take all cited options."""

import importlib
import pkgutil
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from experiments.runner import Results, read, run

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "experiments")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "tasks").glob("*.md")),
    *sorted((ROOT / "examples").glob("*.py")),
    *sorted(file for folder in FOLDERS for file in (ROOT / folder).glob("*.py")),
]
COMMAND = re.compile(r"\bpython\s+((?:benchmarks|experiments)/\w+)\.py\b([^`#\n)]*)")


def modules():
    return [
        module.name
        for folder in FOLDERS
        for module in pkgutil.walk_packages([str(ROOT / folder)], f"{folder}.")
    ]


def commands():
    """Return every command that a page cites, as (page, module, words)."""
    return sorted(
        {
            (page.name, script.replace("/", "."), options.strip(" ]\\").replace("[", ""))
            for page in PAGES
            for script, options in COMMAND.findall(page.read_text("utf-8"))
        }
    )


@pytest.mark.parametrize("name", modules())
def test_imports(name):
    pytest.importorskip("torch", reason="torch is not installed")
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize(("page", "name", "options"), commands())
def test_cited_options_are_taken(page, name, options):
    pytest.importorskip("torch", reason="torch is not installed")
    parser = importlib.import_module(name).parser()
    try:
        parser.parse_args(shlex.split(options))
    except SystemExit:
        pytest.fail(f"{page} cites {name} {options}, which the script refuses")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("table", "--dictionaries 20-2", "'20-2' is not a dictionary: .* 60:2 say"),
        ("table", "--settings a b c", "invalid float value: 'a'"),
        ("convolutional", "--dictionaries tiny", "invalid choice: 'tiny'"),
        ("repeats", "--seeds 0", "'0' is not a whole number from 1 on"),
        ("texts", "--columns few", "'few' is not a whole number from 1 on"),
    ],
)
def test_wrong_options_are_refused(name, options, message, capsys):
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(SystemExit):
        importlib.import_module(f"experiments.{name}").parser().parse_args(options.split())
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_cited_files_are_there(page):
    cited = re.findall(r"\b(?:benchmarks|experiments)/[\w/-]+\.\w+", page.read_text("utf-8"))
    assert [path for path in cited if not (ROOT / path).exists()] == []


def test_every_script_is_in_the_first_lines_of_its_folder():
    for folder in FOLDERS:
        text = (ROOT / folder / "__init__.py").read_text("utf-8")
        scripts = {file.name for file in (ROOT / folder).glob("*.py")}
        libraries = {"__init__.py", "images.py", "kept_logits.py", "students.py"}
        libraries |= {"tao.py", "transfer_sets.py", "vision.py"}
        assert scripts - libraries <= set(re.findall(r"\w+\.py", text))


@dataclass(frozen=True)
class Square:
    number: int


def measured_squares(results, numbers, **options):
    """Square the missing numbers; return these numbers."""
    asked = []

    def measure(spec):
        asked.append(spec.number)
        return {"square": spec.number**2}

    run(results, [Square(number) for number in numbers], measure, **options)
    return asked


def test_a_run_continues_where_the_table_ends(tmp_path):
    results = Results(tmp_path / "squares.csv", ["number"])
    assert measured_squares(results, [3, 5]) == [3, 5]
    assert measured_squares(results, [3, 4, 5]) == [4]
    assert measured_squares(results, [3], again=True) == [3]
    rows = [{"number": str(n), "square": str(n * n)} for n in (3, 5, 4)]
    assert read(results.file) == rows
    assert results.where(**asdict(Square(4))) == rows[-1:]


def test_rows_are_replaced_in_place_sorted_and_may_have_new_columns(tmp_path):
    results = Results(tmp_path / "rows.csv", ["x"], order=lambda row: int(row["x"]))
    for row in ({"x": 2, "y": "b"}, {"x": 1, "y": "a"}, {"x": 2, "z": 0.5}):
        results.add(row)
    assert results.file.read_text() == "x,y,z\n1,a,\n2,,0.5\n"


def test_several_rows_of_one_spec(tmp_path):
    results = Results(tmp_path / "rows.csv", ["number", "power"])
    powers = [{"power": p, "value": 2**p} for p in (1, 2)]
    run(results, [Square(2)], lambda spec: powers)
    run(results, [Square(2)], lambda spec: pytest.fail("it is there"))
    assert [row["value"] for row in results.rows()] == ["2", "4"]


def test_a_table_that_is_measured_anew_loses_older_rows(tmp_path):
    Results(tmp_path / "rows.csv", ["x"]).add({"x": 1})
    anew = Results(tmp_path / "rows.csv", ["x"], anew=True)
    for x in (2, 3):
        anew.add({"x": x})
    assert [row["x"] for row in read(anew.file)] == ["2", "3"]


def test_quick_runs_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_KOOPMAN_QUICK", "1")
    committed = tmp_path / "squares.csv"
    committed.write_text("number,square\n3,9\n")
    assert measured_squares(Results(committed, ["number"]), [3]) == [3]
    assert committed.read_text() == "number,square\n3,9\n"
