# cython: language_level=3, boundscheck=False, wraparound=False
# cython: allow_none_for_extension_args=False
"""Both sides of a threshold, taken where they are summed: responses are read once."""

from libc.stddef cimport ptrdiff_t

ctypedef fused real:
    float
    double


def set_both_sides(
    const real[:, :, ::1] responses,
    const Py_ssize_t[::1] edges,
    real[:, :, ::1] sums,
    double width,
    /,
):
    """Set the sums over cells of how far responses are above 0, and how far below -width.

    Parameters
    ----------
    responses : ndarray of shape (n_lines, n_columns, n)
    edges : ndarray of intp of shape (n_cells + 1,)
        The columns where cells begin, and where the last one ends. They have all lines.
    sums : ndarray of shape (2, n_cells, n)
        Those above, and those below; none is negative.
    width : float
    """
    cdef ptrdiff_t n = responses.shape[2], line, cell, column
    fit(sums.shape[0] == 2 and sums.shape[1] == edges.shape[0] - 1 and sums.shape[2] == n)
    for cell in range(edges.shape[0]):
        fit(0 <= edges[cell] <= responses.shape[1])
    sums[:] = 0
    with nogil:
        for cell in range(sums.shape[1]):
            for line in range(responses.shape[0]):
                for column in range(edges[cell], edges[cell + 1]):
                    add_place(
                        &responses[line, column, 0],
                        &sums[0, cell, 0],
                        &sums[1, cell, 0],
                        <real> width,
                        n,
                    )


cdef void add_place(
    const real *responses, real *above, real *below, real width, ptrdiff_t n
) noexcept nogil:
    cdef ptrdiff_t i
    cdef real high, low
    for i in range(n):
        high = responses[i]
        low = high + width
        above[i] += high if high > 0 else 0
        below[i] -= low if low < 0 else 0


cdef inline int fit(bint they_do) except -1:
    if not they_do:
        raise ValueError("the arrays do not belong together")
    return 0
