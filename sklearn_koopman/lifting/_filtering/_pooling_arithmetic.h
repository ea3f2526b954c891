/* What _pooling.pyx and _pooling_arithmetic.c know of each other: plain C, no Python. */

#include <stddef.h>

/* Functions of a response that are summed; the first two have a sum for each side. */
enum { THRESHOLD, PROPORTION, INTENSITY, MAGNITUDE };

/* Where filters are laid on an image, and what is done with their responses. */
typedef struct {
    ptrdiff_t n_pixels;                  /* of an image, all channels */
    ptrdiff_t down, across;              /* places */
    ptrdiff_t next_line, next_column;    /* pixels from a place to the one below and beside it */
    ptrdiff_t n_numbers;                 /* of a filter */
    const ptrdiff_t *at;                 /* pixels from a place to each of these */
    ptrdiff_t n_filters, n_padded;       /* the latter are whole cache lines of numbers */
    ptrdiff_t cells_down, cells_across;
    const ptrdiff_t *cell_of_line, *cell_of_column;
    const double *cell_weights;
    double contrast;                     /* negative: patches are not divided */
    double width;                        /* between both sides of a threshold */
    int function, is_centred, root;
} Plan;

/* What is done to images, in one number type. */
typedef struct {
    /* Write their observables; return 0 if there is no memory. */
    int (*lift)(const Plan *plan, const void *images, ptrdiff_t n_images,
                const void *filters, /* n_numbers rows of n_padded */
                const void *offsets, /* n_padded */
                void *observables);
} Functions;

#include "_widths.h"
