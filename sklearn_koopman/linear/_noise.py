r"""The effect of hardware noise on a loss: a penalty on every observable's coefficients.

Observables :math:`\psi_j (1 + \epsilon_j) + \eta_j`, with independent noise of zero mean and
standard deviations m (relative) and a (absolute), give the logits of a matrix K the variance
:math:`\sum_j (m^2 \psi_j^2 + a^2) K_{cj}^2`. Relative errors m of the weights have the same effect.
The mean over rows of half of this variance is, for coefficients :math:`B_j = d_j K_j` of the
observables standardised to deviation :math:`d_j`,

.. math:: \sum_j \frac{r_j}{2} \|B_j\|^2, \qquad
          r_j = \frac{m^2 (\bar\psi_j^2 + d_j^2) + a^2}{d_j^2} .

For least squares, the mean of the loss over the noise is the loss plus exactly this. The second
derivatives of cross-entropy, and of :math:`T^2 KL` at temperature T, are at most 1/2 in any
direction of the logits, so half of this is an upper bound there.

Different penalties are the same as one penalty on observables with other scales, so solvers need
only one ``ridge``.
"""

from dataclasses import replace

import numpy as np


def noise_penalty(scale, multiplicative, additive):
    """Return the penalty that noise adds to the ridge of every standardised observable.

    Parameters
    ----------
    scale : Scale
    multiplicative : float
        Standard deviation of the noise of observables or weights, relative to their values.
    additive : float
        Standard deviation of the noise of observables, in their units.

    Returns
    -------
    penalty : ndarray of shape (n_observables,)
        Penalties. They are zero for constant observables, which have no coefficient.

    Raises
    ------
    ValueError
        If the penalty overflows.
    """
    relative, absolute = np.float64(multiplicative), np.float64(additive)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = relative * np.hypot(scale.mean / scale.deviation, 1.0)
        penalty = ratio**2 + (absolute / scale.deviation) ** 2
    penalty = np.where(scale.constant, 0.0, penalty)
    if not np.isfinite(penalty.sum()):
        raise ValueError(
            f"multiplicative_noise={multiplicative}, additive_noise={additive}: the penalty that "
            "they add to the ridge overflows, because they are too large for observables of these "
            "scales. Noise is a standard deviation, relative to values or in their units."
        )
    return penalty


def even_ridge(ridge):
    """Return one ridge, and factors of the observables' scales for it.

    Parameters
    ----------
    ridge : float or ndarray of shape (n_observables,)

    Returns
    -------
    ridge : float
    stretch : float or ndarray of shape (n_observables,)
        Factors. Observables divided by them have the same penalties as before with the one ridge.
    """
    if np.ndim(ridge) == 0:
        return ridge, 1.0
    positive = ridge > 0
    even = ridge[positive].mean() if positive.any() else 0.0
    return even, np.sqrt(ridge / even, out=np.ones_like(ridge), where=positive)


def with_even_ridge(scale, ridge):
    """Return a scale and one ridge with the same penalties as different ridges.

    Parameters
    ----------
    scale : Scale
    ridge : float or ndarray of shape (n_observables,)

    Returns
    -------
    scale : Scale
    ridge : float
    """
    ridge, stretch = even_ridge(ridge)
    return replace(scale, deviation=scale.deviation * stretch), ridge
