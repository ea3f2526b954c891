r"""One Mach-Zehnder interferometer: two splitters, a phase shifter before each.

Light of two waveguides, with complex amplitudes x, leaves with T x:

.. math::

    T &= B(\eta_2) \operatorname{diag}(e^{i \theta}, 1)
         B(\eta_1) \operatorname{diag}(e^{i \phi}, 1) \\
    B(\eta) &= \begin{pmatrix}
         \cos \eta & i \sin \eta \\ i \sin \eta & \cos \eta \end{pmatrix}

With even splitters, :math:`\eta = \pi / 4`, :math:`s = \sin (\theta / 2)` and
:math:`c = \cos (\theta / 2)`:

.. math:: T = i e^{i \theta / 2} \begin{pmatrix} e^{i \phi} s & c \\ e^{i \phi} c & -s \end{pmatrix}

Many interferometers are arrays of shape (2, 2, n).
"""

from cmath import phase
from math import atan2

import numpy as np

EVEN = np.pi / 4


def splitter(angle):
    """Return the matrices of splitters.

    Parameters
    ----------
    angle : ndarray of shape (n,)
        In radians; `EVEN` divides light into halves.

    Returns
    -------
    matrices : ndarray of shape (2, 2, n)
    """
    through, across = np.cos(angle), 1j * np.sin(angle)
    return np.array([[through, across], [across, through]])


def interferometer(theta, phi, first=EVEN, second=EVEN):
    """Return the matrices of interferometers, and their derivatives.

    Parameters
    ----------
    theta, phi : ndarray of shape (n,)
        Phases between the splitters and before them, in radians.
    first, second : float or ndarray of shape (n,), default=pi / 4
        Angles of the first and second splitter.

    Returns
    -------
    matrices : ndarray of shape (2, 2, n)
    by_theta, by_phi : ndarray of shape (2, 2, n)
        Their derivatives.
    """
    theta, phi, first, second = np.broadcast_arrays(theta, phi, first, second)
    before, after = splitter(first), splitter(second)
    # Only the first row of B(first) diag(exp(i phi), 1) meets the phase theta.
    before = before * np.array([np.exp(1j * phi), np.ones_like(phi)])
    upper = after[:, :1] * np.exp(1j * theta) * before[:1]
    matrices = upper + after[:, 1:] * before[1:]
    by_phi = np.zeros_like(matrices)
    by_phi[:, 0] = 1j * matrices[:, 0]
    return matrices, 1j * upper, by_phi


def phases_that_null(kept, nulled):
    r"""Return the phases of an ideal interferometer that makes one of two entries zero.

    Parameters
    ----------
    kept, nulled : complex
        Entries of one row of A, in the columns of the first and second waveguide.

    Returns
    -------
    theta, phi : float
        Such that the second entry of :math:`(kept, nulled) \, T^H` is zero.
    """
    theta = 2 * atan2(abs(kept), abs(nulled))
    return theta, phase(kept) - phase(nulled) if kept and nulled else 0.0
