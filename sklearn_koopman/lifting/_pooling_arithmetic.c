/* Responses of filters at all places of an image, summed over the cells of a grid.

   BLAS multiplies patches, which have to be written for it, and writes responses, which have to be
   read to be summed: all that takes longer than the products. Here neither is stored. Filters lie
   side by side in vectors, some places at a time are multiplied with them in registers, and what
   comes out is added to the sums of its cell.

   Compiled by GCC or Clang; without it the package does the same in numpy. */

#include "_pooling_arithmetic.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GNUC__)
#error "vectors need an extension of C that GCC and Clang have"
#endif

#define LINE_BYTES 64
/* Places whose responses are in registers together. */
#define PLACES 6
#define MOST_VECTORS 4

#define PASTE_(x, suffix) x##_##suffix
#define PASTE(x, suffix) PASTE_(x, suffix)
#define NAME(x) PASTE(PASTE(x, REAL), VECTOR_BYTES)

static void *aligned_memory(size_t n_bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, LINE_BYTES, n_bytes) ? NULL : memory;
}

#define VECTOR_BYTES 16
#define VECTORS 2
#define TARGET
#define REAL float
#define UNSIGNED uint32_t
#include "_pooling_template.h"
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include "_pooling_template.h"
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef VECTORS
#undef TARGET

#if defined(__x86_64__)
#define VECTOR_BYTES 32
#define VECTORS 2
#define TARGET __attribute__((target("avx2,fma")))
#define REAL float
#define UNSIGNED uint32_t
#include "_pooling_template.h"
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include "_pooling_template.h"
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef VECTORS
#undef TARGET

#define VECTOR_BYTES 64
#define VECTORS 4
#define TARGET __attribute__((target("avx512f,avx512dq,fma")))
#define REAL float
#define UNSIGNED uint32_t
#include "_pooling_template.h"
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include "_pooling_template.h"
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef VECTORS
#undef TARGET
#endif

static Lift of_float, of_double;
static int vector_bytes;

Lift lift_of(size_t number_bytes)
{
    return number_bytes == sizeof(float) ? of_float : of_double;
}

int vectors_in_use(void)
{
    return vector_bytes;
}

#define USE(bytes) \
    (of_float = PASTE(PASTE(lift, float), bytes), of_double = PASTE(PASTE(lift, double), bytes), \
     vector_bytes = bytes)

int use_bytes_of_vectors(long n_bytes)
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
