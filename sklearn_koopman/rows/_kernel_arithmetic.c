/* Sums over rows whose observables are products of their variables: the distillation loss and its
   gradient, means and scatters, norms.

   numpy makes the observables of a block of rows, reads them for the logits and once more for the
   gradient, and all of that takes longer than the arithmetic. Here they are never stored: each is
   the product of two rows of a table of lower products, which is small enough to stay in the
   processor's caches, and is multiplied where it is needed.

   Compiled by GCC or Clang; without it the package does the same in numpy. */

#include "_kernel_arithmetic.h"

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

#define FUNCTIONS(type, bytes) \
    ((Functions){PASTE(PASTE(add_loss, type), bytes), PASTE(PASTE(add_moments, type), bytes), \
                 PASTE(PASTE(set_centred, type), bytes), PASTE(PASTE(set_norms, type), bytes)})

static Functions of_float, of_double;
static int vector_bytes;

const Functions *functions_of(size_t number_bytes)
{
    return number_bytes == sizeof(float) ? &of_float : &of_double;
}

int bytes_in_use(void)
{
    return vector_bytes;
}

#define USE(bytes) \
    (of_float = FUNCTIONS(float, bytes), of_double = FUNCTIONS(double, bytes), \
     vector_bytes = bytes)

int use_bytes(long n_bytes)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (n_bytes == 64 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512dq"))
        return USE(64);
    if (n_bytes == 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return USE(32);
#endif
    return n_bytes == 16 ? USE(16) : 0;
}
