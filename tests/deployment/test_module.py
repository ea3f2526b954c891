import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import load, save
from sklearn.base import clone
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline as sklearn_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sklearn_koopman import EDMDClassifier, MonomialLifter
from sklearn_koopman.deployment import to_module
from sklearn_koopman.networks import LinearizedNetworkClassifier

from .helpers import STUDENTS, X, y


def logits(estimator, rows):
    return estimator.decision_function(rows)


def test_logits_are_those_of_the_student(student):
    module = to_module(student)
    assert not module.training
    with torch.inference_mode():
        found = module(torch.as_tensor(X)).numpy()
    assert found.dtype == np.float32
    assert_allclose(found, logits(student, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        RobustScaler(quantile_range=(1, 99)),
        RobustScaler(with_centering=False, with_scaling=False),
        MinMaxScaler((-1, 1)),
        MaxAbsScaler(),
        IncrementalPCA(5),
        PCA(5, whiten=True),
    ],
    ids=repr,
)
def test_every_transformer_in_double_precision(scaler):
    rows = X.astype(np.float64)
    student = sklearn_pipeline(clone(scaler), EDMDClassifier()).fit(rows, y)
    found = to_module(student)(torch.as_tensor(rows)).detach().numpy()
    assert_allclose(found, logits(student, rows), atol=1e-9)


def test_it_can_be_trained_exported_and_kept_without_a_pickle():
    student = clone(STUDENTS["pipeline"]).fit(X, y)
    module = to_module(student)
    rows, labels = torch.as_tensor(X), torch.as_tensor(y)
    loss_of = torch.nn.CrossEntropyLoss()
    before = loss_of(module(rows), labels)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    before.backward()
    optimizer.step()
    after = module(rows)
    assert loss_of(after, labels) < before

    restored = to_module(student)
    restored.load_state_dict(load(save(module.state_dict())))
    assert torch.equal(restored(rows), after)

    exported = torch.export.export(
        module, (rows[:5],), dynamic_shapes=({0: torch.export.Dim("n_samples")},)
    )
    assert torch.equal(exported.module()(rows), after)


def test_training_leaves_the_student_as_it_was():
    student = EDMDClassifier(lifter=MonomialLifter(1)).fit(X, y)
    module = to_module(student)
    before = student.coef_.copy()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert np.array_equal(student.coef_, before)


def test_errors():
    with pytest.raises(NotFittedError):
        to_module(EDMDClassifier())
    with pytest.raises(TypeError, match="ends in LogisticRegression, which has no Koopman"):
        to_module(sklearn_pipeline(PCA(2), LogisticRegression()))
    with pytest.raises(TypeError, match=r"to_module: a LinearizedNetworkClassifier .* Its own"):
        to_module(sklearn_pipeline(PCA(2), LinearizedNetworkClassifier(None, "linear0")))
    student = sklearn_pipeline(KernelPCA(2), EDMDClassifier()).fit(X, y)
    with pytest.raises(TypeError, match="KernelPCA has no form in torch here"):
        to_module(student)


def test_without_torch_the_extra_is_named(without):
    without("torch")
    with pytest.raises(ImportError, match=r"sklearn-koopman\[torch\]"):
        to_module(EDMDClassifier())
