"""The C of steps in integers."""

from functools import singledispatch

import numpy as np

from ._emitting import block, cell_of_place, filter_loops, lines, place_loops
from ._fixed import (
    TABLE_BITS,
    Encoded,
    FixedAffine,
    FixedBeside,
    FixedColumns,
    FixedDistances,
    FixedProduct,
    FixedProducts,
    FixedSum,
    Lookup,
    Normalised,
)
from ._fixed_pooled import FixedPooled
from ._numbers import MOST_PACKED, packed
from ._products import products_body


@singledispatch
def write_fixed(step, writer, name, sink, ctypes):
    """Write the function of a step in integers.

    Parameters
    ----------
    step : Fixed
    writer : Writer
    name : str
        Of the function.
    sink : Sink
        Where the numbers go.
    ctypes : list of str
        Of the numbers of the sources.
    """
    raise TypeError(f"{type(step).__name__} has no form in C.")


def _head(name, sink, ctypes):
    parameters = [f"const {ctype} *{'xy'[i]}" for i, ctype in enumerate(ctypes)]
    return f"{name}({', '.join([*parameters, sink.parameter])})"


def _loop(n, *body):
    return block(f"for (uint16_t i = 0; i < {n}; i++)", *body)


@write_fixed.register
def _encoded(step: Encoded, writer, name, sink, ctypes):
    writer.needs_math = True
    middle = writer.constant_or_table(f"{name}_middle", step.offset, "float")
    factor = writer.constant_or_table(f"{name}_factor", step.factors, "float")
    top = int(step.high[0])
    body = lines(
        "float t;\n",
        _loop(
            step.size,
            f"t = floorf((x[i] - {middle('i')}) * {factor('i')} + 0.5f);",
            f"out[i] = (int16_t)(t >= {top}.0f ? {top} : t > -{top}.0f ? (int16_t)t : -{top});",
        ),
    )
    writer.function(_head(name, sink, ctypes), body, "Real numbers as integers.")


@write_fixed.register
def _columns(step: FixedColumns, writer, name, sink, ctypes):
    indices = writer.table(f"{name}_indices", step.indices)
    body = lines("uint16_t n = 0;\n", _loop(step.size, sink.put(f"x[{indices('i')}]")))
    writer.function(_head(name, sink, ctypes), body, "Some of the numbers.")


@write_fixed.register
def _normalised(step: Normalised, writer, name, sink, ctypes):
    writer.helper("limited")
    multiplier = writer.constant_or_table(f"{name}_multipliers", step.multipliers)
    half = 1 << (step.shift - 1) if step.shift else 0
    addition = writer.constant_or_table(f"{name}_additions", step.additions + half)
    sum_ = f"(int32_t)x[i] * {multiplier('i')} + {addition('i')}"
    value = f"limited(({sum_}) >> {step.shift}, {int(step.high[0])})"
    body = lines("uint16_t n = 0;\n", _loop(step.size, sink.put(value)))
    writer.function(_head(name, sink, ctypes), body, "Numbers in other units.")


@write_fixed.register
def _affine(step: FixedAffine, writer, name, sink, ctypes):
    """Write the sums and what becomes of them; `sink` is where these go."""
    size, bits = step.size, step.bits
    by_input = step.levels.T
    if bits <= MOST_PACKED:
        writer.helper("weight")
        writer.table(f"{name}_weights", packed(by_input, bits), "uint8_t")
        start = f"uint32_t bit = (uint32_t)column * {size * bits}u;"
        weight = f"weight({name}_weights, bit, {bits})"
        step_on = f"bit += {bits}"
    else:
        table = writer.table(f"{name}_weights", by_input, "int16_t")
        start, weight, step_on = (
            f"uint32_t at = (uint32_t)column * {size}u;",
            table("at"),
            "at++",
        )
    writer.function(
        f"{name}_add(uint16_t column, int32_t value, int32_t *sums)",
        lines(
            start + "\n",
            "if (value == 0)\n    return;",
            f"for (uint16_t i = 0; i < {size}; i++, {step_on})",
            f"    sums[i] += value * {weight};",
        ),
        f"What the number of one column adds to {size} sums; weights of {bits} bits.",
    )
    bias = writer.table(f"{name}_bias", step.bias)
    writer.function(f"{name}_start(int32_t *sums)", _loop(size, f"sums[i] = {bias('i')};"))
    multiplier = writer.constant_or_table(f"{name}_multipliers", step.multipliers)
    writer.helper("rescaled")
    value = f"rescaled(sums[i], {multiplier('i')}, {step.shift})"
    if step.is_last:
        value = f"(int32_t){value}"
    else:
        writer.helper("limited")
        value = f"limited({value}, {int(step.high[0])})"
    writer.function(
        f"{name}_finish(const int32_t *sums, {sink.parameter})",
        _loop(size, f"out[i] = {value};"),
    )


