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

/* Write the observables of images of one number type; return 0 if there is no memory. */
typedef int (*Lift)(const Plan *plan, const void *images, ptrdiff_t n_images,
                    const void *filters, /* n_numbers rows of n_padded */
                    const void *offsets, /* n_padded */
                    void *observables);

/* For numbers of so many bytes: float or double. */
Lift lift_of(size_t number_bytes);

/* Use vectors of so many bytes; return 0 if this processor has no instructions for them. */
int use_bytes_of_vectors(long n_bytes);

/* Bytes of the vectors in use. */
int vectors_in_use(void);
