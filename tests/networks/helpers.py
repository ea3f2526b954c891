"""Small networks, importable so that they pickle, and classifiers with a network inside."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

torch = pytest.importorskip("torch")
nn = torch.nn


def seeded(make, shape=(6,), seed=0):
    """Return a module with random weights that finds all classes about equally often.

    The seed draws the weights. torch's global generator is restored.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make().eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter *= 2.0
            last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
            last.bias -= module(torch.randn(500, *shape)).mean(0)
    return module.double()


def perceptron(n_features=6, n_columns=3):
    return seeded(
        lambda: nn.Sequential(
            nn.Linear(n_features, 12),
            nn.Tanh(),
            nn.Linear(12, 12),
            nn.Tanh(),
            nn.Linear(12, 8),
            nn.ReLU(),
            nn.Linear(8, n_columns),
        ),
        (n_features,),
    )


class ConvolutionalNetwork(nn.Module):
    """Two convolutions with batch norm, pooling, dropout and functional activations."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4 * 4 * 4, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(self.second(x))
        return self.head(self.drop(x.flatten(1)))


class AttentionBlock(nn.Module):
    """Self-attention and a perceptron, both with a skip connection."""

    def __init__(self, width=8):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.up = nn.Linear(width, 16)
        self.gelu = nn.GELU()
        self.down = nn.Linear(16, width)

    def forward(self, x):
        h = self.norm(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.down(self.gelu(self.up(x)))


class Transformer(nn.Module):
    """Two attention blocks on five tokens of four numbers, and the mean of the tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.blocks = nn.Sequential(AttentionBlock(), AttentionBlock())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.blocks(self.embed(x)).mean(1))


class NetworkOfLogisticRegression(ClassifierMixin, BaseEstimator):
    """A classifier with a network inside, which equals logistic regression."""

    def fit(self, X, y, sample_weight=None):
        """Fit with scikit-learn and write the coefficients into linear layers."""
        # With second-order steps, repeated rows and weights of 2 agree within the checks' 1e-7.
        inner = LogisticRegression(solver="newton-cg", C=10.0, tol=1e-12, max_iter=1000)
        is_single = getattr(X, "dtype", None) == np.float32
        # scikit-learn 1.6 mixes number types in a line search on float32 rows.
        rows = X.astype(np.float64) if is_single else X
        inner.fit(rows, y, sample_weight=sample_weight)
        self.classes_ = inner.classes_
        coef, intercept = inner.coef_, inner.intercept_
        if is_single:
            coef, intercept = coef.astype(np.float32), intercept.astype(np.float32)
        if len(coef) == 1:
            coef = np.vstack([np.zeros_like(coef), coef])
            intercept = np.append(0.0, intercept)
        n_features = coef.shape[1]
        wide = np.vstack([np.eye(n_features), -np.eye(n_features)]).astype(coef.dtype)
        self.module_ = nn.Sequential(
            linear_of(wide), nn.ReLU(), linear_of(wide.T.copy()), linear_of(coef, intercept)
        )
        return self

    def decision_function(self, X):
        """This is never called: the student calls the network."""
        raise NotImplementedError


def linear_of(weights, bias=None):
    weights = torch.tensor(weights)
    linear = nn.Linear(weights.shape[1], weights.shape[0], dtype=weights.dtype)
    with torch.no_grad():
        linear.weight.copy_(weights)
        linear.bias.copy_(torch.zeros(len(weights)) if bias is None else torch.tensor(bias))
    return linear


def labelled(module, shape, n_rows=200, seed=0, dtype=np.float64):
    """Return random rows of a shape, flattened, and a module's labels for them."""
    X = np.random.default_rng(seed).normal(size=(n_rows, *shape)).astype(dtype)
    parameter = next(module.parameters())
    flags = module.training
    with torch.no_grad():
        y = module.eval()(torch.from_numpy(X).to(parameter.dtype)).argmax(1).numpy()
    module.train(flags)
    return X.reshape(n_rows, -1), y
