r"""Newton's steps, by conjugate gradients: for many classes.

Of many classes hardly a row is so sure that it stops curving, and each class curves in its own way:
what one of them needs L-BFGS learns for all of them, a pair at a time. But the product of the
Hessian H with a direction v takes no more than two products with the rows. With q the probabilities
of a row, w its weight, and s the logits that the direction gives,

.. math:: H v = \sum \phi \, w \, (q \circ s - q \, q^T s)^T + ridge \, v .

So Newton's equations are solved by conjugate gradients, no further than the step is worth
(Nocedal & Wright 2006, 7.1). The preconditioner is that of L-BFGS, between factors of the classes.

Directions need no more than float32: value and gradient, which decide where the minimum is, are
those of the problem.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from ..rows import BlockFunction

# Rows that are multiplied at once: their logits stay in cache, with what is made of them.
PRODUCT_ROWS = 256
# Of the mean curvature of the classes, what each is taken to have at least.
LEAST_CURVATURE = 0.3


@dataclass(frozen=True)
class Standardised(BlockFunction):
    """Standardised observables in float32.

    Attributes
    ----------
    mean, rate : ndarray of shape (n_observables,)
        What is subtracted, and what is multiplied after that.
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
        The rows that it is summed over, standardised.
    terms : list of (ndarray of shape (n_samples,), float)
        The `log_sum_exps` of the loss.
    ridge : float
    x : ndarray of shape (n_observables + 1, n_classes)
        The coefficients, above intercepts.
    pool : ThreadPool

    Attributes
    ----------
    class_curvature : ndarray of shape (n_classes,)
        Sum over the rows of what the loss curves along the logit of each class alone.
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
        """Return the product with a direction, an array like the coefficients."""
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
        """Return what the gradient by the logits changes by along logits of some rows."""
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
    r"""A preconditioner for classes that curve alike, between factors of the classes.

    It inverts the Hessian as if it were :math:`M \otimes diag(d)` with d the curvature of each
    class, as a share of their mean, and M what all classes have in common.

    Parameters
    ----------
    preconditioner : callable
        Made as if all classes curved alike.
    class_curvature : ndarray of shape (n_classes,)
    """

    def __init__(self, preconditioner, class_curvature):
        share = class_curvature / class_curvature.mean()
        self.preconditioner = preconditioner
        self.factor = 1 / np.sqrt(np.maximum(share, LEAST_CURVATURE))

    def __call__(self, gradient):
        """Return the step for a gradient, whose classes add up to zero as those of gradients."""
        step = self.factor * self.preconditioner(self.factor * gradient)
        # What is common to all classes changes no probability: there nothing curves.
        step -= step.mean(axis=1, keepdims=True)
        return step


def conjugate_gradients(product, gradient, preconditioner, *, accuracy, goal, most):
    """Return a step that about solves Newton's equations, and how many products it took.

    Parameters
    ----------
    product : callable
        Multiplies the Hessian with a direction.
    gradient : ndarray
    preconditioner : callable
    accuracy : float
        Share of the gradient that may be left, in the norm of the preconditioner.
    goal : float
        A component that need not become smaller.
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
        if not bend > 0:  # rounding decides
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
    """Return coefficients and intercepts in the precision of products."""
    return x[:-1].astype(np.float32), x[-1].astype(np.float32)
