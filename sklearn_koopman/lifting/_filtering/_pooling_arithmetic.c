/* Responses of filters at all places of an image, summed over the cells of a grid.

   BLAS multiplies patches, which have to be written for it, and writes responses, which have to be
   read to be summed: all that takes longer than the products. Here neither is stored. Filters lie
   side by side in vectors, some places at a time are multiplied with them in registers, and what
   comes out is added to the sums of its cell. */

#include "_pooling_arithmetic.h"

#include <math.h>
#include <string.h>

/* Places whose responses are in registers together. */
#define PLACES 6
#define MOST_VECTORS 4

#define TEMPLATE "_pooling_template.h"
#define FUNCTIONS(type, bytes) ((Functions){PASTE(PASTE(lift, type), bytes)})
#include "_each_width.h"
