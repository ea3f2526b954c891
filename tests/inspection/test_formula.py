"""Formulas, evaluated by hand and by sympy, against the student's answers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    EDMDClassifier,
    MonomialLifter,
    ObservableSelector,
    OrthogonalPolynomialLifter,
    RBFLifter,
    SquaredProjectionLifter,
)
from sklearn_koopman.inspection import formula
from sklearn_koopman.pipeline import make_pipeline
from sklearn_koopman.regression import EDMDRegressor

X, Y = load_iris(return_X_y=True, as_frame=True)
X.columns = ["sepal length", "sepal width", "petal_length", "x3"]
STUDENTS = {
    "columns": make_pipeline(MonomialLifter(3), EDMDClassifier()),
    "scaled": make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier()),
    "components": make_pipeline(StandardScaler(), PCA(2), MonomialLifter(3), EDMDClassifier()),
    "legendre": make_pipeline(
        OrthogonalPolynomialLifter(2, family="legendre"), EDMDClassifier()
    ),
    "squares": make_pipeline(SquaredProjectionLifter(), EDMDClassifier()),
    "gaussians": make_pipeline(RBFLifter(4, random_state=0), EDMDClassifier()),
}


@pytest.fixture(scope="module", params=STUDENTS)
def student(request):
    return STUDENTS[request.param].fit(X, Y)


def evaluated(found, variables):
    """Return the outputs of a formula, term by term."""
    products = [np.prod(variables[:, list(term)], axis=1) for term in found.terms]
    return np.array(products).T @ found.coefficients


def test_terms_are_the_student(student):
    head = student[:-2] if len(student) > 2 else None
    rows = X.to_numpy()
    found = formula(student, X, of="columns")
    if "RBFLifter" in str(student):
        rows, head = student[:-1].transform(X), None
        assert found.variable_names == list(student[:-1].get_feature_names_out())
    else:
        assert found.variable_names == list(X.columns)
    logits = student.decision_function(X)
    assert_allclose(evaluated(found, rows), logits, atol=1e-9)
    assert found.definitions == []
    coordinates = formula(student, X)
    if head is not None:
        variables = head.transform(X)
        assert_allclose(evaluated(coordinates, variables), logits, atol=1e-9)
        assert len(coordinates.definitions) == variables.shape[1]


def test_shares_are_covariances(student):
    found = formula(student, X)
    if "RBFLifter" in str(student):
        rows = student[:-1].transform(X)
    else:
        rows = X.to_numpy() if found.definitions == [] else None
    assert_allclose(found.shares.sum(axis=0), 1, atol=1e-9)
    assert_allclose(found.total_shares.sum(), 1, atol=1e-9)
    assert_allclose(sum(found.input_shares().values()), 1, atol=1e-9)
    if rows is not None:
        logits = student.decision_function(X)
        for k in range(3):
            for j in (1, 2, 3):
                term = found.coefficients[j, k] * np.prod(rows[:, list(found.terms[j])], axis=1)
                expected = np.cov(term, logits[:, k], ddof=0)[0, 1] / logits[:, k].var()
                assert_allclose(found.shares[j, k], expected, rtol=1e-6, atol=1e-9)


def test_what_all_classes_have_in_common_has_no_share():
    """If all logits get the same function on top, the shares of all outputs do not change."""
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    before = formula(student, X)
    student[-1].coef_ += np.linspace(0, 1, student[-1].coef_.shape[1])
    after = formula(student, X)
    shares = [dict(zip(each.terms, each.total_shares, strict=True)) for each in (before, after)]
    assert_allclose(*([each[term] for term in before.terms] for each in shares), atol=1e-9)


def test_the_largest_terms_come_first():
    student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    found = formula(student, X)
    assert found.terms[0] == ()
    Z = student[0].transform(X)
    sizes = [
        np.linalg.norm(coefficients) * np.prod(Z[:, list(term)], axis=1).std()
        for term, coefficients in zip(found.terms[1:], found.coefficients[1:], strict=True)
    ]
    assert sizes == sorted(sizes, reverse=True)
    unordered = formula(student)
    sizes = np.linalg.norm(unordered.coefficients[1:], axis=1)
    assert_array_equal(sizes, np.sort(sizes)[::-1])
    assert unordered.shares is None
    with pytest.raises(ValueError, match=r"call formula\(student, X\)"):
        unordered.input_shares()


def test_text_of_two_classes():
    rows, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    chosen = ObservableSelector(MonomialLifter(2), max_observables=3)
    student = make_pipeline(StandardScaler(), chosen, EDMDClassifier(ridge=1e-6)).fit(
        rows, labels
    )
    found = formula(student, rows)
    assert len(found.terms) == 4
    logit, where, *definitions = found.to_text(digits=2).split("\n")
    assert logit.startswith(
        "1: 0.16 - 0.53 [worst radius]' - 0.43 [worst concave points]' + 0.11"
    )
    assert where == "where"
    assert "  [worst radius]' = (worst radius - 16.27) / 4.829" in definitions
    assert len(definitions) == 4
    shorter = str(found.to_text(max_terms=1))
    assert "+ 2 smaller terms (those written explain 59.8%)" in shorter
    assert str(found) == repr(found) == found.to_text()
    frame = pytest.importorskip("pandas") and found.to_frame()
    assert list(frame.columns) == [1, "share of 1", "share"]
    assert frame.index[0] == "1"
    assert_allclose(frame["share"], frame["share of 1"])


def test_latex():
    student = make_pipeline(MonomialLifter((1, 3)), EDMDClassifier()).fit(X, Y)
    latex = formula(student, X).to_latex(max_terms=40, digits=4)
    for part in (
        r"\begin{aligned}",
        r"s_{\mathrm{0}} &= ",
        r"x_{3}^{2}",
        r"\mathrm{petal\_length}",
    ):
        assert part in latex
    assert r"\mathrm{sepal\ width} \, \mathrm{petal\_length}" in latex
    assert r"\dots" not in latex
    assert latex.count(r"\\") == 2
    assert formula(student)._repr_latex_().startswith("$\\begin{aligned}")
    assert r"+ \dots" in formula(student, X).to_latex(max_terms=2)
    student[-1].coef_ *= 1e-9
    assert r"\cdot 10^{-" in formula(student).to_latex()


@pytest.mark.slow
def test_sympy_says_the_same():
    sympy = pytest.importorskip("sympy")
    student = make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    found = formula(student)
    symbols = [sympy.Symbol(name, real=True) for name in found.variable_names]
    for k, expression in enumerate(found.to_sympy()):
        function = sympy.lambdify(symbols, expression)
        assert_allclose(
            function(*X.to_numpy().T), student.decision_function(X)[:, k], atol=1e-9
        )


def test_regressors_and_sparse_formulas():
    student = make_pipeline(MonomialLifter(1), EDMDRegressor(ridge=0)).fit(
        X.to_numpy(), 3 * X["x3"].to_numpy() - 1
    )
    assert str(formula(student, X.to_numpy())).startswith("0: -1 + 3 x3")


def test_refusals():
    student = make_pipeline(MonomialLifter(2), EDMDClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match="of='pixels': must be 'coordinates' or 'columns'"):
        formula(student, of="pixels")
    with pytest.raises(ValueError, match="max_terms=0: must be an int"):
        formula(student).to_text(max_terms=0)
