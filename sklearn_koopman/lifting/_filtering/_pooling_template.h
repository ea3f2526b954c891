/* Pooled responses for one number type and one set of instructions.

   _each_width.h includes this file once for each, and says what it defines before. */

/* Vectors of filters that are multiplied together: as many as fit into registers. */
#if VECTOR_BYTES == 64
#define VECTORS 4
#else
#define VECTORS 2
#endif

typedef REAL NAME(vector) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef REAL NAME(unaligned) __attribute__((vector_size(VECTOR_BYTES), may_alias,
                                            aligned(sizeof(REAL))));
typedef UNSIGNED NAME(bits) __attribute__((vector_size(VECTOR_BYTES), may_alias));

#define VECTOR NAME(vector)
#define UNALIGNED NAME(unaligned)
#define BITS NAME(bits)
#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline)) TARGET

/* What an image has in memory of its own, used again for the next. */
typedef struct {
    REAL *image;
    REAL *scale;  /* of each place: what its responses are multiplied by */
    REAL *means;  /* of the patches of a line; then of their squares */
    REAL *sums;   /* of each cell, n_padded; those below a threshold come last */
} NAME(room);

/* The numbers above zero; zero for others. */
INLINE VECTOR NAME(above)(VECTOR x)
{
    return (VECTOR)((BITS)x & (BITS)(x > (VECTOR){0}));
}

/* One for numbers above zero; zero for others. */
INLINE VECTOR NAME(is_above)(VECTOR x)
{
    const VECTOR one = (VECTOR){0} + (REAL)1;
    return (VECTOR)((BITS)one & (BITS)(x > (VECTOR){0}));
}

/* Add the responses of some places of a line to the sums of their cells, but for the first ones.
   How many places and vectors of filters there are, and which function, is known when this is
   compiled. */
INLINE void NAME(add_places)(const Plan *plan, const REAL *image, const REAL *scale,
                             const REAL *filters, const REAL *offsets, REAL *sums,
                             const ptrdiff_t *cells, int n_left_out, const int n_places,
                             const int n_vectors, const int function)
{
    VECTOR responses[PLACES][MOST_VECTORS];
    for (int p = 0; p < n_places; p++)
        for (int v = 0; v < n_vectors; v++)
            responses[p][v] = (VECTOR){0};
    for (ptrdiff_t k = 0; k < plan->n_numbers; k++) {
        const REAL *pixels = image + plan->at[k];
        const UNALIGNED *filter = (const UNALIGNED *)(filters + k * plan->n_padded);
        VECTOR of_filters[MOST_VECTORS];
        for (int v = 0; v < n_vectors; v++)
            of_filters[v] = filter[v];
        for (int p = 0; p < n_places; p++) {
            const REAL pixel = pixels[p * plan->next_column];
            for (int v = 0; v < n_vectors; v++)
                responses[p][v] += of_filters[v] * pixel;
        }
    }
    const ptrdiff_t n_sums = plan->cells_down * plan->cells_across * plan->n_padded;
    for (int p = 0; p < n_places; p++) {
        if (p < n_left_out)
            continue;
        REAL *of_cell = sums + cells[p] * plan->n_padded;
        VECTOR *first = (VECTOR *)of_cell, *second = (VECTOR *)(of_cell + n_sums);
        for (int v = 0; v < n_vectors; v++) {
            VECTOR response = responses[p][v];
            if (scale)
                response *= scale[p];
            response += ((const UNALIGNED *)offsets)[v];
            if (function == THRESHOLD) {
                first[v] += NAME(above)(response);
                second[v] += NAME(above)(-response - (REAL)plan->width);
            } else if (function == PROPORTION) {
                first[v] += NAME(is_above)(response);
                second[v] += NAME(is_above)(-response - (REAL)plan->width);
            } else if (function == INTENSITY) {
                first[v] += response * response;
            } else {
                first[v] += NAME(above)(response) + NAME(above)(-response);
            }
        }
    }
}

/* Add the responses of all places to some vectors of filters. */
INLINE void NAME(add_filters)(const Plan *plan, const NAME(room) *room, const REAL *filters,
                              const REAL *offsets, ptrdiff_t first, const int n_vectors,
                              const int function)
{
    for (ptrdiff_t line = 0; line < plan->down; line++) {
        const REAL *image = room->image + line * plan->next_line;
        const REAL *scale = room->scale ? room->scale + line * plan->across : NULL;
        REAL *sums =
            room->sums + plan->cell_of_line[line] * plan->cells_across * plan->n_padded + first;
        ptrdiff_t column = 0;
        while (column < plan->across) {
            /* The last places may have been others' before. */
            const ptrdiff_t last = plan->across - PLACES;
            const ptrdiff_t begin = column > last && last >= 0 ? last : column;
            const REAL *pixels = image + begin * plan->next_column;
            const REAL *scales = scale ? scale + begin : NULL;
            const ptrdiff_t *cells = plan->cell_of_column + begin;
            if (last >= 0) {
                NAME(add_places)(plan, pixels, scales, filters + first, offsets + first, sums,
                                 cells, (int)(column - begin), PLACES, n_vectors, function);
                column = begin + PLACES;
            } else {
                NAME(add_places)(plan, pixels, scales, filters + first, offsets + first, sums,
                                 cells, 0, 1, n_vectors, function);
                column++;
            }
        }
    }
}

