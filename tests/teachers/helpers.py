"""Small torch modules, importable so that they pickle."""

import warnings
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")


class _Counts(type(torch.nn.Module)):
    """Counters outside of all modules, so that they do not belong to the state of one."""

    n_calls = 0
    n_rows = 0
    n_copies = 0

    def __setattr__(cls, name, value):
        setattr(_Counts, name, value)


class Counting(torch.nn.Module, metaclass=_Counts):
    """A linear map that counts its calls and copies outside of its own state."""

    def __init__(self, n_features=4, n_columns=3, dtype=torch.float32):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(n_features, n_columns, generator=generator)
        self.weight = torch.nn.Parameter(weight.to(dtype))

    @classmethod
    def reset(cls):
        cls.n_calls = cls.n_rows = cls.n_copies = 0

    def forward(self, x):
        type(self).n_calls += 1
        type(self).n_rows += len(x)
        return x @ self.weight

    def __deepcopy__(self, memo):
        type(self).n_copies += 1
        raise AssertionError("the module was deep-copied")


class Returning(torch.nn.Module):
    """Returns `function(x)`, for outputs and failures of every kind."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Logits(torch.nn.Module):
    """Returns its logits like a Hugging Face model."""

    def forward(self, x):
        return SimpleNamespace(logits=x * 2)


class Scaled(torch.nn.Module):
    """Computes with a plain attribute and a buffer that are not in state_dict."""

    def __init__(self, factor=1.0, shift=0.0):
        super().__init__()
        self.factor = factor
        self.register_buffer("shift", torch.tensor(shift), persistent=False)

    def forward(self, x):
        return x * self.factor + self.shift


class Flags(torch.nn.Module):
    """BatchNorm and Dropout; the owner has put one of them into eval mode."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(4)
        self.drop = torch.nn.Dropout(0.5)
        self.norm.eval()

    def forward(self, x):
        return self.drop(self.norm(x))


def skorch_net(cls_name="NeuralNetClassifier", n_columns=3, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skorch = pytest.importorskip("skorch")
    defaults = {
        "criterion": torch.nn.CrossEntropyLoss,
        "max_epochs": 30,
        "lr": 0.1,
        "train_split": None,
        "verbose": 0,
    }
    module = torch.nn.Linear(4, n_columns)
    return getattr(skorch, cls_name)(module, **(defaults | kwargs))
