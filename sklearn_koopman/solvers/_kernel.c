/* The distillation loss of a student whose observables are products of its variables.

   numpy makes the observables of a block of rows, reads them for the logits and once more for the
   gradient, and all of that takes longer than the arithmetic. Here they are never stored: each is
   the product of two rows of a table of lower products, which is small enough to stay in the
   processor's caches, and is multiplied where it is needed.

   Compiled by GCC or Clang; without it the package does the same in numpy. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#if !defined(__GNUC__)
#error "vectors need an extension of C that GCC and Clang have"
#endif

/* Sums that are kept in registers, times AT_ONCE. */
#define MOST_CLASSES 10
/* Problems of two or three classes take these instead. */
#define FEW_CLASSES 3

#define LINE_BYTES 64
/* Rows of a table are an odd number of cache lines long, so that they do not evict each other. */
#define MOST_LINES 33
#define FEWEST_LINES 5
#define TABLE_BYTES (1 << 20)

/* Two rows of the table: the constant 1, the variables, then the lower products. */
typedef struct {
    int32_t left, right;
} Product;

typedef struct {
    const char *X;
    Py_ssize_t X_row, X_column; /* bytes from one to the next */
    int X_is_float;
    Py_ssize_t n_rows, n_variables, n_lower, n_observables, n_classes;
    const Product *lower, *products;
    const int64_t *labels;
    const double *hard_weight, *soft_weight;
    const void *softened, *weights, *intercept; /* softened may be NULL */
    double temperature;
    double *gradient, *sums;
    void *curvature; /* may be NULL */
} Block;

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
#undef TARGET

#if defined(__x86_64__)
#define VECTOR_BYTES 32
#define AT_ONCE 1
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
#undef TARGET

#define VECTOR_BYTES 64
#define AT_ONCE 2
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
#undef TARGET
#endif

typedef int (*AddBlock)(const Block *, double *);

static AddBlock add_float_block = add_block_float_16, add_double_block = add_block_double_16;

static void choose_instructions(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {
        add_float_block = add_block_float_64;
        add_double_block = add_block_double_64;
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        add_float_block = add_block_float_32;
        add_double_block = add_block_double_32;
    }
#endif
}

/* What is known of an argument: how many dimensions it has, and of which type it is. */
typedef struct {
    const char *name;
    int n_dimensions;
    const char *types; /* of the struct module; the first letter of each that will do */
    int is_optional, is_output;
} Form;

enum { X, LOWER, PRODUCTS, LABELS, HARD, SOFT, SOFTENED, WEIGHTS, INTERCEPT, GRADIENT, SUMS,
       CURVATURE, N_ARRAYS };

static const Form FORMS[N_ARRAYS] = {
    {"X", 2, "fd", 0, 0},          {"lower", 2, "i", 0, 0},
    {"products", 2, "i", 0, 0},    {"labels", 1, "lq", 0, 0},
    {"hard_weight", 1, "d", 0, 0}, {"soft_weight", 1, "d", 0, 0},
    {"softened", 2, "fd", 1, 0},   {"weights", 2, "fd", 0, 0},
    {"intercept", 1, "fd", 0, 0},  {"gradient", 2, "d", 0, 1},
    {"sums", 1, "d", 0, 1},        {"curvature", 1, "fd", 1, 1},
};

/* Take an array; return whether it has the form that is expected of it. */
static int take(PyObject *object, const Form *form, Py_buffer *array)
{
    if (form->is_optional && object == Py_None)
        return 1;
    int flags = PyBUF_FORMAT | (form == FORMS ? PyBUF_STRIDES : PyBUF_C_CONTIGUOUS);
    if (PyObject_GetBuffer(object, array, flags | (form->is_output ? PyBUF_WRITABLE : 0)))
        return 0;
    if (array->ndim == form->n_dimensions && array->format[1] == '\0')
        for (const char *type = form->types; *type; type++)
            if (*type == array->format[0])
                return 1;
    PyErr_Format(PyExc_TypeError, "%s has %d dimensions of format %s", form->name, array->ndim,
                 array->format);
    return 0;
}

static int is_shape(const Py_buffer *array, Py_ssize_t n, Py_ssize_t m)
{
    return !array->obj || (array->shape[0] == n && (array->ndim == 1 || array->shape[1] == m));
}

static int are_rows_of_table(const Py_buffer *products, Py_ssize_t n_rows, Py_ssize_t n_more)
{
    const Product *product = products->buf;
    for (Py_ssize_t j = 0; j < products->shape[0]; j++, n_rows += n_more)
        if (product[j].left < 0 || product[j].left >= n_rows || product[j].right < 0 ||
            product[j].right >= n_rows)
            return 0;
    return 1;
}

