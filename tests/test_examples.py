"""The example scripts run in the same way as for users."""

import re
import runpy
import sys
from pathlib import Path

import pytest

# The build of the site runs all these scripts too.
pytestmark = pytest.mark.gallery

EXAMPLES = Path(__file__).parents[1] / "examples"

# Scripts of the gallery that run within some seconds, and the extras that they need. Only the build
# of the documentation runs the longer ones.
QUICK = {
    "plot_audit.py": (),
    "plot_convolutional.py": (),
    "plot_gradient_boosting.py": (),
    "plot_layer_replacement.py": ("torch",),
    "plot_microcontroller.py": (),
    "plot_next_state.py": (),
    "plot_noisy_hardware.py": (),
    "plot_observable_selection.py": (),
    "plot_onnx.py": ("onnx", "onnxruntime", "skl2onnx"),
    "plot_out_of_core.py": ("dask", "distributed"),
    "plot_own_dictionary.py": ("torch", "onnxruntime", "skl2onnx"),
    "plot_pretrained_teacher.py": ("magika", "onnxruntime"),
    "plot_quadratic_forms.py": (),
    "plot_robustness.py": (),
    "plot_series.py": ("torch",),
    "plot_yin_yang.py": (),
}


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a script and returns what it prints."""
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    matplotlib.use("Agg")

    def run_script(script, *arguments):
        # Arguments are passed as in a shell. A process for each script would import all anew.
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with matplotlib.rc_context():
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        matplotlib.pyplot.close("all")
        return capsys.readouterr().out

    return run_script


@pytest.mark.parametrize("script", QUICK)
def test_gallery(script, run):
    for package in QUICK[script]:
        pytest.importorskip(package)
    run(script)


def test_a_script_whose_network_is_not_installed_says_so(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    printed = run("plot_pretrained_teacher.py")
    assert printed.startswith("magika is not installed")
    assert "pip install --no-deps magika" in printed


def test_scripts_of_the_gallery_are_well_formed():
    scripts = sorted(EXAMPLES.glob("plot_*.py"))
    assert {script.name for script in scripts} > QUICK.keys()
    header = (EXAMPLES / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        title = re.match(r'r?"""\n(=+)\n(.+)\n(=+)\n\n', text)
        assert title is not None, script.name
        assert len(title[1]) == len(title[2]) == len(title[3]), script.name
        assert text.count("# %%\n") >= 2, script.name
        assert f"   ../examples/{script.name}\n" in header, script.name


def test_pictures_have_the_colours_that_contributors_agreed_on():
    root = EXAMPLES.parent
    color = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
    agreed = set(color.findall((root / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    scripts = [*EXAMPLES.glob("*.py"), *(root / "experiments").glob("*.py")]
    for script in [*scripts, root / "docs" / "pictures.py"]:
        used = set(color.findall(script.read_text(encoding="utf-8")))
        assert used <= agreed, script.name


def test_digits_distillation(tmp_path, run):
    for package in ("torch", "skorch"):
        pytest.importorskip(package)
    folder = tmp_path / "new" / "folder"
    printed = run("plot_digits_distillation.py", "--splits", 2, "--output", folder)

    means = {
        name: [float(mean) for mean in numbers.split()]
        for name, numbers in re.findall(r"^([a-zA-Z ]+?) +((?: +\d+\.\d)+)$", printed, re.M)
    }
    assert min(means["teacher"] + means["distilled student"]) > 85
    assert min(means["lead over no teacher"]) > 2
    assert len(means["EDMD on labels"]) == 4

    (picture,) = folder.iterdir()
    assert picture.name == "digits_distillation.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_distilled_tree(tmp_path, run):
    pytest.importorskip("torch")
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
