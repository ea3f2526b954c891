/* Sums over rows of products for one number type and one set of instructions.

   _each_width.h includes this file once for each, and says what it defines before.

   Rows are taken as many at a time as a vector has lanes: a strip, one row a lane. */

/* Strips whose logits are summed together, MOST_SUMS vectors each, and observables whose gradients
   are: as many as fit into registers. */
#if VECTOR_BYTES == 64
#define AT_ONCE 2
#define AT_ONCE_BACK 3
#else
#define AT_ONCE 1
#define AT_ONCE_BACK 1
#endif

typedef REAL NAME(vector) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef REAL NAME(unaligned) __attribute__((vector_size(VECTOR_BYTES), may_alias,
                                            aligned(sizeof(REAL))));
typedef UNSIGNED NAME(bits) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef REAL NAME(part) __attribute__((vector_size(16), may_alias));

#define VECTOR NAME(vector)
#define UNALIGNED NAME(unaligned)
#define BITS NAME(bits)
#define LANES ((ptrdiff_t)(VECTOR_BYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline)) TARGET

/* Rows that are looked at together: as many as a row of the table has room for. */
typedef struct {
    const Rows *rows;
    char *table;
    ptrdiff_t row_bytes;
    ptrdiff_t first_row, n_rows, n_strips;
} NAME(group);

/* What `add_loss` keeps of a group. Losses see logits up to a number common to all classes, and
   residuals add up to zero: logits are those above the last class's, whose gradient is what
   the others lack. */
typedef struct {
    const Loss *loss;
    const REAL *weights;    /* MOST_SUMS classes after the other, n_observables rows each */
    const REAL *intercept;
    ptrdiff_t n_places;    /* logits of a strip, with room up to a multiple of MOST_SUMS */
    VECTOR *logits;         /* n_places of each strip; then residuals */
    VECTOR *work;           /* 2 n_places */
} NAME(outputs);

INLINE VECTOR NAME(all)(REAL x)
{
    return (VECTOR){0} + x;
}

/* The larger of two numbers; the first if one of them is none. */
INLINE VECTOR NAME(larger)(VECTOR x, VECTOR y)
{
    BITS is_y = (BITS)(y > x);
    return (VECTOR)(((BITS)y & is_y) | ((BITS)x & ~is_y));
}

/* exp(x) for x <= 0: 2^n exp(r) with |r| <= log(2) / 2, where the Taylor series is short. What is
   so small that its square is no normal number is 0: arithmetic with others takes 100 times as
   long. */
INLINE VECTOR NAME(exp)(VECTOR x)
{
    const int is_float = sizeof(REAL) == sizeof(float);
    /* What is added to this is rounded to an integer, which is then in the last bits. */
    const REAL rounder = is_float ? 0x1.8p23 : 0x1.8p52;
    const REAL least = is_float ? -43 : -350;
    /* log(2) in two parts, the first so short that its products with n are exact. */
    const REAL log2_high = is_float ? 0x1.63p-1 : 0x1.62e42fee00000p-1;
    const REAL log2_low = is_float ? -0x1.bd0106p-13 : 0x1.a39ef35793c76p-33;
    BITS is_small = (BITS)(x < least);
    x = NAME(larger)(x, NAME(all)(least));
    VECTOR rounded = x * (REAL)0x1.71547652b82fep+0 + rounder;
    VECTOR n = rounded - rounder;
    VECTOR r = (x - n * log2_high) - n * log2_low;
    VECTOR sum = NAME(all)(1);
    for (int k = is_float ? 7 : 13; k > 0; k--)
        sum = sum * r * (REAL)(1.0 / k) + (REAL)1;
    return (VECTOR)(((BITS)sum + ((BITS)rounded << (is_float ? 23 : 52))) & ~is_small);
}

