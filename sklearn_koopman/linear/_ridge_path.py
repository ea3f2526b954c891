r"""Ridge least squares for many penalties, and its leave-one-out predictions.

One eigendecomposition :math:`C = V \Lambda V^T` of the Gram matrix of the standardised
observables gives the coefficients for every ridge, :math:`V (\Lambda + ridge)^{-1} V^T c`, and the
leverages of the rows,

.. math:: h_i = \frac{w_i}{W} \Big(1 + \sum_j \frac{(\phi_i^T v_j)^2}{\lambda_j + ridge}\Big) .

Without row i, but with the same W and standardisation, the model would predict
:math:`y_i - r_i / (1 - h_i)` for it, where :math:`r_i` is the residual of the model of all rows.
This follows from a rank-one change of the normal equations with the intercept.
"""

import numpy as np
from scipy.linalg import eigh, svd

from ..rows import TriangularMoments
from ._least_squares import correlation, standardised_factor

# If the leverage of a row is above one minus this, its leave-one-out prediction is only rounding.
LEAST_SLACK = 1e-10


class RidgePath:
    """Least-squares coefficients for any ridge from one eigendecomposition.

    Directions without variance, up to rounding, get no coefficient.

    Parameters
    ----------
    moments : GramMoments or TriangularMoments
        Moments, which do not change. The second, with fewer rows than observables, takes only a
        decomposition of these rows.

    Attributes
    ----------
    scale : Scale
    target_mean : ndarray of shape (n_targets,)
    weight : float
        Sum of the sample weights.
    eigenvalues : ndarray of shape (n_directions,)
    directions : ndarray of shape (n_observables, n_directions)
    projected : ndarray of shape (n_directions, n_targets)
        Correlations of the directions with the targets.
    """

    def __init__(self, moments):
        self.scale = scale = moments.scale
        self.target_mean = moments.target_mean
        self.weight = moments.weight
        values, vectors = _eigenpairs(moments)
        varies = values > moments.rounding * values.max()
        self.eigenvalues, self.directions = values[varies], vectors[:, varies]
        cross = moments.cross / (scale.deviation[:, None] * moments.weight)
        cross[scale.constant] = 0.0
        self.projected = self.directions.T @ cross

    def coef(self, ridge):
        """Return the coefficients of the standardised observables.

        Parameters
        ----------
        ridge : float

        Returns
        -------
        coef : ndarray of shape (n_observables, n_targets)
        """
        return self.directions @ (self.projected / (self.eigenvalues + ridge)[:, None])

    def leave_one_out(self, ridges, row_scores, blocks, sample_weight, codes, targets):
        """Return the mean score of predictions for rows that are left out one at a time.

        Parameters
        ----------
        ridges : sequence of float
        row_scores : callable
            Function of predictions (n_rows, n_ridges, n_targets), codes and targets of some rows
            that returns scores (n_rows, n_ridges).
        blocks : RowBlocks
            The rows of the moments.
        sample_weight : ndarray of shape (n_samples,)
            The weights of the moments, or zero for rows without a score.
        codes : ndarray of int, shape (n_samples,)
        targets : array of shape (n_samples, n_targets)

        Returns
        -------
        scores : ndarray of shape (n_ridges,)
            Scores. Minus infinity if some row is fitted so closely that only rounding is left.
        """
        scale = self.scale
        n_targets = len(self.target_mean)
        inverse = 1.0 / (self.eigenvalues[:, None] + np.asarray(ridges))
        coefs = (inverse[:, :, None] * self.projected[:, None]).reshape(
            len(inverse), len(ridges) * n_targets
        )
        deviation = np.where(scale.constant, np.inf, scale.deviation)[:, None]
        to_directions = self.directions / deviation

        def score_block(psi, weight, codes, targets):
            coordinates = (psi - scale.mean) @ to_directions
            fitted = (coordinates @ coefs).reshape(len(psi), len(ridges), n_targets)
            fitted += self.target_mean
            leverage = 1 + np.square(coordinates) @ inverse
            slack = 1 - (weight / self.weight)[:, None] * leverage
            is_held = slack < LEAST_SLACK
            residual = targets[:, None] - fitted
            residual /= np.where(is_held, 1.0, slack)[:, :, None]
            predicted = targets[:, None] - residual
            return weight @ row_scores(predicted, codes, targets), is_held.sum(axis=0)

        total, n_held = blocks.sum(score_block, sample_weight, codes, targets)
        return np.where(n_held > 0, -np.inf, total / sample_weight.sum())


def _eigenpairs(moments):
    """Return eigenvalues and eigenvectors of the Gram matrix, without some zero eigenvalues."""
    if isinstance(moments, TriangularMoments):
        _, singular, right = svd(
            standardised_factor(moments),
            full_matrices=False,
            overwrite_a=True,
            check_finite=False,
        )
        return singular**2, right.T
    matrix = correlation(moments)
    # A constant observable is a separate direction without variance.
    constant = moments.scale.constant
    matrix[constant, constant] = 0.0
    return eigh(matrix, overwrite_a=True, check_finite=False)
