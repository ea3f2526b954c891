# cython: language_level=3, boundscheck=False, wraparound=False
# cython: allow_none_for_extension_args=False
"""Both sides of a threshold, taken where they are summed: responses are read once."""

from libc.stddef cimport ptrdiff_t

ctypedef fused real:
    float
    double


def add_both_sides(
    const real[:, :, :] responses, real[::1] above, real[::1] below, double width, /
):
    """Add what responses are above 0, and what they are below -width, over all places.

    Parameters
    ----------
    responses : ndarray of shape (n_lines, n_columns, n)
        The last axis is contiguous.
    above, below : ndarray of shape (n,)
        What is added to. The numbers of the second are negative.
    width : float
    """
    cdef ptrdiff_t n = responses.shape[2], line, column
    if not above.shape[0] == below.shape[0] == n or responses.strides[2] != sizeof(real):
        raise ValueError("the arrays do not belong together")
    with nogil:
        for line in range(responses.shape[0]):
            for column in range(responses.shape[1]):
                add_place(&responses[line, column, 0], &above[0], &below[0], <real> width, n)


cdef void add_place(
    const real *responses, real *above, real *below, real width, ptrdiff_t n
) noexcept nogil:
    cdef ptrdiff_t i
    cdef real high, low
    for i in range(n):
        high = responses[i]
        low = high + width
        above[i] += high if high > 0 else 0
        below[i] += low if low < 0 else 0
