"""A fitted student in parts: its columns, its coordinates and its polynomials."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ...lifting import (
    AffineMap,
    BlockLifter,
    ColumnParts,
    Flatten,
    arrays_between_steps,
    transformed,
)
from ...students import KoopmanMatrix, split_student
from ._polynomial import polynomials_of


class PolynomialStudent:
    """A student whose outputs are polynomials of affine functions of columns.

    Parameters
    ----------
    student : estimator
        A fitted student with a Koopman matrix, or a pipeline or search that ends in one.
    needs_polynomials : bool, default=True
        Whether to refuse a dictionary that is not polynomial. If False, its observables are the
        columns.

    Attributes
    ----------
    head : list of transformers
        The steps that make the columns from rows. Empty if the rows are the columns.
    front : AffineMap
        Map from the columns to the coordinates.
    polynomials : Polynomials
        The outputs as polynomials of the coordinates.
    column_names, coordinate_names : list of str
    outputs : list
        The classes. For two classes, only the second one: the output is its logit minus the logit
        of the first. For a regressor, the numbers of the targets.
    is_flat : bool
        Whether there is only one output, as in the `decision_function` of two classes.
    """

    def __init__(self, student, *, needs_polynomials=True):
        self._steps, last = split_student(student, KoopmanMatrix)
        coefficients = np.atleast_2d(np.asarray(last.coef_, dtype=float))
        intercept = np.atleast_1d(np.asarray(last.intercept_, dtype=float))
        self.outputs = list(getattr(last, "classes_", range(len(coefficients))))
        if hasattr(last, "classes_") and len(coefficients) == 2:
            coefficients, intercept = np.diff(coefficients, axis=0), np.diff(intercept)
            self.outputs = self.outputs[1:]
        self.is_flat = len(coefficients) == 1
        self.head, self.front, polynomials = polynomials_of(self._steps, coefficients.T)
        self.polynomials = polynomials.shifted(intercept)
        if needs_polynomials:
            self._refuse_other_dictionaries()
        self._last = last
        self.column_names = self._names_of_columns()
        self.coordinate_names = self._names_of_coordinates()

    def columns(self, X):
        """Return the columns of rows, (n_rows, n_columns), in float64."""
        if self.head:
            return np.asarray(transformed(make_pipeline(*self.head), X), dtype=float)
        first = self._first_with_features
        if isinstance(first, ColumnTransformer) and hasattr(X, "iloc"):
            rows = ColumnParts.of(first).numbers(X)  # the first step may drop columns of words
            return check_array(rows, input_name="X")
        if isinstance(first, Flatten):
            return first.transform(X).astype(np.float64)
        return validate_data(first, X, reset=False, dtype=np.float64)

    def coordinates(self, X):
        """Return the coordinates of rows, (n_rows, n_coordinates)."""
        return self.front(self.columns(X))

    def of_columns(self):
        """Return the outputs as polynomials of the columns."""
        return self.polynomials.of(self.front)

    @property
    def has_scaled_columns(self):
        """Whether each coordinate depends on one column."""
        return owners_of(self.front, np.arange(self.front.matrix.shape[1])) is not None

    @property
    def _first_with_features(self):
        """The first step that knows the number of columns, which "passthrough" does not."""
        return next(
            step for step in [*self._steps, self._last] if hasattr(step, "n_features_in_")
        )

    def _refuse_other_dictionaries(self):
        others = [step for step in self.head if isinstance(step, BlockLifter)]
        if others:
            raise TypeError(
                f"The observables of {others[-1]!r} are not polynomials of its input. Supported "
                "are MonomialLifter, PolynomialFeatures, OrthogonalPolynomialLifter, "
                "SquaredProjectionLifter, OpticalLifter with nonlinearity='intensity', and unions "
                "and ObservableSelectors of them, only once in a student."
            )

    def _names_of_columns(self):
        if self.head:
            n_columns = self.front.matrix.shape[1]
            try:
                with arrays_between_steps():
                    names = make_pipeline(*self.head).get_feature_names_out()
            except (AttributeError, ValueError):  # a step that does not name its outputs
                return [f"x{i}" for i in range(n_columns)]
            return [str(name) for name in names]
        first = self._first_with_features
        names = getattr(first, "feature_names_in_", None)
        if names is None:
            return [f"x{i}" for i in range(first.n_features_in_)]
        return [str(name) for name in names]

    def _names_of_coordinates(self):
        """Return the names of the columns if coordinates are scaled columns, or else z0, z1, ..."""
        owners = owners_of(self.front, np.arange(self.front.matrix.shape[1]))
        if owners is None or len(set(owners)) < len(owners):
            return [f"z{i}" for i in range(len(self.front.offset))]
        return [self.column_names[i] for i in owners]


def owners_of(front: AffineMap, groups):
    """Return the group that each coordinate depends on, or None if one depends on several groups.

    Parameters
    ----------
    front : AffineMap
    groups : ndarray of int, shape (n_columns,)
        The group of each column.

    Returns
    -------
    owners : list of int or None
        Constant coordinates get the first group.
    """
    owners = []
    for row in front.matrix:
        touched = np.unique(groups[np.flatnonzero(row)])
        if len(touched) > 1:
            return None
        owners.append(int(touched[0]) if len(touched) else 0)
    return owners