static int labels_are_classes(const Py_buffer *labels, Py_ssize_t n_classes)
{
    for (Py_ssize_t i = 0; i < labels->shape[0]; i++)
        if (((const int64_t *)labels->buf)[i] >= n_classes)
            return 0;
    return 1;
}

static PyObject *add_checked(const Py_buffer *array, double temperature)
{
    Block block = {
        .X = array[X].buf,
        .X_row = array[X].strides[0],
        .X_column = array[X].strides[1],
        .X_is_float = array[X].format[0] == 'f',
        .n_rows = array[X].shape[0],
        .n_variables = array[X].shape[1],
        .n_lower = array[LOWER].shape[0],
        .n_observables = array[PRODUCTS].shape[0],
        .n_classes = array[WEIGHTS].shape[0],
        .lower = array[LOWER].buf,
        .products = array[PRODUCTS].buf,
        .labels = array[LABELS].buf,
        .hard_weight = array[HARD].buf,
        .soft_weight = array[SOFT].buf,
        .softened = array[SOFTENED].buf,
        .weights = array[WEIGHTS].buf,
        .intercept = array[INTERCEPT].buf,
        .temperature = temperature,
        .gradient = array[GRADIENT].buf,
        .sums = array[SUMS].buf,
        .curvature = array[CURVATURE].buf,
    };
    const Py_ssize_t n = block.n_rows, n_classes = block.n_classes;
    const Py_ssize_t n_known = 1 + block.n_variables;
    int fits = is_shape(&array[LOWER], block.n_lower, 2) &&
               is_shape(&array[PRODUCTS], block.n_observables, 2) &&
               is_shape(&array[LABELS], n, 1) && is_shape(&array[HARD], n, 1) &&
               is_shape(&array[SOFT], n, 1) && is_shape(&array[SOFTENED], n, n_classes) &&
               is_shape(&array[WEIGHTS], n_classes, block.n_observables) &&
               is_shape(&array[INTERCEPT], n_classes, 1) &&
               is_shape(&array[GRADIENT], block.n_observables, n_classes) &&
               is_shape(&array[SUMS], n_classes, 1) && is_shape(&array[CURVATURE], n, 1);
    const char type = array[WEIGHTS].format[0];
    fits = fits && array[INTERCEPT].format[0] == type &&
           (!array[SOFTENED].obj || array[SOFTENED].format[0] == type) &&
           (!array[CURVATURE].obj || array[CURVATURE].format[0] == type) &&
           are_rows_of_table(&array[LOWER], n_known, 1) &&
           are_rows_of_table(&array[PRODUCTS], n_known + block.n_lower, 0) &&
           labels_are_classes(&array[LABELS], n_classes);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the arrays do not belong together");
        return NULL;
    }
    double value = 0;
    int is_done;
    Py_BEGIN_ALLOW_THREADS
    is_done = (type == 'f' ? add_float_block : add_double_block)(&block, &value);
    Py_END_ALLOW_THREADS
    return is_done ? PyFloat_FromDouble(value) : PyErr_NoMemory();
}

static PyObject *add_loss(PyObject *module, PyObject *args)
{
    Py_buffer array[N_ARRAYS] = {{0}};
    PyObject *objects[N_ARRAYS], *result = NULL;
    double temperature;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOOOOd", &objects[X], &objects[LOWER],
                          &objects[PRODUCTS], &objects[LABELS], &objects[HARD], &objects[SOFT],
                          &objects[SOFTENED], &objects[WEIGHTS], &objects[INTERCEPT],
                          &objects[GRADIENT], &objects[SUMS], &objects[CURVATURE],
                          &temperature))
        return NULL;
    int n_taken = 0;
    while (n_taken < N_ARRAYS && take(objects[n_taken], &FORMS[n_taken], &array[n_taken]))
        n_taken++;
    if (n_taken == N_ARRAYS)
        result = add_checked(array, temperature);
    for (int i = 0; i < N_ARRAYS; i++)
        PyBuffer_Release(&array[i]);
    return result;
}

static PyMethodDef METHODS[] = {
    {"add_loss", add_loss, METH_VARARGS,
     "add_loss(X, lower, products, labels, hard_weight, soft_weight, softened, weights, "
     "intercept, gradient, sums, curvature, temperature)\n--\n\n"
     "Return the loss of rows, and add to its gradients by the weights and by the intercepts."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_kernel", NULL, 0, METHODS,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void)
{
    choose_instructions();
    return PyModule_Create(&MODULE);
}