INLINE void NAME(add_all_filters)(const Plan *plan, const NAME(room) *room, const REAL *filters,
                                  const REAL *offsets, const int function)
{
    ptrdiff_t first = 0;
    for (; first + VECTORS * LANES <= plan->n_padded; first += VECTORS * LANES)
        NAME(add_filters)(plan, room, filters, offsets, first, VECTORS, function);
    for (; first < plan->n_padded; first += LANES)
        NAME(add_filters)(plan, room, filters, offsets, first, 1, function);
}

/* Copy an image, less its mean if that is asked for. */
INLINE void NAME(set_image)(const Plan *plan, const REAL *pixels, REAL *image)
{
    double mean = 0;
    if (plan->is_centred) {
        for (ptrdiff_t i = 0; i < plan->n_pixels; i++)
            mean += pixels[i];
        mean /= (double)plan->n_pixels;
    }
    for (ptrdiff_t i = 0; i < plan->n_pixels; i++)
        image[i] = pixels[i] - (REAL)mean;
}

/* Set one over the root of the variance of each patch and what is added to it. */
INLINE void NAME(set_scale)(const Plan *plan, const NAME(room) *room)
{
    const ptrdiff_t across = plan->across, step = plan->next_column;
    REAL *restrict means = room->means, *restrict squares = room->means + across;
    const REAL share = 1 / (REAL)plan->n_numbers, contrast = (REAL)plan->contrast;
    for (ptrdiff_t line = 0; line < plan->down; line++) {
        memset(means, 0, 2 * (size_t)across * sizeof(REAL));
        for (ptrdiff_t k = 0; k < plan->n_numbers; k++) {
            const REAL *restrict pixels = room->image + line * plan->next_line + plan->at[k];
            if (step == 1) { /* so that the compiler makes vectors of it */
                for (ptrdiff_t i = 0; i < across; i++) {
                    means[i] += pixels[i];
                    squares[i] += pixels[i] * pixels[i];
                }
            } else {
                for (ptrdiff_t i = 0; i < across; i++) {
                    means[i] += pixels[i * step];
                    squares[i] += pixels[i * step] * pixels[i * step];
                }
            }
        }
        REAL *restrict scale = room->scale + line * across;
        for (ptrdiff_t i = 0; i < across; i++) {
            const REAL mean = means[i] * share;
            REAL variance = squares[i] * share - mean * mean;
            variance = variance > 0 ? variance : 0; /* not below by rounding */
            scale[i] = 1 / (REAL)sqrt(variance + contrast);
        }
    }
}

/* Write the means of the cells, or their roots, filter by filter. */
INLINE void NAME(write_means)(const Plan *plan, REAL *sums, ptrdiff_t n_signs, REAL *observables)
{
    const ptrdiff_t n_cells = plan->cells_down * plan->cells_across, n_padded = plan->n_padded;
    for (ptrdiff_t i = 0; i < n_signs * n_cells; i++) {
        REAL *restrict of_cell = sums + i * n_padded;
        const REAL weight = (REAL)plan->cell_weights[i % n_cells];
        for (ptrdiff_t j = 0; j < n_padded; j++)
            of_cell[j] *= weight;
        if (plan->root)
            for (ptrdiff_t j = 0; j < n_padded; j++)
                of_cell[j] = (REAL)(sizeof(REAL) == sizeof(float) ? sqrtf((float)of_cell[j])
                                                                  : sqrt(of_cell[j]));
    }
    for (ptrdiff_t j = 0; j < plan->n_filters; j++)
        for (ptrdiff_t i = 0; i < n_signs * n_cells; i++)
            *observables++ = sums[i * n_padded + j];
}

TARGET static int NAME(lift)(const Plan *plan, const void *images, ptrdiff_t n_images,
                             const void *filters, const void *offsets, void *observables)
{
    const ptrdiff_t n_signs = plan->function <= PROPORTION ? 2 : 1;
    const ptrdiff_t n_cells = plan->cells_down * plan->cells_across;
    const size_t n_sums = (size_t)(n_signs * n_cells * plan->n_padded);
    const size_t n_places = (size_t)(plan->down * plan->across);
    REAL *memory = aligned_memory(
        sizeof(REAL) * (n_sums + (size_t)plan->n_pixels + n_places + 2 * (size_t)plan->across));
    if (!memory)
        return 0;
    NAME(room) room;
    room.sums = memory; /* aligned, the others need not be */
    room.image = memory + n_sums;
    room.means = room.image + plan->n_pixels;
    room.scale = plan->contrast < 0 ? NULL : room.means + 2 * plan->across;
    for (ptrdiff_t i = 0; i < n_images; i++) {
        NAME(set_image)(plan, (const REAL *)images + i * plan->n_pixels, room.image);
        if (room.scale)
            NAME(set_scale)(plan, &room);
        memset(room.sums, 0, n_sums * sizeof(REAL));
        if (plan->function == THRESHOLD)
            NAME(add_all_filters)(plan, &room, filters, offsets, THRESHOLD);
        else if (plan->function == PROPORTION)
            NAME(add_all_filters)(plan, &room, filters, offsets, PROPORTION);
        else if (plan->function == INTENSITY)
            NAME(add_all_filters)(plan, &room, filters, offsets, INTENSITY);
        else
            NAME(add_all_filters)(plan, &room, filters, offsets, MAGNITUDE);
        NAME(write_means)(plan, room.sums, n_signs,
                          (REAL *)observables + i * plan->n_filters * n_signs * n_cells);
    }
    free(memory);
    return 1;
}

#undef VECTOR
#undef UNALIGNED
#undef BITS
#undef LANES
#undef INLINE
#undef VECTORS
