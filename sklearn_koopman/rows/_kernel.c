/* Sums over rows whose observables are products of their variables: the distillation loss and its
   gradient, means and scatters, norms.

   numpy makes the observables of a block of rows, reads them for the logits and once more for the
   gradient, and all of that takes longer than the arithmetic. Here they are never stored: each is
   the product of two rows of a table of lower products, which is small enough to stay in the
   processor's caches, and is multiplied where it is needed.

   Compiled by GCC or Clang; without it the package does the same in numpy. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>

#if !defined(__GNUC__)
#error "vectors need an extension of C that GCC and Clang have"
#endif

/* Sums that are kept in registers, several times: one for each class of ten but the last. */
#define MOST_SUMS 9
/* Problems of two or three classes take these instead. */
#define FEW_SUMS 2

#define LINE_BYTES 64
/* Rows of a table are an odd number of cache lines long, so that they do not evict each other. */
#define MOST_LINES 33
#define FEWEST_LINES 5
#define TABLE_BYTES (1 << 20)

/* Two rows of the table: the constant 1, the variables, then the lower products. */
typedef struct {
    int32_t left, right;
} Product;

/* Rows of variables, and how they multiply. */
typedef struct {
    const char *X;
    Py_ssize_t X_row, X_column; /* bytes from one to the next */
    int X_is_float;
    Py_ssize_t n_rows, n_variables, n_lower, n_observables, n_table;
    const Product *lower, *products;
} Rows;

typedef struct {
    Py_ssize_t n_classes;
    const int64_t *labels;
    const double *hard_weight, *soft_weight;
    const void *softened, *weights, *intercept; /* softened may be NULL */
    double temperature;
    double value, *gradient, *sums;
    void *curvature; /* may be NULL */
} Loss;

typedef struct {
    const double *row_weight;
    double weight, *mean, *scatter;
} Moments;

typedef struct {
    const void *origin, *rest; /* of each observable; their sum is the centre */
    const void *factor;        /* of each row */
    char *out;
    Py_ssize_t out_column; /* bytes from one column to the next; rows are neighbours */
} Centred;

typedef struct {
    const void *mean, *rate;
    void *norms;
} Norms;

/* Monomials, and where the sums of their products are; see _power_sums.py. */
typedef struct {
    const double *sums, *mean;
    const int64_t *start;                 /* of each head: its sum with a tail before all others */
    const int64_t *head_rank, *tail_rank; /* n_factors for each place among 2 degree factors */
    const int32_t *terms;                 /* degree factors of each */
    int64_t n_sums, n_heads;
    Py_ssize_t n_factors, degree;
} Layout;

/* The first half of the factors of both terms, in ascending order, is a head, the rest a tail. The
   place of a factor is the number of those before it: counting takes no branches. */
static int64_t place_of_sum(const Layout *layout, const int32_t *term, const int32_t *other)
{
    int64_t head = 0, tail = 0;
    for (Py_ssize_t i = 0; i < layout->degree; i++) {
        Py_ssize_t of_term = i, of_other = i;
        for (Py_ssize_t k = 0; k < layout->degree; k++) {
            of_term += other[k] < term[i];
            of_other += term[k] <= other[i];
        }
        const Py_ssize_t first = of_term * layout->n_factors + term[i];
        const Py_ssize_t second = of_other * layout->n_factors + other[i];
        head += layout->head_rank[first] + layout->head_rank[second];
        tail += layout->tail_rank[first] + layout->tail_rank[second];
    }
    return head >= 0 && head < layout->n_heads ? layout->start[head] + tail : -1;
}

/* Add the scatter of a term with a range of others; return whether there are sums for all. */
static int add_row(const Layout *layout, double weight, Py_ssize_t i, Py_ssize_t first,
                   Py_ssize_t last, double *values)
{
    const int32_t *term = layout->terms + i * layout->degree;
    const double weighted = weight * layout->mean[i];
    int are_found = 1;
    for (Py_ssize_t j = first; j < last; j++) {
        const int64_t place = place_of_sum(layout, term, layout->terms + j * layout->degree);
        const int is_found = place >= 0 && place < layout->n_sums;
        values[j - first] += (is_found ? layout->sums[place] : 0.0) - weighted * layout->mean[j];
        are_found &= is_found;
    }
    return are_found;
}

