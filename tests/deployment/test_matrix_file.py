"""The matrix as a table: a table that is read back gives the student's predictions."""

import json

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_koopman import EDMDClassifier, EDMDRegressor, MonomialLifter
from sklearn_koopman.deployment import quantise_student, save_matrix
from sklearn_koopman.inspection import koopman_spectrum
from sklearn_koopman.pipeline import make_pipeline

X, CODES = load_iris(return_X_y=True)
Y = np.array(["setosa", "versicolor", "virginica"])[CODES]


@pytest.fixture
def student():
    return make_pipeline(PCA(3), MonomialLifter(2), EDMDClassifier()).fit(X, Y)


def observables(student):
    return student[:-1].transform(X)


def test_csv(student, tmp_path):
    save_matrix(student, tmp_path / "k.csv", X)
    table = pandas.read_csv(tmp_path / "k.csv", index_col="observable")
    assert [*table.columns] == [
        "setosa",
        "versicolor",
        "virginica",
        "mean",
        "deviation",
        "largest",
    ]
    psi = observables(student)
    matrix = table.iloc[:, :3].to_numpy()
    assert_allclose(psi @ matrix[:-1] + matrix[-1], student.decision_function(X))
    assert_allclose(table["largest"][:-1], np.abs(psi).max(axis=0))
    assert_allclose(table["deviation"][:-1], psi.std(axis=0))
    assert table.index[-1] == "intercept"
    assert [*table.index[:2]] == ["1", "pca0"]


def test_json(student, tmp_path):
    save_matrix(student, tmp_path / "k.json")
    table = json.loads((tmp_path / "k.json").read_text())
    logits = observables(student) @ np.transpose(table["matrix"]) + table["intercept"]
    assert_allclose(logits, student.decision_function(X))
    assert table["outputs"] == ["setosa", "versicolor", "virginica"]
    assert len(table["observables"]) == 10
    assert table["steps"][0].startswith("PCA")
    assert "mean" not in table


def test_rounded_numbers_and_targets(student, tmp_path):
    few = quantise_student(student, X, bits=3)
    save_matrix(few, tmp_path / "k.csv")
    table = pandas.read_csv(tmp_path / "k.csv", index_col="observable")
    assert_allclose(table.to_numpy()[:-1].T, few[-1].coef_)
    regressor = EDMDRegressor().fit(pandas.DataFrame(X[:, :2], columns=["a", "b"]), X[:, 2:])
    save_matrix(regressor, tmp_path / "k.csv")
    table = pandas.read_csv(tmp_path / "k.csv", index_col="observable")
    assert [*table.index] == ["a", "b", "intercept"]
    assert [*table.columns] == ["0", "1"]


def test_the_operator_has_the_names_of_observables(tmp_path):
    frame = pandas.DataFrame(X[:, :2], columns=["a", "b"])
    edmd = EDMDRegressor(lifter=MonomialLifter(2, include_bias=False), with_operator=True)
    save_matrix(edmd.fit(frame[:-1], frame[1:]), tmp_path / "k.csv")
    table = pandas.read_csv(tmp_path / "k.csv", index_col="observable")
    assert [*table.columns] == ["a", "b", "a^2", "a b", "b^2"] == [*table.index[:-1]]
    assert_allclose(table.to_numpy()[:-1].T, edmd.operator_)
    with pytest.raises(TypeError, match=r"^<KoopmanSpectrum of 5 observables>.*numpy\.savez"):
        save_matrix(koopman_spectrum(edmd), tmp_path / "k.csv")


def test_rows_of_columns_with_names(tmp_path):
    frame = pandas.DataFrame(X, columns=[*"abcd"])
    scaled = make_column_transformer((StandardScaler(), ["d", "a"]), remainder="passthrough")
    student = make_pipeline(scaled, MonomialLifter(1), EDMDClassifier()).fit(frame, Y)
    save_matrix(student, tmp_path / "k.csv", frame)
    table = pandas.read_csv(tmp_path / "k.csv", index_col="observable")
    assert_allclose(table["mean"].iloc[1:-1], [0, 0, *X[:, 1:3].mean(axis=0)], atol=1e-9)
    few = quantise_student(student, frame, bits=6)
    assert (few.predict(frame) == student.predict(frame)).mean() > 0.9


def test_steps_without_names_are_numbered(tmp_path):
    student = make_pipeline(FunctionTransformer(np.square), EDMDClassifier()).fit(X, Y)
    save_matrix(student, tmp_path / "k.csv")
    assert (tmp_path / "k.csv").read_text().splitlines()[1].startswith("psi0,")


def test_what_cannot_be_written_leaves_the_old_file(student, tmp_path):
    file = tmp_path / "k.csv"
    file.write_text("old")
    with pytest.raises(TypeError, match="Koopman matrix"):
        save_matrix(PCA().fit(X), file)
    with pytest.raises(ValueError, match="NaN"):
        save_matrix(student, file, np.full((2, 4), np.nan))
    assert file.read_text() == "old"
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere'\. Make it"):
        save_matrix(student, tmp_path / "nowhere" / "k.csv")
    with pytest.raises(ValueError, match=r"must be \.csv or \.json"):
        save_matrix(student, tmp_path / "k.txt")