@write_fixed.register
def _lookup(step: Lookup, writer, name, sink, ctypes):
    table = writer.table(f"{name}_table", step.table, "int16_t")
    shift = step.bits - TABLE_BITS
    body = lines(
        "uint16_t n = 0;\n",
        _loop(
            step.size,
            f"uint16_t above = (uint16_t)(x[i] + {2 ** (step.bits - 1)}l);",
            f"uint16_t place = above >> {shift};",
            f"int32_t left = {table('place')}, right = {table('place + 1')};\n",
            f"left += ((right - left) * (int32_t)(above & {2**shift - 1}u)) >> {shift};",
            sink.put("(int16_t)left"),
        ),
    )
    writer.function(_head(name, sink, ctypes), body, "A function, from a table.")


@write_fixed.register
def _sum(step: FixedSum, writer, name, sink, ctypes):
    body = lines("uint16_t n = 0;\n", _loop(step.size, sink.put("(int16_t)(x[i] + y[i])")))
    writer.function(_head(name, sink, ctypes), body, "Sums of pairs.")


@write_fixed.register
def _product(step: FixedProduct, writer, name, sink, ctypes):
    writer.helper("limited")
    product = f"(int32_t)x[i] * {'x' if len(ctypes) == 1 else 'y'}[i]"
    value = f"limited({_shifted(product, step.shift)}, {int(step.high[0])})"
    body = lines("uint16_t n = 0;\n", _loop(step.size, sink.put(value)))
    comment = "Squares." if len(ctypes) == 1 else "Products of pairs."
    writer.function(_head(name, sink, ctypes), body, comment)


def _shifted(text, shift):
    return text if shift == 0 else f"({text} + {1 << (shift - 1)}) >> {shift}"


@write_fixed.register
def _products(step: FixedProducts, writer, name, sink, ctypes):
    def multiply(a, b):
        return f"(int16_t)({_shifted(f'(int32_t){a} * {b}', step.shift)})"

    body = products_body(step, writer, name, str(step.one), multiply, sink, "int16_t")
    writer.function(_head(name, sink, ctypes), body, f"{step.size} products.")


@write_fixed.register
def _distances(step: FixedDistances, writer, name, sink, ctypes):
    n = step.centers.shape[1]
    center = writer.table(f"{name}_centers", step.centers)
    top = int(step.high[0])
    body = lines(
        "uint16_t n = 0;",
        "uint32_t at = 0;\n",
        _loop(
            step.size,
            "int32_t sum = 0;\n",
            block(
                f"for (uint16_t j = 0; j < {n}; j++, at++)",
                f"int32_t difference = (int32_t)x[j] - {center('at')};\n",
                "sum += difference * difference;",
            ),
            f"sum >>= {step.shift};" if step.shift else None,
            sink.put(f"(int16_t)(sum > {top} ? {top} : sum)"),
        ),
    )
    writer.function(_head(name, sink, ctypes), body, "Squared distances to centres.")


@write_fixed.register
def _beside(step: FixedBeside, writer, name, sink, ctypes):
    """Nothing: parts are written where they belong."""