/* GCC reads a vector from memory for each of its uses, unless something may have changed it. */
#if defined(__x86_64__)
#define READ_ONCE(vector) __asm__("" : "+v"(vector))
#else
#define READ_ONCE(vector)
#endif

static char *aligned_memory(size_t n_bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, LINE_BYTES, n_bytes) ? NULL : memory;
}

#define PASTE_(x, suffix) x##_##suffix
#define PASTE(x, suffix) PASTE_(x, suffix)
#define NAME(x) PASTE(PASTE(x, REAL), VECTOR_BYTES)

#define VECTOR_BYTES 16
#define AT_ONCE 1
#define AT_ONCE_BACK 1
#define TARGET
#define REAL float
#define UNSIGNED uint32_t
#include "_kernel_template.h"
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include "_kernel_template.h"
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef AT_ONCE
#undef AT_ONCE_BACK
#undef TARGET

#if defined(__x86_64__)
#define VECTOR_BYTES 32
#define AT_ONCE 1
#define AT_ONCE_BACK 1
#define TARGET __attribute__((target("avx2,fma")))
#define REAL float
#define UNSIGNED uint32_t
#include "_kernel_template.h"
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include "_kernel_template.h"
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef AT_ONCE
#undef AT_ONCE_BACK
#undef TARGET

#define VECTOR_BYTES 64
#define AT_ONCE 2
#define AT_ONCE_BACK 3
#define TARGET __attribute__((target("avx512f,avx512dq,fma")))
#define REAL float
#define UNSIGNED uint32_t
#include "_kernel_template.h"
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include "_kernel_template.h"
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef AT_ONCE
#undef AT_ONCE_BACK
#undef TARGET
#endif

/* The functions for each number type. */
typedef struct {
    int (*add_loss)(const Rows *, Loss *);
    int (*add_moments)(const Rows *, Moments *);
    int (*set_centred)(const Rows *, const Centred *);
    int (*set_norms)(const Rows *, const Norms *);
} Functions;

#define FUNCTIONS(type, bytes) \
    ((Functions){PASTE(PASTE(add_loss, type), bytes), PASTE(PASTE(add_moments, type), bytes), \
                 PASTE(PASTE(set_centred, type), bytes), PASTE(PASTE(set_norms, type), bytes)})

static Functions of_float, of_double;

/* Use vectors of so many bytes; return 0 if this processor has no instructions for them. */
static int use_bytes(long n_bytes)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (n_bytes == 64 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512dq")) {
        of_float = FUNCTIONS(float, 64);
        of_double = FUNCTIONS(double, 64);
        return 1;
    }
    if (n_bytes == 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        of_float = FUNCTIONS(float, 32);
        of_double = FUNCTIONS(double, 32);
        return 1;
    }
#endif
    if (n_bytes == 16) {
        of_float = FUNCTIONS(float, 16);
        of_double = FUNCTIONS(double, 16);
    }
    return n_bytes == 16;
}

/* What is expected of an argument. */
typedef struct {
    const char *name;
    int n_dimensions;
    const char *types; /* in the letters of the struct module: any of these */
    enum { INPUT, STRIDED_INPUT, OPTIONAL_INPUT, OUTPUT, STRIDED_OUTPUT, OPTIONAL_OUTPUT } kind;
} Form;

#define MOST_ARRAYS 12
#define ROWS_FORMS {"X", 2, "fd", STRIDED_INPUT}, {"lower", 2, "i", INPUT}, {"products", 2, "i", INPUT}

enum { X, LOWER, PRODUCTS, N_ROWS_ARRAYS };

static int take(PyObject *object, const Form *form, Py_buffer *array)
{
    if (object == Py_None && (form->kind == OPTIONAL_INPUT || form->kind == OPTIONAL_OUTPUT))
        return 1;
    int flags = PyBUF_C_CONTIGUOUS;
    if (form->kind == STRIDED_INPUT || form->kind == STRIDED_OUTPUT)
        flags = PyBUF_STRIDES;
    if (form->kind >= OUTPUT)
        flags |= PyBUF_WRITABLE;
    if (PyObject_GetBuffer(object, array, flags | PyBUF_FORMAT))
        return 0;
    if (array->ndim == form->n_dimensions && array->format[1] == '\0')
        for (const char *type = form->types; *type; type++)
            if (*type == array->format[0])
                return 1;
    PyErr_Format(PyExc_TypeError, "%s has %d dimensions of format %s", form->name, array->ndim,
                 array->format);
    return 0;
}

