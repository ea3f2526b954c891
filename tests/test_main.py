"""``python -m sklearn_koopman``."""

import runpy

import pytest

from sklearn_koopman import EDMDClassifier


@pytest.fixture
def main(monkeypatch):
    """Return a function that runs the command with some words and returns its exit status."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["sklearn_koopman", *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("sklearn_koopman", run_name="__main__")
        return ended.value.code

    return run


def test_versions(main, capsys):
    assert main("versions") == 0
    printed = capsys.readouterr().out
    assert "sklearn-koopman" in printed
    assert "scikit-learn's" not in printed


def test_it_computes_what_scikit_learn_computes(main, capsys):
    assert main("check") == 0
    assert capsys.readouterr().out.count("the same, to") == 2


def test_a_wrong_answer_is_noticed(main, monkeypatch, capsys):
    right = EDMDClassifier.decision_function
    monkeypatch.setattr(EDMDClassifier, "decision_function", lambda *rows: 1.01 * right(*rows))
    assert main("check") == 1
    assert "NOT THE SAME" in capsys.readouterr().out


def test_demo(main, capsys):
    assert main("demo") == 0
    assert "distilled student" in capsys.readouterr().out


def test_what_there_is(main, capsys):
    assert main("everything") == 2
    assert "versions" in capsys.readouterr().err
