r"""A student in orthonormal coordinates of its input, in which distances are those of the rows.

The linear steps before the dictionary make :math:`z = z_0 + B (x - x_0)` of a row x. With the
orthonormal columns Q of :math:`B^T = Q R`, the logits depend on :math:`u = Q^T (x - x_0)` alone,
:math:`z = z_0 + R^T u`, and the shortest change of x that changes u by some amount is as long as
that. So whatever stands before the dictionary (PCA, scalers, selectors), radii in u are radii in x.

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

# Numbers of observables that are in memory at once.
N_LIFTED = 2**23
# Of the largest logit, what a student may differ by from the forms that were read from it.
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
        How many coordinates can change: the first ones.
    features : ndarray of shape (n_inner,)
        What enters the dictionary for the row at the origin.
    factor : ndarray of shape (n_coordinates, n_inner)
        What a coordinate adds to that.
    tail : fitted transformer or None
        The dictionary.
    degree : int or None
        That of the dictionary as polynomials, None if it is none.
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
        """Return the coordinates of a fitted student, the origin at the mean of some rows.

        Parameters
        ----------
        student : classifier, or Pipeline that ends in one
        X : ndarray of shape (n_samples, n_features)
            Rows that say where the origin is, divided by the scale.
        scale : ndarray of shape (n_features,) or float, default=1.0
            What a distance of 1 is in each column.
        is_fixed : ndarray of bool, shape (n_features,), default=None
            Which columns cannot change. None: none.
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
        """What coordinates that can change add to what enters the dictionary."""
        return self.factor[: self.n_free]

    def rows_changed(self, X, changes):
        """Return rows that are changed by so much in the coordinates that can change."""
        return X + changes @ self.free_basis.T

    @property
    def coef(self):
        """The matrix, (n_classes, n_observables)."""
        return self.classifier.coef_.astype(np.float64)

    def inner(self, U):
        """Return what enters the dictionary, (n_samples, n_inner)."""
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
        If there are columns that are not numbers, or steps that take no other numbers than those
        that they know.
    ValueError
        If there are other features than the student was fitted to.
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
                f"X has columns that are not numbers, {', '.join(map(repr, words))}: a radius is "
                "a distance between rows of numbers. Make numbers of them before the student "
                "(pandas.get_dummies), and fit the student to these."
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
    """Raise TypeError for steps that know some values of a column, and take no others."""
    for step in steps:
        is_parts = isinstance(step, ColumnTransformer)
        parts = [part for _, part, _ in ColumnParts.of(step).parts] if is_parts else [step]
        for encoder in (each for part in parts for each in steps_of(part)):
            if isinstance(encoder, _ENCODERS):
                raise TypeError(
                    f"{encoder!r} takes no values between those that it knows, so no row can be "
                    "changed by a small distance. Encode columns before the student "
                    "(pandas.get_dummies), and fit the student to what that gives."
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

        A polynomial of degree 2 is known by its values at 0, at a step forwards and backwards along
        each axis, and at a step along two of them at once.

        Parameters
        ----------
        coordinates : StudentCoordinates
        U : ndarray of shape (n_samples, n_coordinates)
            Coordinates of rows, which say what is a good step.
        size : float
            A good step where they are all the same.
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
        """Return the gradients of the logits by the first coordinates; None: by all of them.

        Returns
        -------
        slopes : ndarray of shape (n_classes, n_samples, n_free)
        """
        return 2 * (U @ self.forms[:, :, :n_free]) + self.linear[:, None, :n_free]

    def _check(self, coordinates, U):
        """Raise ValueError if a student is not what its dictionary says it is."""
        expected = coordinates.logits(U)
        error = np.abs(self.logits(U) - expected).max()
        if error > LARGEST_ERROR * np.abs(expected).max():
            raise ValueError(
                f"The observables of {coordinates.tail!r} are said to be of degree 2, but the "
                f"logits differ by {error:.1g} from a polynomial of that degree."
            )
