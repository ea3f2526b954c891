"""Progress of long work: nothing, a bar on stderr, or a line for each step on stdout."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV

from sklearn_koopman import (
    ActiveSubspace,
    DistilledTreeClassifier,
    EDMDClassifier,
    EDMDClassifierCV,
    EDMDRegressor,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    KoopmanDistilledRegressor,
    MonomialLifter,
    ObservableSelector,
    TensorTrainClassifier,
)
from sklearn_koopman.audit import audit_report
from sklearn_koopman.classification import CompressedStudent
from sklearn_koopman.deployment import (
    Hardware,
    HardwareDisplay,
    SimulatedChip,
    quantise_student,
)
from sklearn_koopman.inspection import (
    AccuracyCostDisplay,
    distillation_report,
    robust_radius,
    shapley_values,
)
from sklearn_koopman.search import KoopmanSearchCV

X, Y = load_iris(return_X_y=True)
TEACHER = LogisticRegression(max_iter=500).fit(X, Y).decision_function
LIFTER = MonomialLifter(2)
STUDENT = EDMDClassifier(lifter=LIFTER).fit(X, Y)
# For each one: the most lines that it may print, and how its lines start.
ESTIMATORS = {
    "EDMD": (EDMDClassifier(TEACHER, lifter=LIFTER), 0, ""),
    "EDMD, folds": (EDMDClassifierCV(TEACHER, cv=3), 3, "fold "),
    "EDMD, rows": (EDMDClassifierCV(TEACHER), 0, ""),
    "exact": (
        KoopmanDistilledClassifier(TEACHER, lifter=LIFTER, max_iter=90),
        90,
        "iteration ",
    ),
    "folds": (
        KoopmanDistilledClassifierCV(TEACHER, ridges=[1e-2], temperatures=[2.0], max_iter=90),
        95,
        ("fold ", "iteration "),
    ),
    "regressor": (EDMDRegressor(lifter=LIFTER), 0, ""),
    "distilled regressor": (KoopmanDistilledRegressor(Ridge()), 0, ""),
    "sweeps": (TensorTrainClassifier(TEACHER, rank=2, max_iter=5), 5, "sweep "),
    "epochs": (
        TensorTrainClassifier(TEACHER, rank=2, solver="adam", max_iter=3, batch_size=50),
        3,
        "epoch ",
    ),
    "compressed": (CompressedStudent(STUDENT, rank=2), 3, "sweep "),
    "compressed by epochs": (
        CompressedStudent(STUDENT, rank=2, loss="distillation", max_iter=2),
        2,
        "epoch ",
    ),
    "tree": (DistilledTreeClassifier(TEACHER, max_depth=2), 2, "level "),
    "selector": (ObservableSelector(LIFTER, max_observables=5), 0, ""),
    "directions": (ActiveSubspace(TEACHER, 2), 4, "direction "),
    "search": (
        KoopmanSearchCV(TEACHER, dictionaries=[LIFTER]),
        4,
        ("round ", "transfer sets", "last fits", "without a teacher"),
    ),
}
QUIET = "ignore:lbfgs|als has not settled|adam|.*first choice is the label"


@pytest.fixture(params=ESTIMATORS)
def case(request):
    return ESTIMATORS[request.param]


@pytest.fixture
def is_terminal(monkeypatch):
    """Make stderr a terminal. That of pytest never is one."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


@pytest.mark.filterwarnings(QUIET)
def test_nothing_is_shown_unless_asked_for(case, bars, capsys, is_terminal):
    estimator, _, _ = case
    estimator.set_params(verbose=0).fit(X, Y)
    assert bars == []
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.filterwarnings(QUIET)
def test_bars_on_stderr(case, bars, capsys):
    """There is one bar at a time (the fixture asserts it), and few bars for any number of steps."""
    estimator, _, _ = case
    estimator.set_params(verbose=1).fit(X, Y)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert 1 <= len(bars) <= 12
    assert not any(bar.is_open or bar.n == 0 for bar in bars)


@pytest.mark.filterwarnings(QUIET)
def test_a_line_for_each_step(case, capsys):
    estimator, most, starts = case
    estimator.set_params(verbose=2).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines) > 0) == (most > 0)
    assert len(lines) <= most
    assert all(line.startswith(starts) for line in lines)


@pytest.mark.filterwarnings(QUIET)
@pytest.mark.parametrize("verbose", [1, 2])
def test_without_tqdm(case, verbose, without):
    without("tqdm.auto")
    estimator, _, _ = case
    estimator.set_params(verbose=verbose).fit(X, Y)


