/* Sums over rows whose observables are products of their variables: the distillation loss and its
   gradient, means and scatters, norms.

   numpy makes the observables of a block of rows, reads them for the logits and once more for the
   gradient, and all of that takes longer than the arithmetic. Here they are never stored: each is
   the product of two rows of a table of lower products, which is small enough to stay in the
   processor's caches, and is multiplied where it is needed. */

#include "_kernel_arithmetic.h"

/* Sums that are kept in registers, several times: one for each class of ten but the last. */
#define MOST_SUMS 9
/* Problems of two or three classes take these instead. */
#define FEW_SUMS 2

/* Rows of a table are an odd number of cache lines long, so that they do not evict each other. */
#define MOST_LINES 33
#define FEWEST_LINES 5
#define TABLE_BYTES (1 << 20)

/* The first half of the factors of both terms, in ascending order, is a head, the rest a tail. The
   place of a factor is the number of those before it: counting takes no branches. Ranks may be any
   numbers, and no sum of unsigned ones is undefined. */
static uint64_t place_of_sum(const Layout *layout, const int32_t *term, const int32_t *other)
{
    uint64_t head = 0, tail = 0;
    for (ptrdiff_t i = 0; i < layout->degree; i++) {
        ptrdiff_t of_term = i, of_other = i;
        for (ptrdiff_t k = 0; k < layout->degree; k++) {
            of_term += other[k] < term[i];
            of_other += term[k] <= other[i];
        }
        const ptrdiff_t first = of_term * layout->n_factors + term[i];
        const ptrdiff_t second = of_other * layout->n_factors + other[i];
        head += (uint64_t)layout->head_rank[first] + (uint64_t)layout->head_rank[second];
        tail += (uint64_t)layout->tail_rank[first] + (uint64_t)layout->tail_rank[second];
    }
    return head < (uint64_t)layout->n_heads ? (uint64_t)layout->start[head] + tail : UINT64_MAX;
}

/* Add the scatter of a term with a range of others; return whether there are sums for all. */
static int add_row(const Layout *layout, double weight, ptrdiff_t i, ptrdiff_t first,
                   ptrdiff_t last, double *values)
{
    const int32_t *term = layout->terms + i * layout->degree;
    const double weighted = weight * layout->mean[i];
    int are_found = 1;
    for (ptrdiff_t j = first; j < last; j++) {
        const uint64_t place = place_of_sum(layout, term, layout->terms + j * layout->degree);
        const int is_found = place < (uint64_t)layout->n_sums;
        values[j - first] += (is_found ? layout->sums[place] : 0.0) - weighted * layout->mean[j];
        are_found &= is_found;
    }
    return are_found;
}

int add_columns(const Layout *layout, double weight, ptrdiff_t first, ptrdiff_t n_columns,
                double *values)
{
    const ptrdiff_t half = layout->n_terms / 2;
    int are_found = 1;
    for (ptrdiff_t k = first; k < first + n_columns; k++) {
        are_found &= add_row(layout, weight, half + k, 0, half + k + 1, values);
        values += half + k + 1;
        are_found &= add_row(layout, weight, k, k, half, values);
        values += half - k;
    }
    return are_found;
}

/* GCC reads a vector from memory for each of its uses, unless something may have changed it. */
#if defined(__x86_64__)
#define READ_ONCE(vector) __asm__("" : "+v"(vector))
#else
#define READ_ONCE(vector)
#endif

#define TEMPLATE "_kernel_template.h"
#define FUNCTIONS(type, bytes) \
    ((Functions){PASTE(PASTE(add_loss, type), bytes), PASTE(PASTE(add_moments, type), bytes), \
                 PASTE(PASTE(set_centred, type), bytes), PASTE(PASTE(set_norms, type), bytes)})
#include "_each_width.h"
