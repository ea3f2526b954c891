# cython: language_level=3, boundscheck=False, wraparound=False
# cython: allow_none_for_extension_args=False
"""The door of the kernel of convolutions: what it sees of arrays belongs together.

Cython refuses other number types, dimensions and orders than are written here, None, and outputs
that are read-only; left to be checked are shapes, and numbers that say where others are. The kernel
itself, _pooling_arithmetic.c, knows no Python.
"""

from libc.stddef cimport ptrdiff_t

cdef extern from "_pooling_arithmetic.h":
    int THRESHOLD, PROPORTION, INTENSITY, MAGNITUDE

    ctypedef struct Plan:
        ptrdiff_t n_pixels, down, across, next_line, next_column, n_numbers
        const ptrdiff_t *at
        ptrdiff_t n_filters, n_padded, cells_down, cells_across
        const ptrdiff_t *cell_of_line
        const ptrdiff_t *cell_of_column
        const double *cell_weights
        double contrast, width
        int function, is_centred, root

    ctypedef struct Functions:
        bint (*lift)(
            const Plan *, const void *, ptrdiff_t, const void *, const void *, void *
        ) noexcept nogil

    const Functions *functions_of(size_t number_bytes) noexcept nogil
    bint use_bytes(long n_bytes) noexcept
    int bytes_in_use() noexcept


ctypedef fused real:
    float
    double

# Filters fill whole cache lines.
LINE_BYTES = 64
_FUNCTIONS = {
    "threshold": THRESHOLD,
    "proportion": PROPORTION,
    "intensity": INTENSITY,
    "magnitude": MAGNITUDE,
}


def use_vectors(long n_bytes, /):
    """Use vectors of 16, 32 or 64 bytes from now on; return whether the processor can."""
    return use_bytes(n_bytes)


def vector_bytes():
    """Return how many bytes the vectors in use have."""
    return bytes_in_use()


def lift(
    const real[:, ::1] images,
    const real[:, ::1] filters,
    const real[::1] offsets,
    Py_ssize_t n_filters,
    (Py_ssize_t, Py_ssize_t) steps,
    const Py_ssize_t[::1] at,
    const Py_ssize_t[::1] cell_of_line,
    const Py_ssize_t[::1] cell_of_column,
    const double[:, ::1] cell_weights,
    double contrast,
    double width,
    function,
    bint is_centred,
    bint root,
    real[:, ::1] observables,
    /,
):
    """Write the pooled responses of filters to images.

    Parameters
    ----------
    images : ndarray of shape (n_images, n_pixels)
    filters : ndarray of shape (n_numbers, n_padded)
        One filter a column, and columns of zeros up to whole cache lines.
    offsets : ndarray of shape (n_padded,)
    n_filters : int
    steps : tuple of int
        Pixels from a place to the one below it, and to the one beside it.
    at : ndarray of intp of shape (n_numbers,)
        Pixels from a place to each number that a filter sees there.
    cell_of_line, cell_of_column : ndarray of intp of shape (n_lines,), (n_columns,)
        In which cell places are, down and across.
    cell_weights : ndarray of shape (cells_down, cells_across)
        What the sum over a cell is multiplied by.
    contrast : float
        What is added to the variance of a patch; negative, if patches are not divided.
    width : float
        Twice the threshold, which offsets are less by.
    function : {"threshold", "proportion", "intensity", "magnitude"}
    is_centred, root : bool
    observables : ndarray of shape (n_images, n_filters * n_signs * n_cells)
    """
    cdef Plan plan
    cdef ptrdiff_t i, n_images = images.shape[0]
    cdef bint has_memory = True
    plan.n_pixels = images.shape[1]
    plan.down, plan.across = cell_of_line.shape[0], cell_of_column.shape[0]
    plan.next_line, plan.next_column = steps
    plan.n_numbers = at.shape[0]
    plan.n_filters, plan.n_padded = n_filters, filters.shape[1]
    plan.cells_down, plan.cells_across = cell_weights.shape[0], cell_weights.shape[1]
    plan.contrast, plan.width = contrast, width
    plan.function, plan.is_centred, plan.root = _FUNCTIONS[function], is_centred, root
    n_signs = 2 if plan.function <= PROPORTION else 1
    fit(plan.n_numbers > 0 and plan.down > 0 and plan.across > 0)
    fit(plan.cells_down > 0 and plan.cells_across > 0)
    fit(filters.shape[0] == plan.n_numbers and offsets.shape[0] == plan.n_padded)
    fit(0 < n_filters <= plan.n_padded and plan.n_padded * sizeof(real) % LINE_BYTES == 0)
    fit(plan.next_line >= 0 and plan.next_column >= 0)
    # Longer steps leave the image, and their products could overflow.
    fit(plan.down == 1 or plan.next_line <= plan.n_pixels)
    fit(plan.across == 1 or plan.next_column <= plan.n_pixels)
    last = (plan.down - 1) * plan.next_line + (plan.across - 1) * plan.next_column
    for i in range(plan.n_numbers):
        fit(0 <= at[i] and at[i] + last < plan.n_pixels)
    for i in range(plan.down):
        fit(0 <= cell_of_line[i] < plan.cells_down)
    for i in range(plan.across):
        fit(0 <= cell_of_column[i] < plan.cells_across)
    n_observables = n_filters * n_signs * plan.cells_down * plan.cells_across
    fit(observables.shape[0] == n_images and observables.shape[1] == n_observables)
    if n_images == 0:
        return
    plan.at = <const ptrdiff_t *>&at[0]
    plan.cell_of_line = <const ptrdiff_t *>&cell_of_line[0]
    plan.cell_of_column = <const ptrdiff_t *>&cell_of_column[0]
    plan.cell_weights = &cell_weights[0, 0]
    with nogil:
        has_memory = functions_of(sizeof(real)).lift(
            &plan, &images[0, 0], n_images, &filters[0, 0], &offsets[0], &observables[0, 0]
        )
    if not has_memory:
        raise MemoryError("no memory for an image and its sums")


cdef int fit(bint they_do) except -1:
    if not they_do:
        raise ValueError("the arrays do not belong together")
    return 0


for n_bytes in (64, 32, 16):  # the widest that there are
    if use_bytes(n_bytes):
        break
