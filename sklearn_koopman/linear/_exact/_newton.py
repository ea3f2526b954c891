r"""Newton's steps by conjugate gradients, for many classes.

With many classes, almost all rows keep some curvature, and each class has a different curvature.
L-BFGS learns it for all classes, one pair at a time. But the product of the Hessian H with a
direction v takes only two products with the rows. With the probabilities q of a row, its weight w,
and the logits s of the direction,

.. math:: H v = \sum \phi \, w \, (q \circ s - q \, q^T s)^T + ridge \, v .

So Newton's equations are solved by conjugate gradients, only as accurately as is useful for the
step (Nocedal & Wright 2006, 7.1). The preconditioner is that of L-BFGS, between factors of the
classes.

float32 is enough for directions. Value and gradient, which determine the minimum, have the
precision of the problem.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from ...rows import BlockFunction

# Number of rows that are multiplied at once, such that their logits and derived arrays stay in
# cache.
PRODUCT_ROWS = 256
# Smallest curvature of a class, as a share of the mean curvature.
LEAST_CURVATURE = 0.3


@dataclass(frozen=True)
class Standardised(BlockFunction):
    """Standardised observables in float32.

    Attributes
    ----------
    mean, rate : ndarray of shape (n_observables,)
        Numbers to subtract, and factors to multiply by after that.
    """

    mean: np.ndarray
    rate: np.ndarray

    def __call__(self, psi):
        """Return the standardised observables of a block of rows."""
        phi = psi - self.mean
        phi *= self.rate
        return phi.astype(np.float32)


def standardised_rows(blocks, scale):
    """Return all rows, lifted and standardised, in float32.

    Parameters
    ----------
    blocks : Blocks
    scale : Scale

    Returns
    -------
    phi : ndarray of shape (n_samples, n_observables)
    """
    rate = np.where(scale.constant, 0.0, 1 / scale.deviation)
    return blocks.map(Standardised(scale.mean, rate))


class Hessian:
    """The second derivative of the objective at some coefficients, as a linear map.

    Parameters
    ----------
    phi : ndarray of shape (n_samples, n_observables)
        Standardised rows over which it is summed.
    terms : list of (ndarray of shape (n_samples,), float)
        The `log_sum_exps` of the loss.
    ridge : float
    x : ndarray of shape (n_observables + 1, n_classes)
        The coefficients, stacked on the intercepts.
    pool : ThreadPool

    Attributes
    ----------
    class_curvature : ndarray of shape (n_classes,)
        Sum over the rows of the second derivative of the loss by the logit of each class.
    """

    def __init__(self, phi, terms, ridge, x, pool):
        self.phi = phi
        self.ridge = ridge
        self.pool = pool
        self.weights = [weight.astype(np.float32)[:, None] for weight, _ in terms]
        shape = len(phi), x.shape[1]
        self.softmaxes = [np.empty(shape, np.float32) for _ in terms]
        self.tiles = list(gen_batches(len(phi), PRODUCT_ROWS))
        temperatures = [np.float32(temperature) for _, temperature in terms]
        coef, intercept = _halves(x)

        def fill(tiles):
            curvature = np.zeros(x.shape[1])
            for rows in tiles:
                logits = phi[rows] @ coef + intercept
                logits -= logits.max(axis=1, keepdims=True)
                for all_rows, weight, temperature in zip(
                    self.softmaxes, self.weights, temperatures, strict=True
                ):
                    softmax = np.exp(logits / temperature, out=all_rows[rows])
                    softmax /= softmax.sum(axis=1, keepdims=True)
                    curvature += (weight[rows] * softmax * (1 - softmax)).sum(axis=0)
            return curvature

        self.class_curvature = sum(pool.map_shares(fill, self.tiles))

    def __call__(self, v):
        """Return the product with a direction, which is an array like the coefficients."""
        coef, intercept = _halves(v)

        def multiply(tiles):
            by_coef, by_intercept = np.zeros_like(coef), np.zeros(len(intercept))
            for rows in tiles:
                phi = self.phi[rows]
                residual = self._residual(rows, phi @ coef + intercept)
                by_coef += phi.T @ residual
                by_intercept += residual.sum(axis=0)
            return by_coef, by_intercept

        product = np.zeros_like(v)
        for by_coef, by_intercept in self.pool.map_shares(multiply, self.tiles):
            product[:-1] += by_coef
            product[-1] += by_intercept
        product[:-1] += self.ridge * v[:-1]
        return product

    def _residual(self, rows, logits):
        """Return the change of the gradient by the logits along a direction of logits."""
        total = np.zeros_like(logits)
        for all_rows, weight in zip(self.softmaxes, self.weights, strict=True):
            softmax = all_rows[rows]
            mean = np.einsum("ij,ij->i", softmax, logits)
            change = logits - mean[:, None]
            change *= softmax
            change *= weight[rows]
            total += change
        return total


class ClassPreconditioner:
    r"""A preconditioner for classes of equal curvature, between factors for the classes.

    It inverts the Hessian as if it were :math:`M \otimes diag(d)` with the curvature d of each
    class, as a share of their mean, and with the common part M of all classes.

    Parameters
    ----------
    preconditioner : callable
        Preconditioner for equal curvature of all classes.
    class_curvature : ndarray of shape (n_classes,)
    """

    def __init__(self, preconditioner, class_curvature):
        share = class_curvature / class_curvature.mean()
        self.preconditioner = preconditioner
        self.factor = 1 / np.sqrt(np.maximum(share, LEAST_CURVATURE))

    def __call__(self, gradient):
        """Return the step for a gradient. Its classes add up to zero, as in gradients."""
        step = self.factor * self.preconditioner(self.factor * gradient)
        # A change that is common to all classes does not change probabilities, so it has no
        # curvature.
        step -= step.mean(axis=1, keepdims=True)
        return step


def conjugate_gradients(product, gradient, preconditioner, *, accuracy, goal, most):
    """Return an approximate solution of Newton's equations, and the number of products.

    Parameters
    ----------
    product : callable
        Function that multiplies the Hessian with a direction.
    gradient : ndarray
    preconditioner : callable
    accuracy : float
        Share of the gradient that may remain, in the norm of the preconditioner.
    goal : float
        Size of components at which the solution is accurate enough.
    most : int
        Products.

    Returns
    -------
    step : ndarray
    n_products : int
    """
    step = np.zeros_like(gradient)
    left = -gradient
    towards = preconditioner(left)
    direction = towards
    square = first = np.vdot(left, towards)
    n_products = 0
    while n_products < most:
        image = product(direction)
        n_products += 1
        bend = np.vdot(direction, image)
        if not bend > 0:  # only rounding errors are left
            break
        length = square / bend
        step += length * direction
        left -= length * image
        if np.abs(left).max() <= goal:
            break
        towards = preconditioner(left)
        before, square = square, np.vdot(left, towards)
        if square <= accuracy**2 * first:
            break
        direction = towards + (square / before) * direction
    return step, n_products


def _halves(x):
    """Return coefficients and intercepts in the precision of the products."""
    return x[:-1].astype(np.float32), x[-1].astype(np.float32)
