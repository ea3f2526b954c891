r"""A student in orthonormal coordinates of its input, which keep the distances between rows.

The linear steps before the dictionary map a row x to :math:`z = z_0 + B (x - x_0)`. With the
orthonormal columns Q of :math:`B^T = Q R`, the logits depend on :math:`u = Q^T (x - x_0)` alone,
:math:`z = z_0 + R^T u`, and the shortest change of x that makes a given change of u has the same
length. So radii in u are radii in x, whatever linear steps come before the dictionary (PCA,
scalers, selectors).

Columns that cannot change have coordinates of their own, which come last: with B split into the
columns of both kinds, :math:`B_{free}^T = Q R` and :math:`B_{fixed}^T = Q' R'`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder
from sklearn.utils import gen_batches
from sklearn.utils.validation import validate_data

from ..._finite import finite
from ..._memory import check_fits_in_memory
from ..._validation import check_is_table, flat_rows
from ...lifting import (
    AffineMap,
    ColumnParts,
    degree_of,
    is_numeric,
    split_linear,
    steps_of,
    transformed,
)
from ...students import split_student

# Largest number of values of observables that are in memory at once.
N_LIFTED = 2**23
# Largest difference between a student and the forms that were read from it, relative to the largest
# logit.
LARGEST_ERROR = 1e-6
_ENCODERS = (OneHotEncoder, OrdinalEncoder, TargetEncoder)


@dataclass(frozen=True)
class StudentCoordinates:
    """A student as a function of orthonormal coordinates of its input.

    Attributes
    ----------
    center : ndarray of shape (n_features,)
        The row that is the origin.
    basis : ndarray of shape (n_features, n_coordinates)
        Orthonormal columns.
    n_free : int
        Number of coordinates that can change, which are the first ones.
    features : ndarray of shape (n_inner,)
        Input of the dictionary for the row at the origin.
    factor : ndarray of shape (n_coordinates, n_inner)
        What each coordinate adds to this input.
    tail : fitted transformer or None
        The dictionary.
    degree : int or None
        Degree of the dictionary, or None if it is not polynomial.
    classifier : KoopmanClassifier
    """

    center: np.ndarray
    basis: np.ndarray
    n_free: int
    features: np.ndarray
    factor: np.ndarray
    tail: Any
    degree: int | None
    classifier: Any

    @classmethod
    def of(cls, student, X, scale=1.0, is_fixed=None):
        """Return the coordinates of a fitted student, with the origin at the mean of some rows.

        Parameters
        ----------
        student : classifier, or Pipeline that ends in one
        X : ndarray of shape (n_samples, n_features)
            Rows that determine the origin, divided by the scale.
        scale : ndarray of shape (n_features,) or float, default=1.0
            Length of a distance of 1 in each column.
        is_fixed : ndarray of bool, shape (n_features,), default=None
            Columns that cannot change. None: all can change.
        """
        steps, classifier = split_student(student)
        head, tail = split_linear(steps)
        front = AffineMap.of(head, X.shape[1])
        matrix, center = (front.matrix * scale).T, X.mean(axis=0)
        features = front(center * scale)
        if is_fixed is None:
            basis, factor = np.linalg.qr(matrix)
            n_free = len(factor)
        else:
            parts = [np.linalg.qr(matrix[which]) for which in (~is_fixed, is_fixed)]
            n_free = len(parts[0][1])
            factor = np.vstack([r for _, r in parts])
            basis = np.zeros((len(matrix), len(factor)))
            basis[~is_fixed, :n_free] = parts[0][0]
            basis[is_fixed, n_free:] = parts[1][0]
        return cls(center, basis, n_free, features, factor, tail, degree_of(tail), classifier)

    def of_rows(self, X):
        """Return the coordinates of rows, (n_samples, n_coordinates)."""
        return (X - self.center) @ self.basis

    @property
    def free_basis(self):
        """The part of the basis along which rows can change, (n_features, n_free)."""
        return self.basis[:, : self.n_free]

    @property
    def free_factor(self):
        """What the coordinates that can change add to the input of the dictionary."""
        return self.factor[: self.n_free]

    def rows_changed(self, X, changes):
        """Return rows with changes in the coordinates that can change."""
        return X + changes @ self.free_basis.T

    @property
    def coef(self):
        """The matrix, (n_classes, n_observables)."""
        return self.classifier.coef_.astype(np.float64)

    def inner(self, U):
        """Return the input of the dictionary, (n_samples, n_inner)."""
        return self.features + U @ self.factor

    def observables(self, U):
        """Return the observables at coordinates, (n_samples, n_observables)."""
        Z = self.inner(U)
        return (
            Z if self.tail is None else transformed(self.tail, Z).astype(np.float64, copy=False)
        )

    def logits(self, U):
        """Return the logits at coordinates, (n_samples, n_classes)."""
        coef, intercept = self.coef, self.classifier.intercept_.astype(np.float64)
        logits = np.empty((len(U), len(coef)))
        for rows in gen_batches(len(U), max(N_LIFTED // coef.shape[1], 1)):
            logits[rows] = self.observables(U[rows]) @ coef.T + intercept
        return finite(logits, "The logits")


def checked_rows(student, X):
    """Return rows as an array of float64, with the features that the student was fitted to.

    Parameters
    ----------
    student : classifier, or Pipeline that ends in one
        Fitted.
    X : array-like of shape (n_samples, n_features)

    Raises
    ------
    TypeError
        If there are columns that are not numbers, or steps that take only the numbers that they
        have seen in `fit`.
    ValueError
        If the features differ from those that the student was fitted to.
    """
    steps, classifier = split_student(student)
    check_is_table(X, "X")
    first = next(
        (step for step in (*steps, classifier) if hasattr(step, "n_features_in_")), None
    )
    if hasattr(X, "columns"):
        words = [str(name) for name in X.columns if not is_numeric(X[name])]
        if words:
            raise TypeError(
                f"X has columns that are not numbers, {', '.join(map(repr, words))}: a radius is a "
                "distance between rows of numbers. Convert them to numbers before the student "
                "(pandas.get_dummies), and fit the student to the result."
            )
        if first is not None:
            validate_data(first, X, reset=False, skip_check_array=True)
    _refuse_encoders(steps)
    X = flat_rows(X).astype(np.float64)
    n_features = getattr(first, "n_features_in_", X.shape[1])
    if X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, and the student takes {n_features}.")
    return X


def _refuse_encoders(steps):
    """Raise TypeError for steps that take only the values of a column that they know."""
    for step in steps:
        is_parts = isinstance(step, ColumnTransformer)
        parts = [part for _, part, _ in ColumnParts.of(step).parts] if is_parts else [step]
        for encoder in (each for part in parts for each in steps_of(part)):
            if isinstance(encoder, _ENCODERS):
                raise TypeError(
                    f"{encoder!r} takes only the values that it knows, so rows cannot be changed "
                    "by a small distance. Encode columns before the student (pandas.get_dummies), "
                    "and fit the student to the result."
                )


@dataclass(frozen=True)
class QuadraticForms:
    r"""Logits :math:`s_k(u) = c_k + l_k^T u + u^T A_k u` of orthonormal coordinates u.

    Attributes
    ----------
    constants : ndarray of shape (n_classes,)
    linear : ndarray of shape (n_classes, n_coordinates)
    forms : ndarray of shape (n_classes, n_coordinates, n_coordinates)
        Symmetric.
    """

    constants: np.ndarray
    linear: np.ndarray
    forms: np.ndarray

    @classmethod
    def of(cls, coordinates, U, size):
        """Return the logits of a student of degree 1 or 2.

        A polynomial of degree 2 is determined by its values at 0, after a step forwards and
        backwards along each axis, and after a step along each pair of axes.

        Parameters
        ----------
        coordinates : StudentCoordinates
        U : ndarray of shape (n_samples, n_coordinates)
            Coordinates of rows, which determine a good step length.
        size : float
            A good step length if all coordinates are the same.
        """
        n_coordinates = U.shape[1]
        step = np.sqrt(np.mean(U**2, axis=0))
        largest = step.max() if step.max() > np.finfo(float).eps * size else size
        step = np.where(step > np.sqrt(np.finfo(float).eps) * largest, step, largest)
        axes = np.diag(step)
        constants = coordinates.logits(np.zeros((1, n_coordinates)))[0]
        forwards = coordinates.logits(axes) - constants
        n_classes = len(constants)
        if coordinates.degree <= 1:
            forms = np.zeros((n_classes, n_coordinates, n_coordinates))
            return cls(constants, (forwards / step[:, None]).T, forms)
        check_fits_in_memory(
            8 * n_classes * n_coordinates**2,
            f"The quadratic forms of {n_coordinates} coordinates and {n_classes} classes",
            "Reduce the features first (PCA).",
        )
        backwards = coordinates.logits(-axes) - constants
        forms = np.empty((n_coordinates, n_coordinates, n_classes))
        for i in range(n_coordinates):
            both = coordinates.logits(axes[i] + axes[i:]) - constants
            forms[i, i:] = (both - forwards[i] - forwards[i:]) / 2
            forms[i, i] = (forwards[i] + backwards[i]) / 2
            forms[i:, i] = forms[i, i:]
        forms /= step[:, None, None] * step[:, None]
        linear = (forwards - backwards) / (2 * step[:, None])
        found = cls(constants, linear.T, np.ascontiguousarray(forms.transpose(2, 0, 1)))
        found._check(coordinates, U[:100])
        return found

    def logits(self, U):
        """Return the logits, (n_samples, n_classes)."""
        quadratic = [np.einsum("ij,ij->i", U @ form, U) for form in self.forms]
        return self.constants + U @ self.linear.T + np.stack(quadratic, axis=1)

    def slopes(self, U, n_free=None):
        """Return the gradients of the logits by the first coordinates; None means by all of them.

        Returns
        -------
        slopes : ndarray of shape (n_classes, n_samples, n_free)
        """
        return 2 * (U @ self.forms[:, :, :n_free]) + self.linear[:, None, :n_free]

    def _check(self, coordinates, U):
        """Raise ValueError if a student does not have the degree that its dictionary states."""
        expected = coordinates.logits(U)
        error = np.abs(self.logits(U) - expected).max()
        if error > LARGEST_ERROR * np.abs(expected).max():
            raise ValueError(
                f"The observables of {coordinates.tail!r} should have degree 2, but the logits "
                f"differ by {error:.1g} from a polynomial of that degree."
            )
