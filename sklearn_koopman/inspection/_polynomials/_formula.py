"""The formula of a student: its terms, and the share of the variance that each one explains."""

from dataclasses import dataclass

import numpy as np

from ..._extras import import_package
from ..._finite import finite
from ._formula_text import latex_name, latex_sum, text_name, text_sum
from ._polynomial import blocks_of_rows
from ._polynomial_student import PolynomialStudent


@dataclass(frozen=True, repr=False)
class Formula:
    """Result of `formula`. It prints as the largest terms of each output.

    Attributes
    ----------
    output_names : list
        The classes that the outputs belong to. For two classes, only the second one: the output is
        its logit minus the logit of the first.
    variable_names : list of str
        The variables of the terms. A prime distinguishes a coordinate from the column that it is
        made from.
    terms : list of tuple of int
        The variables that each term multiplies, repeated for powers; () is the constant 1. The
        largest terms come first: with rows, the terms that vary most on them (coefficient times
        product); without rows, the terms with the largest coefficients.
    coefficients : ndarray of shape (n_terms, n_outputs)
    shares : ndarray of shape (n_terms, n_outputs), or None
        The share of an output's variance that each term explains: the covariance of the term and
        the output, divided by the variance of the output. The shares of an output sum to 1. A term
        that is offset by others may have a negative share. None without rows.
    total_shares : ndarray of shape (n_terms,), or None
        The shares for all outputs together, without what all classes have in common, because that
        does not change a prediction. None without rows.
    definitions : list of str
        Definitions of the variables, if they are not the columns.
    directions : ndarray of shape (n_variables, n_columns), or None
        The change of each variable with each column, if the variables are not the columns.

    See Also
    --------
    formula : The function that makes it.
    """

    output_names: list
    variable_names: list
    terms: list
    coefficients: np.ndarray
    shares: np.ndarray | None
    total_shares: np.ndarray | None
    definitions: list
    directions: np.ndarray | None

    @property
    def term_names(self):
        """The terms as text."""
        return [text_name(term, self.variable_names) for term in self.terms]

    def input_shares(self):
        """Return the share of the variance that each input, and each pair of them, explains.

        Returns
        -------
        shares : dict of tuple of str -> float
            Shares by the names of the variables in the terms: single variables, pairs, and so on.
            The largest come first.

        Raises
        ------
        ValueError
            If the formula was made without rows.
        """
        if self.total_shares is None:
            raise ValueError("Shares of variance need rows: call formula(student, X).")
        shares: dict[tuple, float] = {}
        for term, share in zip(self.terms, self.total_shares.tolist(), strict=True):
            if term:
                names = tuple(self.variable_names[v] for v in dict.fromkeys(term))
                shares[names] = shares.get(names, 0.0) + share
        return dict(sorted(shares.items(), key=lambda item: -abs(item[1])))

    def to_text(self, *, max_terms=10, digits=3):
        """Return the outputs as lines of text.

        Parameters
        ----------
        max_terms : int or None, default=10
            Largest number of terms for each output, not counting the constant. None writes all
            terms.
        digits : int, default=3
            Number of significant digits of the coefficients.

        Returns
        -------
        text : str
        """
        lines = []
        for k, name in enumerate(self.output_names):
            chosen = self._largest(k, max_terms)
            coefficients = self.coefficients[chosen, k]
            names = [text_name(self.terms[i], self.variable_names) for i in chosen]
            line = f"{name}: {text_sum(coefficients, names, digits)}"
            left_out = np.count_nonzero(self.coefficients[:, k]) - len(chosen)
            if left_out > 0:
                line += f" + {left_out:,} smaller terms"
                if self.shares is not None:
                    line += f" (those written explain {self.shares[chosen, k].sum():.1%})"
            lines.append(line)
        return "\n".join([*lines, *self._definitions_of(max_terms)])

    def to_latex(self, *, max_terms=10, digits=3):
        r"""Return the outputs as an environment of LaTeX, ``aligned``.

        Parameters
        ----------
        max_terms, digits
            As for `to_text`.

        Returns
        -------
        latex : str
            Text to put between dollar signs, or between ``\[`` and ``\]``.
        """
        lines = []
        for k, name in enumerate(self.output_names):
            chosen = self._largest(k, max_terms)
            names = [latex_name(self.terms[i], self.variable_names) for i in chosen]
            line = latex_sum(self.coefficients[chosen, k], names, digits)
            if np.count_nonzero(self.coefficients[:, k]) > len(chosen):
                line += r" + \dots"
            subscript = latex_name((0,), [str(name)])
            lines.append(rf"s_{{{subscript}}} &= {line}")
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def to_sympy(self):
        """Return the outputs as expressions of sympy, with all terms.

        Returns
        -------
        expressions : list of sympy.Expr
            One expression for each output. The symbols have the names of the variables.
        """
        sympy = import_package(
            "sympy", "to_sympy", "Without it, terms and coefficients hold the same numbers."
        )
        symbols = [sympy.Symbol(name, real=True) for name in self.variable_names]
        products = [sympy.Mul(*(symbols[v] for v in term)) for term in self.terms]
        return [
            sympy.Add(*(float(c) * term for c, term in zip(column, products, strict=True) if c))
            for column in self.coefficients.T
        ]

    def to_frame(self):
        """Return the terms as a pandas DataFrame, indexed by their names.

        Returns
        -------
        frame : pandas.DataFrame
            The coefficients, in columns with the names of the outputs. With rows also the shares of
            variance, in the columns "share of ..." and "share".
        """
        pd = import_package(
            "pandas", "to_frame", "Without it, terms and coefficients hold the same numbers."
        )
        index = pd.Index(self.term_names, name="term")
        frame = pd.DataFrame(self.coefficients, index, self.output_names)
        if self.shares is not None:
            for name, share in zip(self.output_names, self.shares.T, strict=True):
                frame[f"share of {name}"] = share
            frame["share"] = self.total_shares
        return frame

    def __str__(self):
        return self.to_text()

    __repr__ = __str__

    def _repr_latex_(self):
        return f"${self.to_latex()}$"

    def _largest(self, k, max_terms):
        """Return the terms of an output to write, the constant first."""
        if max_terms is not None and max_terms < 1:
            raise ValueError(f"max_terms={max_terms!r}: must be an int in [1, inf), or None.")
        size = np.abs(self.coefficients[:, k]) * self._spread
        order = [i for i in np.argsort(-size, kind="stable") if self.coefficients[i, k]]
        constant = [i for i in order if not self.terms[i]]
        return constant + [i for i in order if self.terms[i]][:max_terms]

    def _definitions_of(self, max_terms):
        """Return the definitions of the variables that are written."""
        if not self.definitions:
            return []
        outputs = range(len(self.output_names))
        written = {i for k in outputs for i in self._largest(k, max_terms)}
        variables = sorted({v for i in written for v in self.terms[i]})
        return ["where", *(f"  {self.definitions[v]}" for v in variables)]

    # How much each product varies. Set by `formula`, because the order of terms depends on it.
    _spread: np.ndarray | float = 1.0


