"""The phases of a mesh for given rows, in the order of Reck, of Clements, or of a tree."""

from cmath import exp
from math import cos, sin

import numpy as np

from ._interferometer import interferometer, phases_that_null
from ._mesh import Mesh

LAYOUTS = ("tree", "clements", "reck")


def wide_mesh(rows, layout):
    r"""Return the mesh whose outputs are given orthonormal rows times its inputs.

    An interferometer makes one entry of the rows zero. So r rows of D entries need
    :math:`r D - r (r + 1) / 2` interferometers, in any order. Light that no output needs leaves.
    The order decides how many interferometers follow one after the other.

    Parameters
    ----------
    rows : ndarray of shape (n_outputs, n_modes)
        Orthonormal; real or complex.
    layout : {"tree", "clements", "reck"}
        "reck": one row after the other, from the last waveguide to the first [1]_. This is a
        triangle whose depth is about D. "clements": from both ends to the middle, half as deep, as
        in the rectangle of [2]_. "tree": the waveguides are halved again and again. The light of
        each part goes to r waveguides, and then parts are joined in pairs. The depth grows as
        :math:`r \log_2 (D / r)`, and waveguides must cross.

    Returns
    -------
    mesh : Mesh

    References
    ----------
    .. [1] M. Reck et al., "Experimental realization of any discrete unitary operator", Physical
       Review Letters 73, 58-61 (1994).
    .. [2] W. R. Clements et al., "Optimal design for universal multiport interferometers",
       Optica 3, 1460-1465 (2016).
    """
    n_rows, n_modes = rows.shape
    outputs, order = _ORDERS[layout](list(range(n_modes)), n_rows)
    columns = np.array(rows.T, dtype=complex, order="C")
    phases = np.array(
        [_null(columns, row, kept, nulled) for row, kept, nulled in order], dtype=float
    )
    _, first, second = np.array(order, dtype=np.intp).reshape(-1, 3).T
    theta, phi = phases.reshape(-1, 2).T
    diagonal = columns[outputs, np.arange(n_rows)]
    return _mesh(n_modes, first, second, theta, phi, outputs, np.angle(diagonal))


def square_mesh(unitary, layout):
    r"""Return the mesh of a unitary matrix, of :math:`n (n - 1) / 2` interferometers.

    Parameters
    ----------
    unitary : ndarray of shape (n, n)
        Real or complex.
    layout : {"tree", "clements", "reck"}
        "reck" is a triangle of depth 2 n - 3. The others are the rectangle of depth n, in which
        light meets equally many interferometers on all ways.

    Returns
    -------
    mesh : Mesh
    """
    if layout == "reck":
        return wide_mesh(unitary, layout)
    U = np.array(unitary, dtype=complex)
    n, on_the_left, met = len(U), [], []
    for k in range(1, n):  # the diagonals below the main one, from the corner on
        for step in range(k):
            if k % 2:
                met.append(_null_by_columns(U, n - 1 - step, k - 1 - step))
            else:
                on_the_left.append(_null_by_rows(U, n + step - k, step))
    diagonal = np.diag(U).copy()
    met += [_through(diagonal, *each) for each in reversed(on_the_left)]
    first, theta, phi = np.array(met).reshape(-1, 3).T
    return _mesh(n, first, first + 1, theta, phi, np.arange(n), np.angle(diagonal))


def _null_by_columns(U, row, a):
    """Rotate columns a and a + 1 so that the first is zero in a row: (a, theta, phi)."""
    # `phases_that_null` makes the second of two zero: they change places, one with its sign.
    theta, phi = phases_that_null(-U[row, a + 1], U[row, a])
    U[:, a : a + 2] = U[:, a : a + 2] @ _ideal(theta, -phi).conj().T
    return a, theta, -phi


def _null_by_rows(U, b, column):
    """Rotate rows b - 1 and b so that the second is zero in a column: (b - 1, theta, phi)."""
    theta, phi = phases_that_null(U[b - 1, column], U[b, column])
    U[b - 1 : b + 1] = _ideal(theta, -phi) @ U[b - 1 : b + 1]
    return b - 1, theta, -phi


def _through(diagonal, a, theta, phi):
    r"""Move an interferometer from the left of a diagonal to its right: (a, theta, phi).

    :math:`T(\theta, \phi)^H D = D' T(\theta, \phi')`; D becomes D'.
    """
    one, other = diagonal[a : a + 2]
    diagonal[a : a + 2] = -np.exp(-1j * theta) * other * np.array([np.exp(-1j * phi), 1])
    return a, theta, np.angle(one / other)


def _null(columns, row, kept, nulled):
    """Rotate two columns so that one is zero in a row, and return the phases that do it."""
    one, other = columns[kept], columns[nulled]
    theta, phi = phases_that_null(one[row], other[row])
    s, c, phase = sin(theta / 2), cos(theta / 2), exp(-1j * phi)
    common = -1j * exp(-0.5j * theta)
    columns[kept], columns[nulled] = (
        (common * phase * s) * one + (common * c) * other,
        (common * phase * c) * one - (common * s) * other,
    )
    return theta, phi


def _ideal(theta, phi):
    return interferometer(np.array([theta]), np.array([phi]))[0][:, :, 0]


def _mesh(n_modes, first, second, theta, phi, outputs, output_phases):
    first, second, outputs = (
        np.array(each, dtype=np.intp) for each in (first, second, outputs)
    )
    theta, phi, ends = (np.mod(each, 2 * np.pi) for each in (theta, phi, output_phases))
    return Mesh(n_modes, first, second, theta, phi, outputs, ends)


def _reck(modes, n_rows):
    """Return the outputs of a chain, and its interferometers in order: (row, kept, nulled)."""
    order = [
        (row, modes[k - 1], modes[k])
        for row in range(n_rows)
        for k in range(len(modes) - 1, row, -1)
    ]
    return modes[:n_rows], order


def _clements(modes, n_rows):
    """Return outputs and order of two chains that meet in the middle."""
    if len(modes) < 2 * n_rows:
        return _reck(modes, n_rows)
    half = len(modes) // 2
    return _joined(_reck(modes[:half][::-1], n_rows), _reck(modes[half:], n_rows))


def _tree(modes, n_rows):
    """Return outputs and order of a tree: of the two halves, and of what joins them."""
    if len(modes) < 2 * n_rows:
        return _reck(modes, n_rows)
    half = len(modes) // 2
    return _joined(_tree(modes[:half], n_rows), _tree(modes[half:], n_rows))


def _joined(one, other):
    """Return outputs and order of two parts that are joined: light goes to the first outputs.

    In both parts, row i is zero in the outputs after its own. Only entries that are not zero need
    an interferometer.
    """
    (kept, order), (nulled, rest) = one, other
    join = [
        (row, kept[row], nulled[k]) for k in range(len(nulled)) for row in range(k, len(kept))
    ]
    return kept, [*order, *rest, *join]


_ORDERS = {"reck": _reck, "clements": _clements, "tree": _tree}
