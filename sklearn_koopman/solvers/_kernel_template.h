/* The loss of rows and its gradient for one number type and one set of instructions.

   _kernel.c includes this file once for each, and defines before
   REAL, UNSIGNED   the number type, and an unsigned integer as large,
   VECTOR_BYTES     the size of a vector,
   AT_ONCE          how many sums of vectors, times MOST_CLASSES, fit into registers,
   TARGET           the attribute that allows these instructions,
   NAME(x)          what x is called.

   Rows are taken as many at a time as a vector has lanes: a strip, one row a lane. */

typedef REAL NAME(vector) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef UNSIGNED NAME(bits) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef REAL NAME(part) __attribute__((vector_size(16), may_alias));

#define VECTOR NAME(vector)
#define BITS NAME(bits)
#define LANES ((Py_ssize_t)(VECTOR_BYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline)) TARGET

/* Rows that are looked at together, as many as LINES cache lines hold numbers. */
typedef struct {
    const Block *block;
    const REAL *weights;    /* of MOST_CLASSES classes after the other, n_observables rows each */
    const REAL *intercept;  /* one for each padded class */
    Py_ssize_t n_padded;    /* classes, and zeros up to a multiple of MOST_CLASSES */
    char *table;            /* rows of factors, row_bytes long */
    Py_ssize_t row_bytes;
    VECTOR *logits;         /* of a strip after the other, n_padded each; then residuals */
    VECTOR *work;           /* twice n_padded vectors */
    Py_ssize_t n_strips;
    Py_ssize_t first_row, n_rows;
} NAME(group);

INLINE VECTOR NAME(all)(REAL x)
{
    return (VECTOR){0} + x;
}

INLINE VECTOR NAME(larger)(VECTOR x, VECTOR y)
{
    BITS is_x = (BITS)(x > y);
    return (VECTOR)(((BITS)x & is_x) | ((BITS)y & ~is_x));
}

/* exp(x) for x <= 0: 2^n exp(r) with |r| <= log(2) / 2, where the Taylor series is short. */
INLINE VECTOR NAME(exp)(VECTOR x)
{
    const int is_float = sizeof(REAL) == sizeof(float);
    /* What is added to this is rounded to an integer, which is then in the last bits. */
    const REAL rounder = is_float ? 0x1.8p23 : 0x1.8p52;
    const REAL least = is_float ? -87 : -708;
    /* log(2) in two parts, the first so short that its products with n are exact. */
    const REAL log2_high = is_float ? 0x1.63p-1 : 0x1.62e42fee00000p-1;
    const REAL log2_low = is_float ? -0x1.bd0106p-13 : 0x1.a39ef35793c76p-33;
    x = NAME(larger)(x, NAME(all)(least));
    VECTOR rounded = x * (REAL)0x1.71547652b82fep+0 + rounder;
    VECTOR n = rounded - rounder;
    VECTOR r = (x - n * log2_high) - n * log2_low;
    VECTOR sum = NAME(all)(1);
    for (int k = is_float ? 7 : 13; k > 0; k--)
        sum = sum * r * (REAL)(1.0 / k) + (REAL)1;
    return (VECTOR)((BITS)sum + ((BITS)rounded << (is_float ? 23 : 52)));
}

INLINE REAL NAME(total)(VECTOR v)
{
    const NAME(part) *parts = (const NAME(part) *)&v;
    NAME(part) sum = parts[0];
    for (int i = 1; i < VECTOR_BYTES / 16; i++)
        sum += parts[i];
    REAL total = sum[0];
    for (int i = 1; i < (int)(16 / sizeof(REAL)); i++)
        total += sum[i];
    return total;
}