/* log(x) for x >= 1: a guess from exponent and mantissa, and Halley's steps on exp(y) = x. */
INLINE VECTOR NAME(log)(VECTOR x)
{
    const int is_float = sizeof(REAL) == sizeof(float);
    const int n_bits = is_float ? 23 : 52;
    const REAL bias = is_float ? 127 : 1023, large = is_float ? 0x1p23 : 0x1p52;
    const BITS one = (BITS)NAME(all)(1), of_large = (BITS)NAME(all)(large);
    const BITS mantissa = (one ^ one) + (((UNSIGNED)1 << n_bits) - 1);
    VECTOR exponent = (VECTOR)(((BITS)x >> n_bits) | of_large) - (large + bias);
    VECTOR fraction = (VECTOR)(((BITS)x & mantissa) | one) - (REAL)1;
    VECTOR y = (exponent + fraction) * (REAL)0x1.62e42fefa39efp-1;
    for (int step = 0; step < 2; step++) {
        VECTOR left = x * NAME(exp)(-y);
        y += (REAL)2 * (left - (REAL)1) / (left + (REAL)1);
    }
    return y;
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

/* Bytes of a row of the table. */
INLINE ptrdiff_t NAME(row_bytes)(const Rows *rows)
{
    ptrdiff_t lines = TABLE_BYTES / (rows->n_table * LINE_BYTES);
    lines = lines > MOST_LINES ? MOST_LINES : lines < FEWEST_LINES ? FEWEST_LINES : lines;
    return lines * LINE_BYTES;
}

/* Write the constant, the variables, and the lower products of the rows of a group. */
INLINE void NAME(fill_table)(const NAME(group) *group)
{
    const Rows *rows = group->rows;
    REAL *one = (REAL *)group->table;
    for (ptrdiff_t i = 0; i < group->n_strips * LANES; i++)
        one[i] = i < group->n_rows;
    /* Strip by strip, as the rows of one fit into the innermost cache. */
    for (ptrdiff_t first = 0; first < group->n_rows; first += LANES) {
        const ptrdiff_t n_left = group->n_rows - first;
        const ptrdiff_t n_rows = n_left < LANES ? n_left : LANES;
        const char *strip = rows->X + (group->first_row + first) * rows->X_row;
        for (ptrdiff_t v = 0; v < rows->n_variables; v++) {
            const char *x = strip + v * rows->X_column;
            REAL *row = (REAL *)(group->table + (1 + v) * group->row_bytes) + first;
            if (rows->X_is_float)
                for (ptrdiff_t i = 0; i < n_rows; i++)
                    row[i] = *(const float *)(x + i * rows->X_row);
            else
                for (ptrdiff_t i = 0; i < n_rows; i++)
                    row[i] = *(const double *)(x + i * rows->X_row);
            for (ptrdiff_t i = n_rows; i < LANES; i++)
                row[i] = 0;
        }
    }
    char *made = group->table + (1 + rows->n_variables) * group->row_bytes;
    for (ptrdiff_t j = 0; j < rows->n_lower; j++, made += group->row_bytes) {
        const VECTOR *left = (VECTOR *)(group->table + rows->lower[j].left * group->row_bytes);
        const VECTOR *right = (VECTOR *)(group->table + rows->lower[j].right * group->row_bytes);
        for (ptrdiff_t s = 0; s < group->n_strips; s++)
            ((VECTOR *)made)[s] = left[s] * right[s];
    }
}

/* Go on to the next rows, the first if there were none before; return whether there are any. */
INLINE int NAME(next)(NAME(group) *group)
{
    group->first_row += group->n_rows;
    const ptrdiff_t most = group->row_bytes / (ptrdiff_t)sizeof(REAL);
    const ptrdiff_t n_left = group->rows->n_rows - group->first_row;
    if (n_left <= 0)
        return 0;
    group->n_rows = n_left < most ? n_left : most;
    group->n_strips = (group->n_rows + LANES - 1) / LANES;
    NAME(fill_table)(group);
    return 1;
}

INLINE VECTOR NAME(observable)(const NAME(group) *group, Product product, ptrdiff_t strip)
{
    const VECTOR *left = (const VECTOR *)(group->table + product.left * group->row_bytes);
    const VECTOR *right = (const VECTOR *)(group->table + product.right * group->row_bytes);
    return left[strip] * right[strip];
}

/* The logits of n_strips strips for n_classes classes: both constants where this is inlined. */
INLINE void NAME(multiply)(const NAME(group) *group, const NAME(outputs) *out, ptrdiff_t strip,
                           const int n_strips, ptrdiff_t first_class, const int n_classes)
{
    const Product *products = group->rows->products;
    const ptrdiff_t n_observables = group->rows->n_observables;
    const REAL *weights = out->weights + first_class * n_observables;
    VECTOR sums[AT_ONCE][MOST_SUMS];
    for (int s = 0; s < n_strips; s++)
        for (int c = 0; c < n_classes; c++)
            sums[s][c] = NAME(all)(out->intercept[first_class + c]);
    for (ptrdiff_t j = 0; j < n_observables; j++, weights += MOST_SUMS)
        for (int s = 0; s < n_strips; s++) {
            VECTOR psi = NAME(observable)(group, products[j], strip + s);
            for (int c = 0; c < n_classes; c++)
                sums[s][c] += psi * weights[c];
        }
    for (int s = 0; s < n_strips; s++)
        for (int c = 0; c < n_classes; c++)
            out->logits[(strip + s) * out->n_places + first_class + c] = sums[s][c];
}

INLINE void NAME(multiply_all)(const NAME(group) *group, const NAME(outputs) *out,
                               ptrdiff_t first_class, const int n_classes)
{
    ptrdiff_t s = 0;
    for (; s + AT_ONCE <= group->n_strips; s += AT_ONCE)
        NAME(multiply)(group, out, s, AT_ONCE, first_class, n_classes);
    for (; s < group->n_strips; s++)
        NAME(multiply)(group, out, s, 1, first_class, n_classes);
}

/* Add to the gradient by the weights of n_observables observables and n_classes classes. */
INLINE void NAME(multiply_back)(const NAME(group) *group, const NAME(outputs) *out,
                                ptrdiff_t j, const int n_observables, ptrdiff_t first_class,
                                const int n_classes)
{
    const ptrdiff_t last = out->loss->n_classes - 1;
    const VECTOR *residual = out->logits + first_class;
    VECTOR sums[AT_ONCE_BACK][MOST_SUMS] = {{{0}}};
    for (ptrdiff_t s = 0; s < group->n_strips; s++, residual += out->n_places) {
        VECTOR psi[AT_ONCE_BACK];
        for (int i = 0; i < n_observables; i++)
            psi[i] = NAME(observable)(group, group->rows->products[j + i], s);
        for (int c = 0; c < n_classes; c++) {
            VECTOR read = residual[c];
            READ_ONCE(read);
            for (int i = 0; i < n_observables; i++)
                sums[i][c] += psi[i] * read;
        }
    }
    double *gradient = out->loss->gradient + j * (last + 1);
    for (int i = 0; i < n_observables; i++, gradient += last + 1)
        for (int c = 0; c < n_classes; c++)
            if (first_class + c < last) {
                const REAL total = NAME(total)(sums[i][c]);
                gradient[first_class + c] += total;
                gradient[last] -= total;
            }
}

INLINE void NAME(multiply_all_back)(const NAME(group) *group, const NAME(outputs) *out,
                                    ptrdiff_t first_class, const int n_classes)
{
    ptrdiff_t j = 0;
    for (; j + AT_ONCE_BACK <= group->rows->n_observables; j += AT_ONCE_BACK)
        NAME(multiply_back)(group, out, j, AT_ONCE_BACK, first_class, n_classes);
    for (; j < group->rows->n_observables; j++)
        NAME(multiply_back)(group, out, j, 1, first_class, n_classes);
}

/* Turn the logits of a strip into residuals; return its loss. */
INLINE double NAME(turn_into_residuals)(const NAME(group) *group, const NAME(outputs) *out,
                                        ptrdiff_t strip)
{
    const Loss *loss = out->loss;
    const ptrdiff_t n_classes = loss->n_classes;
    const ptrdiff_t first = group->first_row + strip * LANES;
    const ptrdiff_t n_left = group->n_rows - strip * LANES;
    const ptrdiff_t n_rows = n_left < LANES ? n_left : LANES;
    VECTOR *logits = out->logits + strip * out->n_places;
    VECTOR *residual = out->work, *probability = out->work + out->n_places;
    VECTOR hard = {0}, soft = {0}, value = {0}, curvature = {0}, largest = {0};
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        hard[i] = loss->hard_weight[first + i];
        soft[i] = loss->soft_weight[first + i];
    }
    /* Less the largest of the row: nothing overflows, and no loss is a difference of large
       numbers. */
    logits[n_classes - 1] = NAME(all)(0);
    for (ptrdiff_t c = 0; c < n_classes - 1; c++)
        largest = NAME(larger)(largest, logits[c]);
    for (ptrdiff_t c = 0; c < n_classes; c++) {
        logits[c] -= largest;
        residual[c] = NAME(all)(0);
    }

    /* What multiplies the logits in the loss: the label, and what the teacher says. */
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        const int64_t label = loss->labels[first + i];
        if (label >= 0)
            residual[label][i] = -hard[i];
    }
    if (loss->softened) {
        const REAL *softened = (const REAL *)loss->softened + first * n_classes;
        for (ptrdiff_t i = 0; i < n_rows; i++, softened += n_classes) {
            const REAL weight = (REAL)loss->temperature * soft[i];
            for (ptrdiff_t c = 0; c < n_classes; c++)
                residual[c][i] -= weight * softened[c];
        }
    }
    for (ptrdiff_t c = 0; c < n_classes; c++)
        value += residual[c] * logits[c];

    /* The two log-sum-exps, which are one at a temperature of 1. */
    const int n_terms = loss->temperature == 1.0 ? 1 : 2;
    for (int term = 0; term < n_terms; term++) {
        const REAL temperature = term ? loss->temperature : 1.0;
        VECTOR weight = term ? soft : hard, total = {0}, squares = {0};
        if (n_terms == 1)
            weight += soft;
        for (ptrdiff_t c = 0; c < n_classes; c++) {
            probability[c] = NAME(exp)(logits[c] * (1 / temperature));
            total += probability[c];
        }
        for (ptrdiff_t c = 0; c < n_classes; c++) {
            VECTOR p = probability[c] / total;
            squares += p * p;
            residual[c] += temperature * weight * p;
        }
        value += temperature * temperature * weight * NAME(log)(total);
        curvature += weight * ((REAL)1 - squares);
    }
    for (ptrdiff_t c = 0; c < n_classes; c++)
        logits[c] = residual[c];
    if (loss->curvature)
        for (ptrdiff_t i = 0; i < n_rows; i++)
            ((REAL *)loss->curvature)[first + i] = curvature[i];
    return NAME(total)(value);
}

