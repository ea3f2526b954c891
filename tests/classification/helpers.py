"""Data, teachers and transformers that the tests of the classifiers share."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def samples(n_samples=150, n_features=5, n_classes=3, seed=0):
    """Return rows of unequal scales and noisy labels 0, 1, ... that depend on them."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_samples, n_features))
    logits = 2 * Z @ rng.normal(size=(n_features, n_classes))
    y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    return Z * np.geomspace(0.1, 10, n_features) + np.arange(n_features), y


def one_hot(y):
    """Return one column for each of the sorted labels."""
    return (np.unique(y) == np.asarray(y)[:, None]).astype(float)


def unscaled(coef, intercept, scaler):
    """Return coefficients of features, from the coefficients of scaled features."""
    coef = coef / scaler.scale_
    return coef, intercept - coef @ scaler.mean_


def scaled(X, sample_weight=None):
    """Return standardised features and the scaler that made them."""
    scaler = StandardScaler().fit(X, sample_weight=sample_weight)
    return scaler.transform(X), scaler


def fitted(model):
    """Return the fitted attributes of a model."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


class LinearTeacher:
    """A teacher with logits linear in its input, which keeps every input."""

    def __init__(self, n_features=5, n_columns=3, classes=None, seed=1):
        self.weight = np.random.default_rng(seed).normal(size=(n_features, n_columns))
        self.seen = []
        if classes is not None:
            self.classes_ = np.asarray(classes)

    def __call__(self, X):
        self.seen.append(np.asarray(X))
        return self.logits(X)

    def logits(self, X):
        return np.asarray(X) @ self.weight


class CountingClassifier(ClassifierMixin, BaseEstimator):
    """A logistic regression that keeps the training rows of all its clones."""

    fits = []  # noqa: RUF012 - shared by all clones on purpose

    def __init__(self, max_iter=1000):
        self.max_iter = max_iter

    def fit(self, X, y, sample_weight=None):
        type(self).fits.append((X, y, sample_weight))
        self._model = LogisticRegression(max_iter=self.max_iter).fit(X, y, sample_weight)
        self.classes_ = self._model.classes_
        return self

    def predict(self, X):
        return self._model.predict(X)

    def predict_proba(self, X):
        return self._model.predict_proba(X)


class RecordingTransformer(TransformerMixin, BaseEstimator):
    """Changes nothing, and keeps the number of rows of each call of `transform`."""

    def fit(self, X, y=None):
        self.n_rows_ = []
        return self

    def transform(self, X):
        self.n_rows_.append(len(X))
        return X