/* The constant, the variables, and the lower products of the rows of a group. */
INLINE void NAME(fill_table)(const NAME(group) *group)
{
    const Block *block = group->block;
    REAL *one = (REAL *)group->table;
    for (Py_ssize_t i = 0; i < group->n_strips * LANES; i++)
        one[i] = i < group->n_rows;
    for (Py_ssize_t v = 0; v < block->n_variables; v++) {
        REAL *row = (REAL *)(group->table + (1 + v) * group->row_bytes);
        const char *x = block->X + group->first_row * block->X_row + v * block->X_column;
        if (block->X_is_float)
            for (Py_ssize_t i = 0; i < group->n_rows; i++)
                row[i] = *(const float *)(x + i * block->X_row);
        else
            for (Py_ssize_t i = 0; i < group->n_rows; i++)
                row[i] = *(const double *)(x + i * block->X_row);
        for (Py_ssize_t i = group->n_rows; i < group->n_strips * LANES; i++)
            row[i] = 0;
    }
    char *made = group->table + (1 + block->n_variables) * group->row_bytes;
    for (Py_ssize_t j = 0; j < block->n_lower; j++, made += group->row_bytes) {
        const VECTOR *left = (VECTOR *)(group->table + block->lower[j].left * group->row_bytes);
        const VECTOR *right =
            (VECTOR *)(group->table + block->lower[j].right * group->row_bytes);
        for (Py_ssize_t s = 0; s < group->n_strips; s++)
            ((VECTOR *)made)[s] = left[s] * right[s];
    }
}

INLINE VECTOR NAME(observable)(const NAME(group) *group, Product product, Py_ssize_t strip)
{
    const VECTOR *left = (const VECTOR *)(group->table + product.left * group->row_bytes);
    const VECTOR *right = (const VECTOR *)(group->table + product.right * group->row_bytes);
    return left[strip] * right[strip];
}

/* The logits of n_strips strips for n_classes classes: both constants where this is inlined. */
INLINE void NAME(multiply)(const NAME(group) *group, Py_ssize_t strip, const int n_strips,
                           Py_ssize_t first_class, const int n_classes)
{
    const Product *products = group->block->products;
    const Py_ssize_t n_observables = group->block->n_observables;
    const REAL *weights = group->weights + first_class * n_observables;
    VECTOR sums[AT_ONCE][MOST_CLASSES];
    for (int s = 0; s < n_strips; s++)
        for (int c = 0; c < n_classes; c++)
            sums[s][c] = NAME(all)(group->intercept[first_class + c]);
    for (Py_ssize_t j = 0; j < n_observables; j++, weights += MOST_CLASSES)
        for (int s = 0; s < n_strips; s++) {
            VECTOR psi = NAME(observable)(group, products[j], strip + s);
            for (int c = 0; c < n_classes; c++)
                sums[s][c] += psi * weights[c];
        }
    for (int s = 0; s < n_strips; s++)
        for (int c = 0; c < n_classes; c++)
            group->logits[(strip + s) * group->n_padded + first_class + c] = sums[s][c];
}

/* Add to the gradient by the weights of n_observables observables and n_classes classes. */
INLINE void NAME(multiply_back)(const NAME(group) *group, Py_ssize_t j, const int n_observables,
                                Py_ssize_t first_class, const int n_classes)
{
    const Block *block = group->block;
    const VECTOR *residual = group->logits + first_class;
    VECTOR sums[AT_ONCE][MOST_CLASSES] = {{{0}}};
    for (Py_ssize_t s = 0; s < group->n_strips; s++, residual += group->n_padded) {
        VECTOR psi[AT_ONCE];
        for (int i = 0; i < n_observables; i++)
            psi[i] = NAME(observable)(group, block->products[j + i], s);
        for (int c = 0; c < n_classes; c++)
            for (int i = 0; i < n_observables; i++)
                sums[i][c] += psi[i] * residual[c];
    }
    double *gradient = block->gradient + j * block->n_classes + first_class;
    for (int i = 0; i < n_observables; i++, gradient += block->n_classes)
        for (int c = 0; c < n_classes; c++)
            if (first_class + c < block->n_classes)
                gradient[c] += NAME(total)(sums[i][c]);
}