INLINE double NAME(add_loss_of_group)(const NAME(group) *group, const NAME(outputs) *out)
{
    const ptrdiff_t last = out->loss->n_classes - 1;
    double value = 0;
    for (ptrdiff_t c = 0; c < last; c += MOST_SUMS)
        if (last - c > FEW_SUMS)
            NAME(multiply_all)(group, out, c, MOST_SUMS);
        else
            NAME(multiply_all)(group, out, c, FEW_SUMS);
    for (ptrdiff_t s = 0; s < group->n_strips; s++) {
        value += NAME(turn_into_residuals)(group, out, s);
        for (ptrdiff_t c = 0; c <= last; c++)
            out->loss->sums[c] += NAME(total)(out->logits[s * out->n_places + c]);
    }
    for (ptrdiff_t c = 0; c < last; c += MOST_SUMS)
        if (last - c > FEW_SUMS)
            NAME(multiply_all_back)(group, out, c, MOST_SUMS);
        else
            NAME(multiply_all_back)(group, out, c, FEW_SUMS);
    return value;
}

/* Set the loss of some rows and add to its gradients; return 0 if there is no memory. */
static TARGET int NAME(add_loss)(const Rows *rows, Loss *loss)
{
    const ptrdiff_t n_observables = rows->n_observables, last = loss->n_classes - 1;
    NAME(group) group = {.rows = rows, .row_bytes = NAME(row_bytes)(rows)};
    NAME(outputs) out = {.loss = loss};
    /* Classes but the last, and zeros up to a multiple of MOST_SUMS. */
    const ptrdiff_t n_sums = (last + MOST_SUMS - 1) / MOST_SUMS * MOST_SUMS;
    out.n_places = n_sums + 1;
    const ptrdiff_t n_vectors = (group.row_bytes / VECTOR_BYTES + 2) * out.n_places;
    const size_t table_bytes = rows->n_table * group.row_bytes;
    const size_t vectors_bytes = n_vectors * VECTOR_BYTES;
    char *memory = aligned_memory(table_bytes + vectors_bytes +
                                  (n_observables + 1) * n_sums * sizeof(REAL));
    if (!memory)
        return 0;
    group.table = memory;
    out.logits = (VECTOR *)(memory + table_bytes);
    out.work = out.logits + n_vectors - 2 * out.n_places;
    REAL *intercept = (REAL *)(memory + table_bytes + vectors_bytes);
    REAL *weights = intercept + n_sums;
    const REAL *of_last = (const REAL *)loss->weights + last * n_observables;
    for (ptrdiff_t c = 0; c < n_sums; c++) {
        const ptrdiff_t place = c % MOST_SUMS;
        REAL *column = weights + (c - place) * n_observables + place;
        const REAL *of_class = (const REAL *)loss->weights + c * n_observables;
        const REAL *intercepts = (const REAL *)loss->intercept;
        intercept[c] = c < last ? intercepts[c] - intercepts[last] : 0;
        for (ptrdiff_t j = 0; j < n_observables; j++)
            column[j * MOST_SUMS] = c < last ? of_class[j] - of_last[j] : 0;
    }
    out.intercept = intercept;
    out.weights = weights;
    while (NAME(next)(&group))
        loss->value += NAME(add_loss_of_group)(&group, &out);
    free(memory);
    return 1;
}