def formula(student, X=None, *, of="coordinates"):
    r"""Return the formula of a polynomial student, as sums of products of named variables.

    Each logit, or output of a regressor, is a sum of terms,

    .. math:: s_k = \sum_j c_{kj} \prod_{i \in P_j} z_i .

    Given rows, each term explains the share

    .. math:: \frac{\operatorname{Cov}(c_{kj} \psi_j, s_k)}{\operatorname{Var}(s_k)}

    of the variance of its output, where :math:`\psi_j` is its product. The shares of all terms sum
    to 1. So do the shares of all inputs, pairs of inputs and so on.

    Parameters
    ----------
    student : estimator
        As for `shapley_values`. If the dictionary does not consist of polynomials, its observables
        are the variables.
    X : array-like of shape (n_samples, n_features), default=None
        Rows on which the variance is measured. With rows, terms are ordered by how much they vary,
        and have shares of the variance. None: terms are ordered by their coefficients.
    of : {"coordinates", "columns"}, default="coordinates"
        What the variables are. "coordinates": the inputs of the dictionary (scaled columns,
        principal components), with their definitions. "columns": the columns themselves, and all
        products are expanded.

    Returns
    -------
    formula : Formula
        Print it, or use `to_latex()`, `to_sympy()`, `to_frame()` or `input_shares()`.

    See Also
    --------
    shapley_values : The contribution of each column to the outputs of a row.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter, ObservableSelector
    >>> from sklearn_koopman.inspection import formula
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> student = make_pipeline(
    ...     StandardScaler(),
    ...     ObservableSelector(MonomialLifter(2), max_observables=3),
    ...     EDMDClassifier(),
    ... ).fit(X, y)
    >>> print(formula(student, X))
    1: 0.167 - 0.521 [worst radius]' - 0.431 [worst concave points]'
       + 0.109 [mean concave points]' [worst area]'
    where
      [mean concave points]' = (mean concave points - 0.04892) / 0.03877
      [worst radius]' = (worst radius - 16.27) / 4.829
      [worst area]' = (worst area - 880.6) / 568.9
      [worst concave points]' = (worst concave points - 0.1146) / 0.06567
    """
    if of not in ("columns", "coordinates"):
        raise ValueError(f"of={of!r}: must be 'coordinates' or 'columns'.")
    taken = PolynomialStudent(student, needs_polynomials=False)
    if of == "columns" or taken.front.is_identity:
        polynomials, names, definitions = taken.of_columns(), taken.column_names, []
        directions = None
    else:
        polynomials, directions = taken.polynomials, taken.front.matrix
        are_columns = set(taken.coordinate_names) <= set(taken.column_names)
        names = [f"{name}'" if are_columns else name for name in taken.coordinate_names]
        definitions = _definitions(names, taken)
    spread: np.ndarray | float = 1.0
    shares = total = None
    if X is not None:
        variables = taken.columns(X) if not definitions else taken.coordinates(X)
        spread, shares, total = _variances(polynomials, finite(variables, "The columns of X"))
    size = np.linalg.norm(polynomials.coefficients, axis=1) * spread
    is_constant = (polynomials.terms < 0).all(axis=1)
    order = np.lexsort([-size, ~is_constant])
    tuples = polynomials.tuples()
    return Formula(
        taken.outputs,
        names,
        [tuples[i] for i in order],
        polynomials.coefficients[order],
        None if shares is None else shares[order],
        None if total is None else total[order],
        definitions,
        directions,
        spread if isinstance(spread, float) else spread[order],
    )


