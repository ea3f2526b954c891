"""The C of steps in floating point."""

from functools import singledispatch

import numpy as np

from ._emitting import block, cell_of_place, filter_loops, lines, place_loops
from ._products import products_body
from ._program import (
    Affine,
    Beside,
    Columns,
    Distances,
    Function,
    Pooled,
    Product,
    Products,
    Scaled,
    Sum,
)

FUNCTIONS = {
    "square": "{0} * {0}",
    "root": "({0} > 0.0f ? sqrtf({0}) : 0.0f)",
    "exp": "expf({0})",
    "cos": "cosf({0})",
    "sin": "sinf({0})",
    "clip": "({0} > 1.0f ? 1.0f : {0} < -1.0f ? -1.0f : {0})",
    "reciprocal": "1.0f / (1.0f + ({0} > 0.0f ? {0} : 0.0f))",
}


@singledispatch
def write_float(step, writer, name, sink, ctypes):
    """Write the function of a step in floating point; see `write_fixed`."""
    raise TypeError(f"{type(step).__name__} has no form in C.")


def _write(writer, name, sink, n_sources, comment, *body):
    parameters = [f"const float *{'xy'[i]}" for i in range(n_sources)]
    head = f"{name}({', '.join([*parameters, sink.parameter])})"
    writer.function(head, lines(*body), comment)


def _numbers(n, value, sink):
    """Return the statements that put numbers, one for each index i."""
    loop = block(f"for (uint16_t i = 0; i < {n}; i++)", sink.put(value))
    return "uint16_t n = 0;\n", loop


def _literal(number):
    return f"{np.format_float_scientific(np.float32(number), unique=True, trim='0')}f"


@write_float.register
def _affine(step: Affine, writer, name, sink, ctypes):
    size = step.size
    weight = writer.table(f"{name}_weights", step.matrix.T, "float")
    writer.function(
        f"{name}_add(uint16_t column, float value, float *sums)",
        lines(
            f"uint32_t at = (uint32_t)column * {size}u;\n",
            "if (value == 0.0f)\n    return;",
            f"for (uint16_t i = 0; i < {size}; i++)",
            f"    sums[i] += value * {weight('at + i')};",
        ),
        f"What the number of one column adds to {size} sums.",
    )
    offset = writer.table(f"{name}_offset", step.offset, "float")
    loop = f"for (uint16_t i = 0; i < {size}; i++)"
    writer.function(f"{name}_start(float *sums)", f"{loop}\n    sums[i] = {offset('i')};")


@write_float.register
def _scaled(step: Scaled, writer, name, sink, ctypes):
    factor = writer.constant_or_table(f"{name}_factors", step.factor, "float")
    offset = writer.constant_or_table(f"{name}_offsets", step.offset, "float")
    body = _numbers(step.size, f"x[i] * {factor('i')} + {offset('i')}", sink)
    _write(writer, name, sink, 1, "Numbers in other units.", *body)


@write_float.register
def _columns(step: Columns, writer, name, sink, ctypes):
    indices = writer.table(f"{name}_indices", step.indices)
    body = _numbers(step.size, f"x[{indices('i')}]", sink)
    _write(writer, name, sink, 1, "Some of the numbers.", *body)


@write_float.register
def _function(step: Function, writer, name, sink, ctypes):
    writer.needs_math = True
    body = _numbers(step.size, FUNCTIONS[step.function].format("x[i]"), sink)
    _write(writer, name, sink, 1, f"Of each number: {step.function}.", *body)


@write_float.register
def _sum(step: Sum, writer, name, sink, ctypes):
    _write(writer, name, sink, 2, "Sums of pairs.", *_numbers(step.size, "x[i] + y[i]", sink))


@write_float.register
def _product(step: Product, writer, name, sink, ctypes):
    body = _numbers(step.size, "x[i] * y[i]", sink)
    _write(writer, name, sink, 2, "Products of pairs.", *body)


@write_float.register
def _products(step: Products, writer, name, sink, ctypes):
    body = products_body(step, writer, name, "1.0f", "{} * {}".format, sink, "float")
    _write(writer, name, sink, 1, f"{step.size} products.", body)


@write_float.register
def _distances(step: Distances, writer, name, sink, ctypes):
    n = step.centers.shape[1]
    center = writer.table(f"{name}_centers", step.centers, "float")
    inner = block(
        f"for (uint16_t j = 0; j < {n}; j++, at++)",
        f"float difference = x[j] - {center('at')};\n",
        "sum += difference * difference;",
    )
    outer = block(
        f"for (uint16_t i = 0; i < {step.size}; i++)",
        "float sum = 0.0f;\n",
        inner,
        sink.put("sum"),
    )
    body = ("uint16_t n = 0;", "uint32_t at = 0;\n", outer)
    _write(writer, name, sink, 1, "Squared distances to centres.", *body)