/* Add the mean and the scatter about it of a group's observables to those of rows before. */
INLINE void NAME(add_moments_of_group)(const NAME(group) *group, const REAL *row_weight,
                                       double group_weight, double weight_before, double *means,
                                       double *scatters)
{
    const VECTOR *weight = (const VECTOR *)row_weight;
    const double share = group_weight / (weight_before + group_weight);
    for (ptrdiff_t j = 0; j < group->rows->n_observables; j++) {
        const Product product = group->rows->products[j];
        /* Distances from a row: a constant has a mean and a scatter free of rounding. */
        const REAL origin = NAME(observable)(group, product, 0)[0];
        VECTOR sum = {0}, squares = {0};
        for (ptrdiff_t s = 0; s < group->n_strips; s++)
            sum += weight[s] * (NAME(observable)(group, product, s) - origin);
        const REAL mean = NAME(total)(sum) / group_weight;
        for (ptrdiff_t s = 0; s < group->n_strips; s++) {
            VECTOR distance = (NAME(observable)(group, product, s) - origin) - mean;
            squares += weight[s] * distance * distance;
        }
        const double step = (double)origin + mean - means[j];
        means[j] += share * step;
        scatters[j] += NAME(total)(squares) + share * weight_before * step * step;
    }
}

/* Set means and scatters of some rows; return 0 if there is no memory. */
static TARGET int NAME(add_moments)(const Rows *rows, const double *weight_of_row,
                                    double *weight, double *mean, double *scatter)
{
    NAME(group) group = {.rows = rows, .row_bytes = NAME(row_bytes)(rows)};
    group.table = aligned_memory((rows->n_table + 1) * group.row_bytes);
    if (!group.table)
        return 0;
    REAL *row_weight = (REAL *)(group.table + rows->n_table * group.row_bytes);
    while (NAME(next)(&group)) {
        double group_weight = 0;
        for (ptrdiff_t i = 0; i < group.n_strips * LANES; i++) {
            row_weight[i] =
                i < group.n_rows ? weight_of_row[group.first_row + i] : 0;
            group_weight += row_weight[i];
        }
        if (group_weight > 0)
            NAME(add_moments_of_group)(&group, row_weight, group_weight, *weight, mean, scatter);
        *weight += group_weight;
    }
    free(group.table);
    return 1;
}