def test_mini_batches(bars, capsys):
    pytest.importorskip("skorch")
    student = KoopmanDistilledClassifier(TEACHER, solver="adam", max_iter=3, batch_size=50)
    student.set_params(verbose=1).fit(X, Y)
    assert capsys.readouterr().out == ""
    assert [(bar.desc, bar.n) for bar in bars if bar.desc == "mini-batches"] == [
        ("mini-batches", 9)
    ]
    student.set_params(verbose=2).fit(X, Y)
    assert "train_loss" in capsys.readouterr().out


def test_the_bar_of_the_exact_solver_ends_at_its_tolerance(bars):
    student = KoopmanDistilledClassifier(TEACHER, lifter=LIFTER, ridge=1e-2, verbose=1)
    student.fit(X, Y)
    assert bars[-1].n == pytest.approx(1.0)
    bars.clear()
    with pytest.warns(match="lbfgs stopped"):
        student.set_params(tol=0.0, max_iter=2).fit(X, Y)  # progress to tol=0 has no measure
    assert bars[-1].n == pytest.approx(1.0)


def test_a_fit_that_fails_closes_its_bar(bars):
    def fails(rows):
        raise ValueError("no such rows")

    with pytest.raises(ValueError, match="no such rows"):
        ActiveSubspace(fails, verbose=1).fit(X)
    (bar,) = bars
    assert not bar.is_open
    EDMDClassifier(verbose=1).fit(X, Y)
    assert len(bars) == 2


# Functions


def report(verbose=None):
    # Students inside a report have no bar beside that of the report.
    student = KoopmanDistilledClassifier(TEACHER, lifter=LIFTER, ridge=1e-2)
    student.set_params(verbose=verbose or 0)
    return distillation_report(student, X, Y, X_test=X, y_test=Y, verbose=verbose)


def curve(**settings):
    pytest.importorskip("matplotlib")
    return HardwareDisplay.from_estimators(
        {"student": STUDENT},
        *(X, Y),
        vary="weight_bits",
        values=[2, 4],
        X_calibration=X,
        **settings,
    )


def costs(**settings):
    pytest.importorskip("matplotlib")
    search = GridSearchCV(EDMDClassifier(lifter=LIFTER), {"ridge": [1e-3, 1e-1]}).fit(X, Y)
    return AccuracyCostDisplay.from_search(search, X, Y, **settings)


FUNCTIONS = {
    "report": (report, "report", 5),
    "chips": (curve, "chips", 2),
    "costs": (costs, "costs", 2),
    "audit": (lambda **settings: audit_report(STUDENT, X, Y, **settings), "Shapley values", 1),
}
functions = pytest.mark.parametrize(
    ("function", "title", "n_steps"), FUNCTIONS.values(), ids=FUNCTIONS
)


@functions
def test_functions_are_silent_where_nobody_looks(function, title, n_steps, bars, capsys):
    function()
    assert bars == []
    assert "".join(capsys.readouterr()) == ""


@functions
@pytest.mark.parametrize("how", ["asked for", "terminal", "notebook"])
def test_functions_show_bars(function, title, n_steps, how, bars, capsys, monkeypatch):
    if how == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    elif how == "notebook":
        # The name that IPython gives itself there. It is not installed with the package.
        shell = type("Shell", (), {"config": {"IPKernelApp": {}}})
        ipython = type("IPython", (), {"get_ipython": staticmethod(shell)})
        monkeypatch.setitem(sys.modules, "IPython", ipython)
    function(**({"verbose": 1} if how == "asked for" else {}))
    assert (title, n_steps) in [(bar.desc, bar.n) for bar in bars]
    assert capsys.readouterr().out == ""


@functions
def test_functions_can_be_silenced(function, title, n_steps, bars, is_terminal):
    function(verbose=0)
    assert bars == []


def test_what_has_no_verbose_shows_bars_by_itself(bars, is_terminal):
    robust_radius(KoopmanDistilledClassifier(TEACHER, lifter=MonomialLifter(3)).fit(X, Y), X)
    shapley_values(STUDENT, X, X[:10], return_interactions=True)
    quantise_student(STUDENT, X, bits=4)
    chip = Hardware(mesh="clements", phase_error=0.05, recalibration_steps=3)
    SimulatedChip(STUDENT, chip, X, random_state=0)
    titles = {bar.desc for bar in bars}
    assert {"radii", "Shapley values", "rounding", "recalibration"} <= titles
    assert all(np.isfinite(bar.n) and not bar.is_open for bar in bars)
