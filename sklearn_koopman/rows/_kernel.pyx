# cython: language_level=3, boundscheck=False, wraparound=False
# cython: allow_none_for_extension_args=False
"""The door of the kernel: what it sees of arrays belongs together.

Cython takes arrays by the buffer protocol, and refuses other number types, dimensions and orders
than are written here, None, and outputs that are read-only. Left to be checked are shapes, where
memory begins, and numbers that say where others are. The kernel itself, _kernel_arithmetic.c,
knows no Python.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t


cdef extern from "_kernel_arithmetic.h":
    ctypedef struct Product:
        pass

    ctypedef struct Rows:
        const char *X
        ptrdiff_t X_row, X_column
        bint X_is_float
        ptrdiff_t n_rows, n_variables, n_lower, n_observables, n_table
        const Product *lower
        const Product *products

    ctypedef struct Loss:
        ptrdiff_t n_classes
        const int64_t *labels
        const double *hard_weight
        const double *soft_weight
        const void *softened
        const void *weights
        const void *intercept
        double temperature
        double value
        double *gradient
        double *sums
        void *curvature

    ctypedef struct Functions:
        bint (*add_loss)(const Rows *, Loss *) noexcept nogil
        bint (*add_moments)(
            const Rows *, const double *, double *, double *, double *
        ) noexcept nogil
        bint (*set_centred)(
            const Rows *, const void *, const void *, const void *, void *, ptrdiff_t
        ) noexcept nogil
        bint (*set_norms)(const Rows *, const void *, const void *, void *) noexcept nogil

    ctypedef struct Layout:
        const double *sums
        const double *mean
        const int64_t *start
        const int64_t *head_rank
        const int64_t *tail_rank
        const int32_t *terms
        ptrdiff_t n_sums, n_heads, n_terms, n_factors, degree

    const Functions *functions_of(size_t number_bytes) noexcept nogil
    bint add_columns(const Layout *, double, ptrdiff_t, ptrdiff_t, double *) noexcept nogil
    bint use_bytes(long n_bytes) noexcept
    int bytes_in_use() noexcept


ctypedef fused real:
    float
    double

# Rows may be of another type than the weights that they are multiplied by.
ctypedef fused real_of_rows:
    float
    double

ctypedef fused number:
    float
    double
    int32_t
    int64_t


def add_loss(
    const real_of_rows[:, :] X,
    const int32_t[:, ::1] lower,
    const int32_t[:, ::1] products,
    const real[:, ::1] weights,
    const real[::1] intercept,
    const int64_t[::1] labels,
    const double[::1] hard_weight,
    const double[::1] soft_weight,
    const real[:, ::1] softened or None,
    double temperature,
    double[:, ::1] gradient,
    double[::1] sums,
    real[::1] curvature or None,
    /,
):
    """Return the loss of rows, and add to its gradients by the weights and by the intercepts.

    Rows of `softened` must sum to one, and rows without a label (-1) have a `hard_weight` of zero.
    """
    cdef Rows rows = rows_of(X, lower, products)
    cdef ptrdiff_t n_classes = weights.shape[0], i
    cdef Loss loss = Loss(
        n_classes=n_classes,
        labels=vector(labels, rows.n_rows),
        hard_weight=vector(hard_weight, rows.n_rows),
        soft_weight=vector(soft_weight, rows.n_rows),
        softened=NULL,
        weights=matrix(weights, n_classes, rows.n_observables),
        intercept=vector(intercept, n_classes),
        temperature=temperature,
        value=0,
        gradient=matrix(gradient, rows.n_observables, n_classes),
        sums=vector(sums, n_classes),
        curvature=NULL,
    )
    if softened is not None:
        loss.softened = matrix(softened, rows.n_rows, n_classes)
    if curvature is not None:
        loss.curvature = vector(curvature, rows.n_rows)
    fit(n_classes > 0)
    for i in range(rows.n_rows):
        fit(labels[i] < n_classes)
    with nogil:
        done(functions_of(sizeof(real)).add_loss(&rows, &loss))
    return loss.value


def add_moments(
    const real[:, :] X,
    const int32_t[:, ::1] lower,
    const int32_t[:, ::1] products,
    const double[::1] row_weight,
    double[::1] mean,
    double[::1] scatter,
    /,
):
    """Return the weight of rows, and turn zeros into means and scatters of the observables."""
    cdef Rows rows = rows_of(X, lower, products)
    cdef double weight = 0
    with nogil:
        done(
            functions_of(sizeof(real)).add_moments(
                &rows,
                vector(row_weight, rows.n_rows),
                &weight,
                vector(mean, rows.n_observables),
                vector(scatter, rows.n_observables),
            )
        )
    return weight


def set_centred(
    const real[:, :] X,
    const int32_t[:, ::1] lower,
    const int32_t[:, ::1] products,
    const real[::1] origin,
    const real[::1] rest,
    const real[::1] factor,
    real[:, :] out,
    /,
):
    """Set the observables of rows, less an origin, less a rest, times a factor of each row."""
    cdef Rows rows = rows_of(X, lower, products)
    fit(out.shape[0] == rows.n_rows and out.shape[1] == rows.n_observables)
    # A single row has no next one, and its stride may be anything.
    fit(rows.n_rows < 2 or out.strides[0] == sizeof(real))
    with nogil:
        done(
            functions_of(sizeof(real)).set_centred(
                &rows,
                vector(origin, rows.n_observables),
                vector(rest, rows.n_observables),
                vector(factor, rows.n_rows),
                strided(out),
                out.strides[1],
            )
        )


def set_norms(
    const real[:, :] X,
    const int32_t[:, ::1] lower,
    const int32_t[:, ::1] products,
    const real[::1] mean,
    const real[::1] rate,
    real[::1] norms,
    /,
):
    """Set the squared norm of the observables of each row, less a mean and times a rate."""
    cdef Rows rows = rows_of(X, lower, products)
    with nogil:
        done(
            functions_of(sizeof(real)).set_norms(
                &rows,
                vector(mean, rows.n_observables),
                vector(rate, rows.n_observables),
                vector(norms, rows.n_rows),
            )
        )


def add_scatter(
    const double[::1] sums,
    const int64_t[::1] start,
    const int64_t[:, ::1] head_rank,
    const int64_t[:, ::1] tail_rank,
    const int32_t[:, ::1] terms,
    const double[::1] mean,
    double[:, ::1] columns,
    ptrdiff_t first,
    double weight,
    /,
):
    """Add the scatter of terms to columns of a packed triangle, from sums in a layout's order."""
    cdef ptrdiff_t n_terms = terms.shape[0], degree = terms.shape[1]
    cdef ptrdiff_t n_factors = head_rank.shape[1], n_columns = columns.shape[0]
    cdef ptrdiff_t half = n_terms // 2, i, k
    cdef Layout layout = Layout(
        sums=vector(sums, sums.shape[0]),
        mean=vector(mean, n_terms),
        start=vector(start, start.shape[0]),
        head_rank=matrix(head_rank, 2 * degree, n_factors),
        tail_rank=matrix(tail_rank, 2 * degree, n_factors),
        terms=matrix(terms, n_terms, degree),
        n_sums=sums.shape[0],
        n_heads=start.shape[0],
        n_terms=n_terms,
        n_factors=n_factors,
        degree=degree,
    )
    cdef double *values = matrix(columns, n_columns, 2 * half + 1)
    fit(0 <= first <= n_terms - half - n_columns)
    for i in range(n_terms):
        for k in range(degree):
            fit(0 <= terms[i, k] < n_factors)
    with nogil:
        fit(add_columns(&layout, weight, first, n_columns, values))