/* Take the arrays that a tuple begins with; all of them are to be released in any case. */
static int take_all(PyObject *args, const Form *forms, int n_arrays, Py_buffer *arrays)
{
    if (PyTuple_Size(args) < n_arrays) {
        PyErr_Format(PyExc_TypeError, "%d arrays expected", n_arrays);
        return 0;
    }
    for (int i = 0; i < n_arrays; i++)
        if (!take(PyTuple_GetItem(args, i), &forms[i], &arrays[i]))
            return 0;
    return 1;
}

/* Return what a function makes of the arrays that a tuple begins with, and of the tuple. */
static PyObject *with_arrays(PyObject *args, const Form *forms, int n_arrays,
                             PyObject *(*function)(const Py_buffer *, PyObject *))
{
    Py_buffer arrays[MOST_ARRAYS] = {{0}};
    PyObject *result = NULL;
    if (take_all(args, forms, n_arrays, arrays))
        result = function(arrays, args);
    for (int i = 0; i < n_arrays; i++)
        PyBuffer_Release(&arrays[i]);
    return result;
}

/* Whether an array that was taken has so many rows, and so many columns if it has any. */
static int is_shape(const Py_buffer *array, Py_ssize_t n_rows, Py_ssize_t n_columns)
{
    return !array->obj || (array->shape[0] == n_rows &&
                           (array->ndim == 1 || array->shape[1] == n_columns));
}

static int is_type(const Py_buffer *array, char type)
{
    return !array->obj || array->format[0] == type;
}

/* Whether products are made of rows of the table, each `n_more` longer than the one before. */
static int are_of_rows(const Py_buffer *products, Py_ssize_t n_table, Py_ssize_t n_more)
{
    const Product *product = products->buf;
    for (Py_ssize_t j = 0; j < products->shape[0]; j++, n_table += n_more)
        if (product[j].left < 0 || product[j].left >= n_table || product[j].right < 0 ||
            product[j].right >= n_table)
            return 0;
    return 1;
}

static int set_rows(const Py_buffer *arrays, Rows *rows)
{
    const Py_buffer *x = &arrays[X];
    *rows = (Rows){
        .X = x->buf,
        .X_row = x->strides[0],
        .X_column = x->strides[1],
        .X_is_float = x->format[0] == 'f',
        .n_rows = x->shape[0],
        .n_variables = x->shape[1],
        .n_lower = arrays[LOWER].shape[0],
        .n_observables = arrays[PRODUCTS].shape[0],
        .n_table = 1 + x->shape[1] + arrays[LOWER].shape[0],
        .lower = arrays[LOWER].buf,
        .products = arrays[PRODUCTS].buf,
    };
    return is_shape(&arrays[LOWER], rows->n_lower, 2) &&
           is_shape(&arrays[PRODUCTS], rows->n_observables, 2) &&
           are_of_rows(&arrays[LOWER], 1 + rows->n_variables, 1) &&
           are_of_rows(&arrays[PRODUCTS], rows->n_table, 0);
}

static PyObject *misfit(void)
{
    PyErr_SetString(PyExc_ValueError, "the arrays do not belong together");
    return NULL;
}

enum { LABELS = N_ROWS_ARRAYS, HARD, SOFT, SOFTENED, WEIGHTS, INTERCEPT, GRADIENT, SUMS,
       CURVATURE, N_LOSS_ARRAYS };

static const Form LOSS_FORMS[N_LOSS_ARRAYS] = {
    ROWS_FORMS,
    {"labels", 1, "lq", INPUT},
    {"hard_weight", 1, "d", INPUT},
    {"soft_weight", 1, "d", INPUT},
    {"softened", 2, "fd", OPTIONAL_INPUT},
    {"weights", 2, "fd", INPUT},
    {"intercept", 1, "fd", INPUT},
    {"gradient", 2, "d", OUTPUT},
    {"sums", 1, "d", OUTPUT},
    {"curvature", 1, "fd", OPTIONAL_OUTPUT},
};