/* Turn the logits of a strip into residuals; return its loss. */
INLINE double NAME(turn_into_residuals)(const NAME(group) *group, Py_ssize_t strip)
{
    const Block *block = group->block;
    const Py_ssize_t n_classes = block->n_classes;
    const Py_ssize_t first = group->first_row + strip * LANES;
    const Py_ssize_t n_left = group->n_rows - strip * LANES;
    const Py_ssize_t n_rows = n_left < LANES ? n_left : LANES;
    VECTOR *logits = group->logits + strip * group->n_padded;
    VECTOR *residual = group->work, *probability = group->work + group->n_padded;
    VECTOR hard = {0}, soft = {0}, value = {0}, curvature = {0}, largest = logits[0];
    for (Py_ssize_t i = 0; i < n_rows; i++) {
        hard[i] = block->hard_weight[first + i];
        soft[i] = block->soft_weight[first + i];
    }
    for (Py_ssize_t c = 1; c < n_classes; c++)
        largest = NAME(larger)(largest, logits[c]);

    /* Less what multiplies the logits in the loss: that of the label, and the teacher's. */
    for (Py_ssize_t c = 0; c < n_classes; c++) {
        logits[c] -= largest;
        residual[c] = NAME(all)(0);
    }
    for (Py_ssize_t i = 0; i < n_rows; i++) {
        const int64_t label = block->labels[first + i];
        if (label >= 0)
            residual[label][i] = -hard[i];
    }
    if (block->softened) {
        const REAL *softened = (const REAL *)block->softened + first * n_classes;
        for (Py_ssize_t i = 0; i < n_rows; i++, softened += n_classes) {
            const REAL weight = (REAL)block->temperature * soft[i];
            for (Py_ssize_t c = 0; c < n_classes; c++)
                residual[c][i] -= weight * softened[c];
        }
    }
    for (Py_ssize_t c = 0; c < n_classes; c++)
        value += residual[c] * logits[c];

    const int n_terms = block->temperature == 1.0 ? 1 : 2;
    for (int term = 0; term < n_terms; term++) {
        const REAL temperature = term ? block->temperature : 1.0;
        VECTOR weight = term ? soft : hard, total = {0}, squares = {0}, log_total;
        if (n_terms == 1)
            weight += soft;
        for (Py_ssize_t c = 0; c < n_classes; c++) {
            probability[c] = NAME(exp)(logits[c] * (1 / temperature));
            total += probability[c];
        }
        for (Py_ssize_t c = 0; c < n_classes; c++) {
            VECTOR p = probability[c] / total;
            squares += p * p;
            residual[c] += temperature * weight * p;
        }
        for (Py_ssize_t i = 0; i < LANES; i++)
            log_total[i] = log(total[i]);
        value += temperature * temperature * weight * log_total;
        curvature += weight * ((REAL)1 - squares);
    }
    for (Py_ssize_t c = 0; c < n_classes; c++)
        logits[c] = residual[c];
    if (block->curvature)
        for (Py_ssize_t i = 0; i < n_rows; i++)
            ((REAL *)block->curvature)[first + i] = curvature[i];
    return NAME(total)(value);
}

/* Both products of a group with MOST_CLASSES classes, or with few. */
INLINE void NAME(multiply_all)(const NAME(group) *group, Py_ssize_t first_class,
                               const int n_classes)
{
    Py_ssize_t s = 0;
    for (; s + AT_ONCE <= group->n_strips; s += AT_ONCE)
        NAME(multiply)(group, s, AT_ONCE, first_class, n_classes);
    for (; s < group->n_strips; s++)
        NAME(multiply)(group, s, 1, first_class, n_classes);
}

INLINE void NAME(multiply_all_back)(const NAME(group) *group, Py_ssize_t first_class,
                                    const int n_classes)
{
    Py_ssize_t j = 0;
    for (; j + AT_ONCE <= group->block->n_observables; j += AT_ONCE)
        NAME(multiply_back)(group, j, AT_ONCE, first_class, n_classes);
    for (; j < group->block->n_observables; j++)
        NAME(multiply_back)(group, j, 1, first_class, n_classes);
}