@write_fixed.register
def _pooled(step: FixedPooled, writer, name, sink, ctypes):
    writer.helper("weight")
    places, size = step.places, step.places.patch_size
    n_filters, n_sums = len(step.levels), step.n_signs * places.n_cells
    writer.table(f"{name}_filters", packed(step.levels, step.bits), "uint8_t")
    above = writer.constant_or_table(f"{name}_above", step.above, "int16_t")
    multiplier = writer.constant_or_table(f"{name}_multipliers", step.multipliers)
    padded = int(np.prod(places.padded))
    declarations = [
        writer.static("int8_t", "filter", size),
        writer.static("uint32_t", "pooled", n_sums),
        "uint16_t place, n = 0;",
        "uint32_t bit = 0;",
    ]
    prepare = []
    if step.is_centred:
        declarations.append("int32_t mean = 0;")
        prepare += [
            f"for (uint16_t i = 0; i < {int(np.prod(places.image))}u; i++)\n    mean += x[i];",
            f"mean /= {padded};",
        ]
    if step.has_contrast:
        writer.helper("root")
        declarations.insert(0, writer.static("uint16_t", "gains", places.n_places))
        prepare.append(place_loops(places, _gain(step)))
    start = "total * -mean" if step.is_centred else "0"
    see = [filter_loops(places, "response += (int32_t)filter[{k}] * {pixel};")]
    reduced = _shifted("response", step.sum_shift)
    if step.has_contrast:
        reduced = f"({reduced}) * (int32_t)gains[place]"
    if step.response_shift or step.has_contrast:
        see.append(f"response = {_shifted(reduced, step.response_shift)};")
    if step.has_contrast:
        # Much of an image is flat background.
        see = [
            "int32_t response = 0;",
            block("if (gains[place] != 0)", f"response = {start};", *see),
        ]
    else:
        see.insert(0, f"int32_t response = {start};")
    respond = [f"uint8_t cell = (uint8_t)({cell_of_place(places)});", *see]
    respond.append(_pool(step, writer, name, above, places.n_cells))
    if step.root:
        writer.helper("root")
        by = f" << {step.mean_shift}" if step.mean_shift else ""
        observe = [f"uint32_t value = root(pooled[i]{by});"]
    else:
        observe = [f"uint32_t value = pooled[i] >> {step.mean_shift};\n"]
        observe.append("if (value > 65535u)\n    value = 65535u;")
    top = int(step.high[0])
    observe += [
        f"value = (value * {multiplier('f')}) >> {step.shift};",
        sink.put(f"(int16_t)(value > {top}u ? {top}u : value)"),
    ]
    each = [
        "int32_t total = 0;\n" if step.is_centred else None,
        block(
            f"for (uint16_t i = 0; i < {size}; i++, bit += {step.bits})",
            f"filter[i] = (int8_t)weight({name}_filters, bit, {step.bits});",
            "total += filter[i];" if step.is_centred else None,
        ),
        f"for (uint8_t i = 0; i < {n_sums}; i++)\n    pooled[i] = 0;",
        place_loops(places, lines(*respond)),
        _loop(n_sums, *observe),
    ]
    body = lines(
        *declarations,
        "",
        *prepare,
        block(f"for (uint16_t f = 0; f < {n_filters}; f++)", *each),
    )
    kernel = " x ".join(map(str, places.kernel))
    grid = " x ".join(map(str, places.grid))
    writer.function(
        _head(name, sink, ctypes),
        body,
        f"{n_filters} filters of {kernel}, weights of {step.bits} bits, pooled on {grid}.",
    )


def _gain(step):
    """Return the statements that find one over the contrast of a patch."""
    by, gain_shift = step.spread_shift, step.gain_shift
    size = step.places.patch_size
    gain = f"(((uint32_t)1 << {gain_shift}) + spread / 2) / spread"
    return lines(
        "int32_t total = 0;",
        "uint32_t spread = 0;\n",
        filter_loops(
            step.places,
            "total += {pixel};\n        spread += (uint32_t)((int32_t){pixel} * {pixel});",
        ),
        f"spread = spread * {size}u - (uint32_t)(total * total);",
        "gains[place] = 0;",
        block(
            "if (spread != 0)",
            f"spread = root((spread + {step.floor}u) {'<<' if by >= 0 else '>>'} {abs(by)});",
            f"gains[place] = (uint16_t)({gain});",
        ),
    )


def _pool(step, writer, name, above, n_cells):
    """Return the statements that add a function of a response to the sum of its cell."""
    kind = step.nonlinearity
    if kind in ("intensity", "magnitude"):
        moved = f"response -= {above('f')};"
        if kind == "intensity":
            return f"{moved}\npooled[cell] += (uint32_t)(response * response);"
        return f"{moved}\npooled[cell] += (uint32_t)(response < 0 ? -response : response);"
    below = writer.constant_or_table(f"{name}_below", step.below, "int16_t")
    positive, negative = f"response - {above('f')}", f"-response - {below('f')}"
    put = ("(uint32_t)({})" if kind == "threshold" else "1").format
    if n_cells + n_cells > 255:
        raise ValueError("More than 127 cells do not fit into a byte: take a smaller grid.")
    return lines(
        f"if (response > {above('f')})",
        f"    pooled[cell] += {put(positive)};",
        f"if (-response > {below('f')})",
        f"    pooled[cell + {n_cells}] += {put(negative)};",
    )