static PyObject *loss_of_arrays(const Py_buffer *arrays, PyObject *args)
{
    PyObject *last = PyTuple_GetItem(args, N_LOSS_ARRAYS);
    const double temperature = last ? PyFloat_AsDouble(last) : -1.0;
    if (PyErr_Occurred())
        return NULL;
    Rows rows;
    Loss loss = {
        .n_classes = arrays[WEIGHTS].shape[0],
        .labels = arrays[LABELS].buf,
        .hard_weight = arrays[HARD].buf,
        .soft_weight = arrays[SOFT].buf,
        .softened = arrays[SOFTENED].buf,
        .weights = arrays[WEIGHTS].buf,
        .intercept = arrays[INTERCEPT].buf,
        .temperature = temperature,
        .gradient = arrays[GRADIENT].buf,
        .sums = arrays[SUMS].buf,
        .curvature = arrays[CURVATURE].buf,
    };
    const char type = arrays[WEIGHTS].format[0];
    const Py_ssize_t n_classes = loss.n_classes;
    int fits = set_rows(arrays, &rows) && is_shape(&arrays[LABELS], rows.n_rows, 1) &&
               is_shape(&arrays[HARD], rows.n_rows, 1) &&
               is_shape(&arrays[SOFT], rows.n_rows, 1) &&
               is_shape(&arrays[SOFTENED], rows.n_rows, n_classes) &&
               is_shape(&arrays[WEIGHTS], n_classes, rows.n_observables) &&
               is_shape(&arrays[INTERCEPT], n_classes, 1) &&
               is_shape(&arrays[GRADIENT], rows.n_observables, n_classes) &&
               is_shape(&arrays[SUMS], n_classes, 1) &&
               is_shape(&arrays[CURVATURE], rows.n_rows, 1) &&
               is_type(&arrays[SOFTENED], type) && is_type(&arrays[INTERCEPT], type) &&
               is_type(&arrays[CURVATURE], type);
    for (Py_ssize_t i = 0; fits && i < rows.n_rows; i++)
        fits = loss.labels[i] < n_classes;
    if (!fits)
        return misfit();
    int is_done;
    Py_BEGIN_ALLOW_THREADS
    is_done = (type == 'f' ? of_float : of_double).add_loss(&rows, &loss);
    Py_END_ALLOW_THREADS
    return is_done ? PyFloat_FromDouble(loss.value) : PyErr_NoMemory();
}

static PyObject *add_loss(PyObject *module, PyObject *args)
{
    (void)module;
    return with_arrays(args, LOSS_FORMS, N_LOSS_ARRAYS, loss_of_arrays);
}

enum { ROW_WEIGHT = N_ROWS_ARRAYS, MEAN_OUT, SCATTER, N_MOMENTS_ARRAYS };

static const Form MOMENTS_FORMS[N_MOMENTS_ARRAYS] = {
    ROWS_FORMS,
    {"row_weight", 1, "d", INPUT},
    {"mean", 1, "d", OUTPUT},
    {"scatter", 1, "d", OUTPUT},
};

static PyObject *moments_of_arrays(const Py_buffer *arrays, PyObject *args)
{
    (void)args;
    Rows rows;
    Moments moments = {
        .row_weight = arrays[ROW_WEIGHT].buf,
        .mean = arrays[MEAN_OUT].buf,
        .scatter = arrays[SCATTER].buf,
    };
    if (!set_rows(arrays, &rows) || !is_shape(&arrays[ROW_WEIGHT], rows.n_rows, 1) ||
        !is_shape(&arrays[MEAN_OUT], rows.n_observables, 1) ||
        !is_shape(&arrays[SCATTER], rows.n_observables, 1))
        return misfit();
    int is_done;
    Py_BEGIN_ALLOW_THREADS
    is_done = (rows.X_is_float ? of_float : of_double).add_moments(&rows, &moments);
    Py_END_ALLOW_THREADS
    return is_done ? PyFloat_FromDouble(moments.weight) : PyErr_NoMemory();
}

static PyObject *add_moments(PyObject *module, PyObject *args)
{
    (void)module;
    return with_arrays(args, MOMENTS_FORMS, N_MOMENTS_ARRAYS, moments_of_arrays);
}

