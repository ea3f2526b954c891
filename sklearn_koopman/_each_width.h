/* What kernels compute with vectors, compiled for each number type and each set of instructions,
   and which of them is used.

   A kernel's file of C includes this once, behind all that its template needs, and defines before
   TEMPLATE                the file that is included for each,
   FUNCTIONS(type, bytes)  its functions for a number type and vectors of so many bytes.
   For the template are defined
   REAL, UNSIGNED          the number type, and an unsigned integer as large,
   VECTOR_BYTES            the size of a vector,
   TARGET                  the attribute that allows these instructions,
   NAME(x)                 what x is called.

   Compiled by GCC or Clang; without it the package does the same in numpy. */

#include <stdint.h>
#include <stdlib.h>

#if !defined(__GNUC__)
#error "vectors need an extension of C that GCC and Clang have"
#endif

#define LINE_BYTES 64

#define PASTE_(x, suffix) x##_##suffix
#define PASTE(x, suffix) PASTE_(x, suffix)
#define NAME(x) PASTE(PASTE(x, REAL), VECTOR_BYTES)

/* Memory that begins with a cache line; NULL if there is none. */
static void *aligned_memory(size_t n_bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, LINE_BYTES, n_bytes) ? NULL : memory;
}

#define VECTOR_BYTES 16
#define TARGET
#define REAL float
#define UNSIGNED uint32_t
#include TEMPLATE
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include TEMPLATE
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef TARGET

#if defined(__x86_64__)
#define VECTOR_BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#define REAL float
#define UNSIGNED uint32_t
#include TEMPLATE
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include TEMPLATE
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef TARGET

#define VECTOR_BYTES 64
#define TARGET __attribute__((target("avx512f,avx512dq,fma")))
#define REAL float
#define UNSIGNED uint32_t
#include TEMPLATE
#undef REAL
#undef UNSIGNED
#define REAL double
#define UNSIGNED uint64_t
#include TEMPLATE
#undef REAL
#undef UNSIGNED
#undef VECTOR_BYTES
#undef TARGET
#endif

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