def _definitions(names, taken):
    """Return the definitions of the coordinates as text."""
    found = []
    for name, row, offset in zip(names, taken.front.matrix, taken.front.offset, strict=True):
        shown = text_name((0,), [name])
        columns = np.flatnonzero(row)
        if len(columns) == 1:
            scale = 1 / row[columns[0]]
            center, sign = -offset * scale, "-" if -offset * scale >= 0 else "+"
            column = taken.column_names[columns[0]]
            found.append(f"{shown} = ({column} {sign} {abs(center):.4g}) / {scale:.4g}")
        else:
            largest = columns[np.argsort(-np.abs(row[columns]), kind="stable")[:4]]
            parts = [text_name((int(i),), taken.column_names) for i in largest]
            terms = text_sum(np.array([offset, *row[largest]]), ["1", *parts], 3)
            more = f" + {len(columns) - 4} columns" if len(columns) > 4 else ""
            found.append(f"{shown} = {terms}{more}")
    return found


def _variances(polynomials, Z):
    """Return deviations of products, and shares of variance of terms, by output and in total."""
    coefficients = polynomials.coefficients
    blocks = [Z[rows] for rows in blocks_of_rows(len(Z), len(coefficients))]
    mean = sum(polynomials.products(block).sum(axis=0) for block in blocks) / len(Z)
    squares, with_outputs = np.zeros(len(mean)), np.zeros_like(coefficients)
    for block in blocks:
        products = polynomials.products(block) - mean
        squares += np.square(products).sum(axis=0)
        with_outputs += products.T @ (products @ coefficients)
    spread = np.sqrt(squares / len(Z))
    # What all classes have in common does not change a prediction. A single output is kept.
    has_classes = coefficients.shape[1] > 1
    relative, relation = (
        array - array.mean(axis=1, keepdims=True) if has_classes else array
        for array in (coefficients, with_outputs)
    )
    explained, explained_of_all = coefficients * with_outputs, (relative * relation).sum(axis=1)
    return spread, _normalised(explained), _normalised(explained_of_all)


def _normalised(explained):
    """Divide parts by their sums. If a sum is zero, its parts become zero."""
    total = explained.sum(axis=0)
    return np.divide(explained, total, out=np.zeros_like(explained), where=total > 0)
