/* What _kernel.pyx and _kernel_arithmetic.c know of each other: plain C, no Python. */

#include <stddef.h>
#include <stdint.h>

/* Two rows of the table: the constant 1, the variables, then the lower products. */
typedef struct {
    int32_t left, right;
} Product;

/* Rows of variables, and how they multiply. */
typedef struct {
    const char *X;
    ptrdiff_t X_row, X_column; /* bytes from one to the next */
    int X_is_float;
    ptrdiff_t n_rows, n_variables, n_lower, n_observables, n_table;
    const Product *lower, *products;
} Rows;

typedef struct {
    ptrdiff_t n_classes;
    const int64_t *labels;
    const double *hard_weight, *soft_weight;
    const void *softened, *weights, *intercept; /* softened may be NULL */
    double temperature;
    double value, *gradient, *sums;
    void *curvature; /* may be NULL */
} Loss;

/* What is done to rows, in one number type; each returns 0 if there is no memory. */
typedef struct {
    /* Set the loss of rows, and add to its gradients. */
    int (*add_loss)(const Rows *, Loss *);
    /* Add rows to the weight of all, and to means and scatters. */
    int (*add_moments)(const Rows *, const double *weight_of_row, double *weight, double *mean,
                       double *scatter);
    /* Write observables, less an origin and a rest of each, times a factor of the row, to columns
       so many bytes apart. */
    int (*set_centred)(const Rows *, const void *origin, const void *rest, const void *factor,
                       void *columns, ptrdiff_t column_bytes);
    /* Set the squared norms of observables, less a mean and times a rate. */
    int (*set_norms)(const Rows *, const void *mean, const void *rate, void *norms);
} Functions;

#include "_widths.h"

/* Monomials, and where the sums of their products are; see _power_sums.py. */
typedef struct {
    const double *sums, *mean;
    const int64_t *start;                 /* of each head: its sum with a tail before all others */
    const int64_t *head_rank, *tail_rank; /* n_factors for each place among 2 degree factors */
    const int32_t *terms;                 /* degree factors of each */
    ptrdiff_t n_sums, n_heads, n_terms, n_factors, degree;
} Layout;

/* Add the scatter of terms to columns of a packed triangle; return whether there are sums for
   all. */
int add_columns(const Layout *layout, double weight, ptrdiff_t first, ptrdiff_t n_columns,
                double *values);
