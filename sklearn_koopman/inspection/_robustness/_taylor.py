r"""Certified lower bounds of radii, for students whose exact radii are not known.

Let f be the difference between the logit of a row's class and another logit. Within a distance r of
the row,

.. math:: f(\delta) \ge v - \|g\| r + \tfrac{1}{2} \min(\lambda, 0) r^2
          - \sum_{k=3}^q \frac{r^k}{k!} \|D^k f\|_F ,

where v is the difference at the row, g its slope, :math:`\lambda` the smallest eigenvalue of its
second derivative, and :math:`D^k f` the higher derivatives. For polynomials of degree q this is
Taylor's theorem, without a remainder. For other functions, with second derivatives of at most L
within that distance,

.. math:: f(\delta) \ge v - \|g\| r - \tfrac{1}{2} L r^2 .

Up to the smallest r at which the right-hand side is zero, no change changes the class.
"""

from functools import partial
from math import factorial

import numpy as np

from ...lifting import SupportsCurvature, steps_of
from ._input_model import InputModel
from ._nearest import lower_bounds

N_HALVINGS = 60
# Curvature bounds hold within a distance. These fractions of the distance without curvature are
# tried.
WITHIN = (1.0, 0.5, 0.25, 0.1)


def lower_bound_of(coordinates):
    """Return a function for lower bounds of radii, or None if no bound is known.

    Parameters
    ----------
    coordinates : StudentCoordinates

    Returns
    -------
    radii_of : callable or None
        Function of an `InputModel` of the student and of coordinates of rows. It returns distances
        (n_samples,) within which the rows keep their class.
    """
    steps = steps_of(coordinates.tail)
    if coordinates.degree is not None and InputModel(coordinates).polynomial is not None:
        return _of_polynomial
    if len(steps) == 1 and isinstance(steps[0], SupportsCurvature):
        row = coordinates.features[None]
        if steps[0].largest_curvatures(row, np.zeros(1)) is not None:
            return partial(_by_curvature, dictionary=steps[0])
    return None


def _differences(model, U):
    """Return the own classes, and the differences of their logits to the others with slopes."""
    logits, slopes = model.coordinates.logits(U), model.coordinate_slopes(U)
    each, own = np.arange(len(U)), logits.argmax(axis=1)
    values = logits[each, own][:, None] - logits
    lengths = np.linalg.norm(slopes[own, each] - slopes, axis=2).T
    return own, values, lengths


def _of_polynomial(model, U):
    """Return radii from all derivatives, with eigenvalues of the second one where they matter."""
    own, values, lengths = _differences(model, U)
    derivatives = Derivatives(model, U)
    each, n_classes = np.arange(len(U)), values.shape[1]
    higher = np.zeros((len(U), n_classes, derivatives.degree + 1))
    higher[:, :, 1] = lengths
    for order in range(2, derivatives.degree + 1):
        higher[:, :, order] = derivatives.norms(order, own) / factorial(order)
    radii = _smallest_zeros(values, higher)
    radii[each, own] = np.inf
    # Start with the nearest classes, and stop when the smallest radius cannot improve.
    is_exact = np.zeros_like(radii, dtype=bool)
    while True:
        rival = radii.argmin(axis=1)
        rows = np.flatnonzero(~is_exact[each, rival] & np.isfinite(radii[each, rival]))
        if len(rows) == 0:
            return radii[each, rival]
        chosen = rows, rival[rows]
        smallest = derivatives.smallest_eigenvalues(rows, own[rows], rival[rows])
        better = higher[chosen]
        better[:, 2] = np.maximum(-smallest, 0.0) / 2
        radii[chosen] = _smallest_zeros(values[chosen], better)
        is_exact[chosen] = True