@write_float.register
def _beside(step: Beside, writer, name, sink, ctypes):
    """Nothing: parts are written where they belong."""


@write_float.register
def _pooled(step: Pooled, writer, name, sink, ctypes):
    writer.needs_math = True
    given = step.responses
    places = given.places
    size, n_cells = places.patch_size, places.n_cells
    n_filters, n_sums = len(given.filters), given.n_signs * n_cells
    weight = writer.table(f"{name}_filters", given.filters.reshape(n_filters, -1), "float")
    offset = writer.constant_or_table(f"{name}_offsets", given.offsets, "float")
    n_places = np.outer(*map(np.diff, places.edges)).ravel()
    share = writer.constant_or_table(
        f"{name}_shares", np.tile(1 / n_places, given.n_signs), "float"
    )
    declarations = [
        writer.static("float", "pooled", n_sums),
        "uint16_t place, n = 0;",
    ]
    prepare, seen, is_padded = [], "{pixel}", False
    if given.is_centred:
        declarations.append("float mean = 0.0f;")
        prepare += [
            f"for (uint16_t i = 0; i < {int(np.prod(places.image))}u; i++)\n    mean += x[i];",
            f"mean /= {int(np.prod(places.padded))}.0f;",
        ]
        # Zeros around an image are less by the mean, too.
        is_padded = any(places.padding)
        seen = "{pixel}" if is_padded else "({pixel} - mean)"
    if given.contrast is not None:
        declarations.insert(0, writer.static("float", "gains", places.n_places))
        prepare.append(place_loops(places, _gain(given, seen)))
    respond = [
        f"float response = {'-mean * sum' if is_padded else '0.0f'};",
        f"uint8_t cell = (uint8_t)({cell_of_place(places)});\n",
        filter_loops(places, f"response += {weight(f'f * {size}u + {{k}}')} * {seen};"),
        "response *= gains[place];" if given.contrast is not None else None,
        f"response += {offset('f')};",
        _pool(given, n_cells),
    ]
    value = f"pooled[i] * {share('i')}"
    if given.root:
        value = f"sqrtf({value})"
    body = lines(
        *declarations,
        "",
        *prepare,
        block(
            f"for (uint16_t f = 0; f < {n_filters}; f++)",
            "float sum = 0.0f;\n" if is_padded else None,
            f"for (uint16_t i = 0; i < {size}; i++)\n    sum += {weight(f'f * {size}u + i')};"
            if is_padded
            else None,
            f"for (uint16_t i = 0; i < {n_sums}; i++)\n    pooled[i] = 0.0f;",
            place_loops(places, lines(*respond)),
            block(f"for (uint16_t i = 0; i < {n_sums}; i++)", sink.put(value)),
        ),
    )
    kernel, grid = (" x ".join(map(str, each)) for each in (places.kernel, places.grid))
    comment = f"{n_filters} filters of {kernel}, pooled on {grid}."
    _write(writer, name, sink, 1, comment, body)


def _gain(given, seen):
    """Return the statements that find one over the contrast of a patch."""
    size = given.places.patch_size
    return lines(
        "float total = 0.0f, squares = 0.0f;\n",
        filter_loops(
            given.places,
            f"total += {seen};\n        squares += {seen} * {seen};",
        ),
        f"total /= {size}.0f;",
        f"squares = squares / {size}.0f - total * total;",
        "squares = squares > 0.0f ? squares : 0.0f;",
        f"gains[place] = 1.0f / sqrtf(squares + {_literal(given.contrast)});",
    )


def _pool(given, n_cells):
    """Return the statements that add a function of a response to the sum of its cell."""
    kind = given.nonlinearity
    if kind == "intensity":
        return "pooled[cell] += response * response;"
    if kind == "magnitude":
        return "pooled[cell] += fabsf(response);"
    threshold = _literal(given.threshold)
    more = {"threshold": f"{{}} - {threshold}", "proportion": "1.0f"}[kind]
    return lines(
        f"if (response > {threshold})",
        f"    pooled[cell] += {more.format('response')};",
        f"if (-response > {threshold})",
        f"    pooled[cell + {n_cells}] += {more.format('-response')};",
    )