def use_vectors(long n_bytes, /):
    """Use vectors of 16, 32 or 64 bytes from now on; return whether the processor can."""
    return use_bytes(n_bytes)


def vector_bytes():
    """Return how many bytes the vectors in use have."""
    return bytes_in_use()


cdef Rows rows_of(
    const real[:, :] X, const int32_t[:, ::1] lower, const int32_t[:, ::1] products
) except *:
    cdef ptrdiff_t n_variables = X.shape[1], n_lower = lower.shape[0]
    cdef ptrdiff_t n_observables = products.shape[0], n_table = 1 + n_variables + n_lower, i
    cdef Rows rows = Rows(
        X=strided(X),
        X_row=X.strides[0],
        X_column=X.strides[1],
        X_is_float=sizeof(real) == sizeof(float),
        n_rows=X.shape[0],
        n_variables=n_variables,
        n_lower=n_lower,
        n_observables=n_observables,
        n_table=n_table,
        lower=<Product *> matrix(lower, n_lower, 2),
        products=<Product *> matrix(products, n_observables, 2),
    )
    for i in range(n_lower):  # made of rows of the table that come before it
        fit(0 <= lower[i, 0] <= n_variables + i and 0 <= lower[i, 1] <= n_variables + i)
    for i in range(n_observables):
        fit(0 <= products[i, 0] < n_table and 0 <= products[i, 1] < n_table)
    return rows


# Where an array begins, if it has such a shape, and each number is at a multiple of its size.


cdef number *vector(const number[::1] array, ptrdiff_t n) except? NULL nogil:
    fit(array.shape[0] == n and is_whole(<size_t> &array[0], sizeof(number)))
    return <number *> &array[0]


cdef number *matrix(const number[:, ::1] array, ptrdiff_t n, ptrdiff_t m) except? NULL nogil:
    fit(array.shape[0] == n and array.shape[1] == m)
    fit(is_whole(<size_t> &array[0, 0], sizeof(number)))
    return <number *> &array[0, 0]


cdef char *strided(const real[:, :] array) except? NULL nogil:
    for axis in range(2):
        fit(array.shape[axis] < 2 or is_whole(array.strides[axis], sizeof(real)))
    fit(is_whole(<size_t> &array[0, 0], sizeof(real)))
    return <char *> &array[0, 0]


cdef inline bint is_whole(size_t n_bytes, size_t number_bytes) noexcept nogil:
    return n_bytes % number_bytes == 0


cdef inline int fit(bint they_do) except -1 nogil:
    if not they_do:
        raise ValueError("the arrays do not belong together")
    return 0


cdef inline int done(bint it_is) except -1 nogil:
    if not it_is:
        raise MemoryError("There is no memory for the tables that rows are multiplied by in the kernel.")
    return 0


for n_bytes in (64, 32, 16):  # the widest that there are
    if use_bytes(n_bytes):
        break