/* Write the observables of some rows, less their centre and times a factor of the row; return 0 if
   there is no memory. */
static TARGET int NAME(set_centred)(const Rows *rows, const void *origins, const void *rests,
                                    const void *factors, void *columns, ptrdiff_t column_bytes)
{
    const REAL *origin = origins, *rest = rests, *factor = factors;
    NAME(group) group = {.rows = rows, .row_bytes = NAME(row_bytes)(rows)};
    group.table = aligned_memory(rows->n_table * group.row_bytes);
    if (!group.table)
        return 0;
    while (NAME(next)(&group)) {
        const ptrdiff_t n_whole = group.n_rows / LANES;
        const REAL *row_factor = factor + group.first_row;
        for (ptrdiff_t j = 0; j < rows->n_observables; j++) {
            const Product product = rows->products[j];
            REAL *out = (REAL *)((char *)columns + j * column_bytes) + group.first_row;
            for (ptrdiff_t s = 0; s < group.n_strips; s++) {
                VECTOR psi = (NAME(observable)(&group, product, s) - origin[j]) - rest[j];
                if (s < n_whole)
                    *(UNALIGNED *)(out + s * LANES) =
                        psi * *(const UNALIGNED *)(row_factor + s * LANES);
                else
                    for (ptrdiff_t i = 0; s * LANES + i < group.n_rows; i++)
                        out[s * LANES + i] = psi[i] * row_factor[s * LANES + i];
            }
        }
    }
    free(group.table);
    return 1;
}