enum { ORIGIN = N_ROWS_ARRAYS, REST, FACTOR, OUT, N_CENTRED_ARRAYS };

static const Form CENTRED_FORMS[N_CENTRED_ARRAYS] = {
    ROWS_FORMS,
    {"origin", 1, "fd", INPUT},
    {"rest", 1, "fd", INPUT},
    {"factor", 1, "fd", INPUT},
    {"out", 2, "fd", STRIDED_OUTPUT},
};

static PyObject *centred_of_arrays(const Py_buffer *arrays, PyObject *args)
{
    (void)args;
    Rows rows;
    const Py_buffer *out = &arrays[OUT];
    Centred centred = {arrays[ORIGIN].buf, arrays[REST].buf, arrays[FACTOR].buf, out->buf,
                       out->strides[1]};
    const char type = arrays[X].format[0];
    if (!set_rows(arrays, &rows) || !is_shape(&arrays[ORIGIN], rows.n_observables, 1) ||
        !is_shape(&arrays[REST], rows.n_observables, 1) ||
        !is_shape(&arrays[FACTOR], rows.n_rows, 1) ||
        !is_shape(out, rows.n_rows, rows.n_observables) || out->strides[0] != out->itemsize ||
        !is_type(&arrays[ORIGIN], type) || !is_type(&arrays[REST], type) ||
        !is_type(&arrays[FACTOR], type) || !is_type(out, type))
        return misfit();
    int is_done;
    Py_BEGIN_ALLOW_THREADS
    is_done = (type == 'f' ? of_float : of_double).set_centred(&rows, &centred);
    Py_END_ALLOW_THREADS
    if (!is_done)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *set_centred(PyObject *module, PyObject *args)
{
    (void)module;
    return with_arrays(args, CENTRED_FORMS, N_CENTRED_ARRAYS, centred_of_arrays);
}

enum { MEAN = N_ROWS_ARRAYS, RATE, NORMS, N_NORMS_ARRAYS };

static const Form NORMS_FORMS[N_NORMS_ARRAYS] = {
    ROWS_FORMS,
    {"mean", 1, "fd", INPUT},
    {"rate", 1, "fd", INPUT},
    {"norms", 1, "fd", OUTPUT},
};

static PyObject *norms_of_arrays(const Py_buffer *arrays, PyObject *args)
{
    (void)args;
    Rows rows;
    Norms norms = {arrays[MEAN].buf, arrays[RATE].buf, arrays[NORMS].buf};
    const char type = arrays[X].format[0];
    if (!set_rows(arrays, &rows) || !is_shape(&arrays[MEAN], rows.n_observables, 1) ||
        !is_shape(&arrays[RATE], rows.n_observables, 1) ||
        !is_shape(&arrays[NORMS], rows.n_rows, 1) || !is_type(&arrays[MEAN], type) ||
        !is_type(&arrays[RATE], type) || !is_type(&arrays[NORMS], type))
        return misfit();
    int is_done;
    Py_BEGIN_ALLOW_THREADS
    is_done = (type == 'f' ? of_float : of_double).set_norms(&rows, &norms);
    Py_END_ALLOW_THREADS
    if (!is_done)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *set_norms(PyObject *module, PyObject *args)
{
    (void)module;
    return with_arrays(args, NORMS_FORMS, N_NORMS_ARRAYS, norms_of_arrays);
}

enum { ALL_SUMS, START, HEAD_RANK, TAIL_RANK, TERMS, TERM_MEAN, COLUMNS, N_SUMS_ARRAYS };

static const Form SUMS_FORMS[N_SUMS_ARRAYS] = {
    {"sums", 1, "d", INPUT},
    {"start", 1, "lq", INPUT},
    {"head_rank", 2, "lq", INPUT},
    {"tail_rank", 2, "lq", INPUT},
    {"terms", 2, "i", INPUT},
    {"mean", 1, "d", INPUT},
    {"columns", 2, "d", OUTPUT},
};

/* Whether all are numbers of factors. */
static int are_factors(const Py_buffer *array, Py_ssize_t n_factors)
{
    const int32_t *factor = array->buf;
    for (Py_ssize_t i = 0; i < array->len / array->itemsize; i++)
        if (factor[i] < 0 || factor[i] >= n_factors)
            return 0;
    return 1;
}

/* The arrays are followed by the number of the first column, and by the weight of all rows. */
static PyObject *scatter_of_arrays(const Py_buffer *arrays, PyObject *args)
{
    const Py_buffer *terms = &arrays[TERMS], *columns = &arrays[COLUMNS];
    const Layout layout = {
        .sums = arrays[ALL_SUMS].buf,
        .start = arrays[START].buf,
        .head_rank = arrays[HEAD_RANK].buf,
        .tail_rank = arrays[TAIL_RANK].buf,
        .terms = terms->buf,
        .mean = arrays[TERM_MEAN].buf,
        .n_sums = arrays[ALL_SUMS].shape[0],
        .n_heads = arrays[START].shape[0],
        .n_factors = arrays[HEAD_RANK].shape[1],
        .degree = terms->shape[1],
    };
    const Py_ssize_t n = terms->shape[0], half = n / 2;
    if (PyTuple_Size(args) != N_SUMS_ARRAYS + 2)
        return misfit();
    const Py_ssize_t first = PyLong_AsSsize_t(PyTuple_GetItem(args, N_SUMS_ARRAYS));
    const double weight = PyFloat_AsDouble(PyTuple_GetItem(args, N_SUMS_ARRAYS + 1));
    if (PyErr_Occurred())
        return NULL;
    if (!is_shape(&arrays[HEAD_RANK], 2 * layout.degree, layout.n_factors) ||
        !is_shape(&arrays[TAIL_RANK], 2 * layout.degree, layout.n_factors) ||
        !is_shape(&arrays[TERM_MEAN], n, 1) || !are_factors(terms, layout.n_factors) ||
        first < 0 || first + columns->shape[0] > n - half || columns->shape[1] != 2 * half + 1)
        return misfit();
    double *values = columns->buf;
    int are_found = 1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t k = first; k < first + columns->shape[0]; k++) {
        are_found &= add_row(&layout, weight, half + k, 0, half + k + 1, values);
        values += half + k + 1;
        are_found &= add_row(&layout, weight, k, k, half, values);
        values += half - k;
    }
    Py_END_ALLOW_THREADS
    if (!are_found)
        return misfit();
    Py_RETURN_NONE;
}

static PyObject *add_scatter(PyObject *module, PyObject *args)
{
    (void)module;
    return with_arrays(args, SUMS_FORMS, N_SUMS_ARRAYS, scatter_of_arrays);
}

static PyObject *use_vectors(PyObject *module, PyObject *n_bytes)
{
    const long wanted = PyLong_AsLong(n_bytes);
    (void)module;
    if (PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(use_bytes(wanted));
}

static PyMethodDef METHODS[] = {
    {"add_loss", add_loss, METH_VARARGS,
     "add_loss(X, lower, products, labels, hard_weight, soft_weight, softened, weights, "
     "intercept, gradient, sums, curvature, temperature)\n--\n\n"
     "Return the loss of rows, and add to its gradients by the weights and by the intercepts."},
    {"add_moments", add_moments, METH_VARARGS,
     "add_moments(X, lower, products, row_weight, mean, scatter)\n--\n\n"
     "Return the weight of rows, and turn zeros into means and scatters of the observables."},
    {"set_centred", set_centred, METH_VARARGS,
     "set_centred(X, lower, products, origin, rest, factor, out)\n--\n\n"
     "Set the observables of rows, less an origin, less a rest, times a factor of each row."},
    {"set_norms", set_norms, METH_VARARGS,
     "set_norms(X, lower, products, mean, rate, norms)\n--\n\n"
     "Set the squared norm of the observables of each row, less a mean and times a rate."},
    {"add_scatter", add_scatter, METH_VARARGS,
     "add_scatter(sums, start, head_rank, tail_rank, terms, mean, columns, first, weight)\n--\n\n"
     "Add the scatter of terms to columns of a packed triangle, from sums in the order of a "
     "layout."},
    {"use_vectors", use_vectors, METH_O,
     "use_vectors(n_bytes, /)\n--\n\n"
     "Use vectors of 16, 32 or 64 bytes from now on; return whether the processor can."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_kernel", NULL, 0, METHODS,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void)
{
    if (!use_bytes(64) && !use_bytes(32))
        use_bytes(16);
    return PyModule_Create(&MODULE);
}
