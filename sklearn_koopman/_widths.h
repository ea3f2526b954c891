/* What a kernel's two files know of its functions for each number type and width of vectors; the
   names are the kernel's own, and no other library sees them. */

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility push(hidden)
#endif

/* Of numbers of so many bytes: float or double. */
const Functions *functions_of(size_t number_bytes);

/* Use vectors of so many bytes; return 0 if this processor has no instructions for them. */
int use_bytes(long n_bytes);

/* Bytes of the vectors in use. */
int bytes_in_use(void);

#if defined(__GNUC__) && !defined(_WIN32)
#pragma GCC visibility pop
#endif