static TARGET double NAME(add_group)(const NAME(group) *group)
{
    const Block *block = group->block;
    double value = 0;
    NAME(fill_table)(group);
    for (Py_ssize_t c = 0; c < group->n_padded; c += MOST_CLASSES)
        if (block->n_classes - c > FEW_CLASSES)
            NAME(multiply_all)(group, c, MOST_CLASSES);
        else
            NAME(multiply_all)(group, c, FEW_CLASSES);
    for (Py_ssize_t s = 0; s < group->n_strips; s++) {
        value += NAME(turn_into_residuals)(group, s);
        for (Py_ssize_t c = 0; c < block->n_classes; c++)
            block->sums[c] += NAME(total)(group->logits[s * group->n_padded + c]);
    }
    for (Py_ssize_t c = 0; c < group->n_padded; c += MOST_CLASSES)
        if (block->n_classes - c > FEW_CLASSES)
            NAME(multiply_all_back)(group, c, MOST_CLASSES);
        else
            NAME(multiply_all_back)(group, c, FEW_CLASSES);
    return value;
}

/* Add to the loss of a block and to its gradients; return 0 if there is no memory. */
static TARGET int NAME(add_block)(const Block *block, double *value)
{
    NAME(group) group = {.block = block};
    const Py_ssize_t n_observables = block->n_observables, n_classes = block->n_classes;
    const Py_ssize_t n_table = 1 + block->n_variables + block->n_lower;
    Py_ssize_t lines = TABLE_BYTES / (n_table * LINE_BYTES);
    lines = lines > MOST_LINES ? MOST_LINES : lines < FEWEST_LINES ? FEWEST_LINES : lines;
    group.row_bytes = lines * LINE_BYTES;
    group.n_padded = (n_classes + MOST_CLASSES - 1) / MOST_CLASSES * MOST_CLASSES;
    const Py_ssize_t most_strips = group.row_bytes / VECTOR_BYTES;
    const size_t table_bytes = n_table * group.row_bytes;
    const size_t vectors_bytes = (most_strips + 2) * group.n_padded * VECTOR_BYTES;
    const size_t numbers_bytes = (n_observables + 1) * group.n_padded * sizeof(REAL);
    char *scratch = aligned_memory(table_bytes + vectors_bytes + numbers_bytes);
    if (!scratch)
        return 0;
    group.table = scratch;
    group.logits = (VECTOR *)(scratch + table_bytes);
    group.work = group.logits + most_strips * group.n_padded;
    REAL *intercept = (REAL *)(scratch + table_bytes + vectors_bytes);
    REAL *weights = intercept + group.n_padded;
    for (Py_ssize_t c = 0; c < group.n_padded; c++) {
        const int is_class = c < n_classes;
        const Py_ssize_t of_class = c % MOST_CLASSES, chunk = c - of_class;
        intercept[c] = is_class ? ((const REAL *)block->intercept)[c] : 0;
        for (Py_ssize_t j = 0; j < n_observables; j++)
            weights[chunk * n_observables + j * MOST_CLASSES + of_class] =
                is_class ? ((const REAL *)block->weights)[c * n_observables + j] : 0;
    }
    group.intercept = intercept;
    group.weights = weights;

    for (Py_ssize_t row = 0; row < block->n_rows; row += group.n_rows) {
        const Py_ssize_t n_left = block->n_rows - row;
        group.first_row = row;
        group.n_rows = n_left < most_strips * LANES ? n_left : most_strips * LANES;
        group.n_strips = (group.n_rows + LANES - 1) / LANES;
        *value += NAME(add_group)(&group);
    }
    free(scratch);
    return 1;
}

#undef VECTOR
#undef BITS
#undef LANES
#undef INLINE