def _smallest_zeros(values, losses):
    """Return the smallest r with ``values = sum of losses[..., k] r^k``, or infinity."""
    powers = np.arange(losses.shape[-1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # The zero of each single term is an upper end: the zero of the sum is not larger.
        ends = (values[..., None] / losses[..., 1:]) ** (1 / powers[1:])
    high = np.nan_to_num(ends, nan=np.inf, posinf=np.inf).min(axis=-1)
    is_finite = np.isfinite(high)
    low, high = np.zeros_like(high), np.where(is_finite, high, 0.0)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        is_below = (losses * middle[..., None] ** powers).sum(axis=-1) <= values
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return np.where(is_finite, low, np.inf)


class Derivatives:
    """The derivatives of differences of polynomial logits at points.

    Parameters
    ----------
    model : InputModel
    U : ndarray of shape (n_samples, n_coordinates)
    """

    def __init__(self, model, U):
        self.degree = model.coordinates.degree
        polynomial, coef = model.polynomial, model.coordinates.coef.T
        sources = model.coordinates.observables(U)[:, polynomial.sources]
        places = np.append(polynomial.sources, len(coef))  # the last one is the constant
        self.sources = np.column_stack([sources, np.ones(len(U))])
        # For each order: its sources, and the matrix of each class that maps the sources to the
        # derivatives, (n_classes, n_sources, n_coordinates^order).
        self.weights = [(np.arange(len(coef)), coef.T[:, :, None])]
        for _ in range(self.degree):
            rows, lower = self.weights[-1]
            is_source = rows < len(coef)
            further = np.stack(
                [
                    polynomial.weights(of_class[is_source], rows[is_source]).reshape(
                        len(places), -1
                    )
                    for of_class in lower
                ]
            )
            kept = further.any(axis=(0, 2))
            self.weights.append((places[kept], further[:, kept]))
        self.columns = [np.searchsorted(places, rows) for rows, _ in self.weights]

    def _sources(self, order):
        return self.sources[:, self.columns[order]]

    def norms(self, order, own):
        """Return the Frobenius norms of the differences from the own class, for all classes."""
        _, weights = self.weights[order]
        sources = self._sources(order)
        norms = np.zeros((len(sources), len(weights)))
        for label in np.unique(own):
            rows = own == label
            for rival in range(len(weights)):
                difference = weights[label] - weights[rival]
                gram = difference @ difference.T
                squares = np.einsum("ij,ij->i", sources[rows] @ gram, sources[rows])
                norms[rows, rival] = np.sqrt(np.maximum(squares, 0.0))
        return norms

    def smallest_eigenvalues(self, rows, own, rival):
        """Return smallest eigenvalues of second derivatives of two logits' differences at rows."""
        _, weights = self.weights[2]
        sources, smallest = self._sources(2)[rows], np.empty(len(rows))
        size = int(np.sqrt(weights.shape[2]))
        pairs = own * len(weights) + rival
        for pair in np.unique(pairs):
            first, second = divmod(pair, len(weights))
            chosen = pairs == pair
            hessians = sources[chosen] @ (weights[first] - weights[second])
            smallest[chosen] = np.linalg.eigvalsh(hessians.reshape(-1, size, size))[:, 0]
        return smallest


def _by_curvature(model, U, dictionary):
    """Return radii from the slopes at points and bounds of the curvature around them."""
    coordinates = model.coordinates
    own, values, lengths = _differences(model, U)
    each = np.arange(len(U))
    with np.errstate(divide="ignore", invalid="ignore"):
        straight = values / lengths
    straight[each, own] = np.inf
    straight = straight.min(axis=1)
    stretch = np.linalg.norm(coordinates.free_factor, 2)
    weights = np.abs(coordinates.coef[:, None] - coordinates.coef)
    radii = np.zeros(len(U))
    for share in WITHIN:
        within = share * np.where(np.isfinite(straight), straight, 0.0)
        curvatures = dictionary.largest_curvatures(coordinates.inner(U), stretch * within)
        bends = stretch**2 * np.einsum("ij,icj->ic", curvatures, weights[own])
        reached = lower_bounds(values, lengths, -bends / 2)
        reached[each, own] = np.inf
        radii = np.maximum(radii, np.minimum(reached.min(axis=1), within))
    return radii
