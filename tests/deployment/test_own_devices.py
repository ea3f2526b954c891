"""A user's own devices, whose fit learns nothing and sets no attribute."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_koopman import EDMDClassifier, deployment
from sklearn_koopman.deployment import (
    Hardware,
    SimulatedChip,
    quantise_student,
    save_matrix,
    to_c,
    to_mesh,
    to_onnx,
)
from sklearn_koopman.inspection import UncountableError, cost
from sklearn_koopman.lifting import Operations
from sklearn_koopman.pipeline import make_pipeline

from .helpers import X, y


def response(X):
    """Return the device's output for rows."""
    return np.sin(3 * X) ** 2


class Device(TransformerMixin, BaseEstimator):
    """A device that learns nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return response(X)


class CountedDevice(Device):
    def operations(self):
        return Operations(nonlinear=64)

    def add_to_program(self, program, rows):
        return program.function(program.function(program.scaled(rows, 3.0), "sin"), "square")

    def to_function(self, dtype):
        return response


def students(device):
    """Return a student with a device: as a step, as its lifter, or inside a pipeline."""
    return [
        make_pipeline(device, EDMDClassifier()).fit(X, y),
        EDMDClassifier(lifter=device).fit(X, y),
        EDMDClassifier(lifter=sklearn_pipeline("passthrough", device)).fit(X, y),
    ]


@pytest.fixture(scope="module")
def known():
    """The same student. Its device says that it needs no fit."""
    device = FunctionTransformer(response)
    return make_pipeline(device, EDMDClassifier()).fit(X, y)


@pytest.mark.parametrize("student", students(Device()), ids=["step", "lifter", "pipeline"])
def test_a_step_of_a_fitted_student_is_fitted(student, known, tmp_path):
    logits = known.decision_function(X)
    assert_allclose(student.decision_function(X), logits, rtol=1e-4, atol=1e-4)
    assert to_mesh(student, X).depth == to_mesh(known, X).depth
    noisy = Hardware(multiplicative_noise=0.1)
    chips = [SimulatedChip(each, noisy, random_state=0) for each in (student, known)]
    assert_allclose(*(chip.decision_function(X) for chip in chips), rtol=1e-3, atol=1e-3)
    save_matrix(student, tmp_path / "matrix.csv", X)
    few = quantise_student(student, X, bits=4)
    assert few.score(X, y) > student.score(X, y) - 0.05
    with pytest.raises(UncountableError, match="operations of Device are not known"):
        cost(student, X[:1])


def test_forms_of_a_device_are_used():
    for student in students(CountedDevice()):
        assert cost(student, X[:1]).nonlinear == 64
    step, lifter, _ = students(CountedDevice())
    assert_allclose(to_c(lifter).decision_function(X), lifter.decision_function(X), atol=1e-4)
    for export in (to_c, deployment.compile):
        with pytest.raises(
            TypeError, match=r"CountedDevice does not state how .*validate_data"
        ):
            export(step)


def test_what_is_not_fitted_is_still_refused():
    with pytest.raises(NotFittedError):
        to_mesh(make_pipeline(Device(), EDMDClassifier()), X)
    with pytest.raises(NotFittedError):
        cost(Device(), X[:1])


def test_onnx_names_the_method_that_is_missing():
    pytest.importorskip("skl2onnx")
    student, *_ = students(Device())
    with pytest.raises(RuntimeError, match=r"cannot convert one of Device\. .* add_to_graph"):
        to_onnx(student, X[:1])