/* Set the squared norm of each row's observables, less a mean and times a rate; 0: no memory. */
static TARGET int NAME(set_norms)(const Rows *rows, const void *means, const void *rates,
                                  void *norms)
{
    const REAL *mean = means, *rate = rates;
    NAME(group) group = {.rows = rows, .row_bytes = NAME(row_bytes)(rows)};
    group.table = aligned_memory(rows->n_table * group.row_bytes);
    if (!group.table)
        return 0;
    while (NAME(next)(&group)) {
        REAL *norm = (REAL *)norms + group.first_row;
        for (ptrdiff_t s = 0; s < group.n_strips; s++) {
            VECTOR sum = {0};
            for (ptrdiff_t j = 0; j < rows->n_observables; j++) {
                VECTOR psi = NAME(observable)(&group, rows->products[j], s);
                /* Before it is squared: what is squared must not overflow. */
                psi = (psi - mean[j]) * rate[j];
                sum += psi * psi;
            }
            for (ptrdiff_t i = 0; i < LANES && s * LANES + i < group.n_rows; i++)
                norm[s * LANES + i] = sum[i];
        }
    }
    free(group.table);
    return 1;
}

#undef VECTOR
#undef UNALIGNED
#undef BITS
#undef LANES
#undef INLINE
#undef AT_ONCE
#undef AT_ONCE_BACK
