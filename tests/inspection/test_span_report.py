"""All ways to replace a span, in one table."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

torch = pytest.importorskip("torch")

from sklearn_koopman import EDMDClassifier, MonomialLifter  # noqa: E402
from sklearn_koopman.inspection import fidelity_score, span_report  # noqa: E402
from sklearn_koopman.networks import (  # noqa: E402
    LinearizedNetworkClassifier,
    drop_span,
    low_rank_span,
    pruned_span,
)

X, y = load_iris(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
DATA = {"X": X, "y": y, "X_test": X_test, "y_test": y_test}


@pytest.fixture(scope="module")
def module():
    """Return a network 4-12-12-3 after a little training."""
    nn = torch.nn
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 3)
        ).double()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.tensor(X)), torch.tensor(y)).backward()
        optimizer.step()
    return net.eval()


def rows_of(report):
    return {row.model: row for row in report.rows}


def labels_of(module):
    with torch.no_grad():
        return module(torch.tensor(X_test)).argmax(1).numpy()


def test_every_row_is_what_it_is_by_hand(module):
    span = ("2", "3")
    student = LinearizedNetworkClassifier(
        module, span, lifter=make_pipeline(PCA(2), MonomialLifter(2)), rank=3, density=0.5
    )
    before = repr(student.get_params())
    report = span_report(student, tail_epochs=2, **DATA)
    assert repr(student.get_params()) == before
    assert not hasattr(student, "classes_")
    assert (report.n_train, report.n_test, report.random_states) == (90, 60, (0,))

    # Factors 6 x 3 and 3 x 12, of which half is kept, 12 intercepts; PCA 2 x 12 and its mean.
    replacing = 9 + 18 + 12 + 24 + 12
    n_weights = replacing - 12
    rank = n_weights // 24
    outside = 4 * 12 + 12 + 12 * 3 + 3
    affine = clone(student).set_params(lifter=None, rank=None, density=None)
    tail = clone(student).set_params(epochs=2, trained="tail", random_state=0)
    expected = {
        "network": (labels_of(module), outside + 144 + 12),
        "without the span": (labels_of(drop_span(module, span)), outside),
        "affine map": (affine.fit(X, y).predict(X_test), outside + 144 + 12),
        "weights, low rank": (
            labels_of(low_rank_span(module, span, n_weights)[0]),
            outside + 24 * rank + 12,
        ),
        "weights, pruned": (
            labels_of(pruned_span(module, span, n_weights)),
            outside + n_weights + 12,
        ),
        "linearised": (student.fit(X, y).predict(X_test), outside + replacing),
        "linearised, tail trained": (tail.fit(X, y).predict(X_test), outside + replacing),
    }
    rows = rows_of(report)
    assert list(rows) == list(expected)
    for name, (labels, n_parameters) in expected.items():
        row = rows[name]
        assert row.accuracy == np.mean(labels == y_test), name
        assert row.fidelity == fidelity_score(labels_of(module), labels), name
        assert row.parameters == n_parameters, name
        assert row.predict_time > 0
        is_fitted = name == "affine map" or name.startswith("linearised")
        assert row.fit_time > 0 if is_fitted else np.isnan(row.fit_time)
    assert rows["network"].multiplications == 4 * 12 + 144 + 12 * 3
    assert rows["weights, pruned"].multiplications == 4 * 12 + n_weights + 12 * 3
    assert rows["weights, low rank"].multiplications == 4 * 12 + 24 * rank + 12 * 3
    assert rows["linearised"].nonlinear_multiplications == 3
    assert min(rows["network"].accuracy, rows["affine map"].accuracy) > 0.9


def test_rows_that_make_no_sense_are_left_out(module):
    names = list(rows_of(span_report(LinearizedNetworkClassifier(module, ("0", "1")), **DATA)))
    # The span is the affine map itself, and its output has another shape.
    assert names == ["network", "weights, low rank", "weights, pruned", "linearised"]
    names = list(rows_of(span_report(LinearizedNetworkClassifier(module, "1"), **DATA)))
    assert names == ["network", "without the span", "linearised"]  # the span has no weights
    bins = KBinsDiscretizer(3, encode="onehot-dense", random_state=0)
    rows = rows_of(span_report(LinearizedNetworkClassifier(module, "2", lifter=bins), **DATA))
    assert list(rows) == ["network", "without the span", "affine map", "linearised"]
    assert rows["linearised"].parameters is None  # its number of weights is unknown


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_seeds_reach_an_estimator_with_a_network_inside():
    net = MLPClassifier((6, 6), solver="lbfgs", max_iter=30)
    student = LinearizedNetworkClassifier(net, ("linear1", "activation1"))
    report, again = (span_report(student, random_states=(0, 1), **DATA) for _ in range(2))
    for row, same in zip(report.rows, again.rows, strict=True):
        assert (row.accuracy, row.accuracy_std) == (same.accuracy, same.accuracy_std)
    scores = [
        clone(net).set_params(random_state=k).fit(X, y).score(X_test, y_test) for k in (0, 1)
    ]
    assert report.rows[0].accuracy == pytest.approx(np.mean(scores))
    assert report.rows[0].accuracy_std == pytest.approx(np.std(scores))


def test_string_labels_and_data_frames(module):
    pd = pytest.importorskip("pandas")
    names = np.array(["setosa", "versicolor", "virginica"])
    frames = [pd.DataFrame(rows, columns=list("abcd")) for rows in (X, X_test)]
    student = LinearizedNetworkClassifier(module, ("2", "3"))
    expected = rows_of(span_report(student, **DATA))
    found = rows_of(
        span_report(student, frames[0], names[y], X_test=frames[1], y_test=names[y_test])
    )
    assert list(found) == list(expected)
    for name, row in found.items():
        assert (row.accuracy, row.fidelity) == (
            expected[name].accuracy,
            expected[name].fidelity,
        )


def test_verbose(module, capsys):
    student = LinearizedNetworkClassifier(module, ("2", "3"))
    span_report(student, **DATA)
    assert capsys.readouterr().out == ""
    span_report(student, random_states=3, verbose=2, **DATA)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("seed 3: linearised: accuracy ")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"classifier": EDMDClassifier()}, TypeError, "got EDMDClassifier"),
        ({"span": ["0", "2"]}, ValueError, r"span=\['0', '2'\]: .* one span"),
        ({"span": 3}, ValueError, "The 'span' parameter of LinearizedNetworkClassifier"),
        ({"tail_epochs": -1}, ValueError, "tail_epochs=-1: must be an int >= 0"),
        ({"tail_epochs": 1.5}, ValueError, "tail_epochs=1.5: must be an int >= 0"),
        ({"random_states": ()}, ValueError, "at least one seed"),
        ({"y_test": y_test[1:]}, ValueError, "inconsistent numbers of samples"),
    ],
)
def test_refuses(module, changes, error, message):
    classifier = LinearizedNetworkClassifier(module, changes.pop("span", "2"))
    arguments = {"classifier": classifier, **DATA, **changes}
    with pytest.raises(error, match=message):
        span_report(**arguments)
