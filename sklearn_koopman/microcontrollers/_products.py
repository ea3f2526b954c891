"""The C of products of two entries of a table, in floating point and in integers."""

from math import comb

import numpy as np

from ._emitting import block, lines


def products_body(step, writer, name, one, multiply, sink, ctype):
    """Return the statements that compute products.

    All monomials up to a degree are loops. Other products have tables of pairs.

    Parameters
    ----------
    step : Products or FixedProducts
    writer : Writer
    name : str
        Of the function.
    one : str
        The constant.
    multiply : callable
        From the texts of two numbers to that of their product.
    sink : Sink
    ctype : str
        Of the numbers.
    """
    p = step.sources[0].size
    if step.degree is not None:
        return _monomials(step, writer, name, one, multiply, sink, ctype, p)
    n_lower = len(step.lower)
    body = ["uint16_t n = 0, first, second;"]
    table = "x[{0} - 1]"
    if n_lower:
        body.insert(0, writer.static(ctype, "lower", n_lower))
        table = f"({{0}} <= {p} ? x[{{0}} - 1] : lower[{{0}} - {p + 1}])"
    body.append("")
    if n_lower:
        pairs = writer.table(f"{name}_lower", step.lower)
        body.append(
            block(
                f"for (uint16_t i = 0; i < {n_lower}; i++)",
                f"first = {pairs('2 * i')};",
                f"second = {pairs('2 * i + 1')};",
                f"lower[i] = {multiply(table.format('first'), table.format('second'))};",
            )
        )
    pairs = writer.table(f"{name}_pairs", step.observables)
    has_constant = bool((step.observables == 0).all(axis=1).any())
    product = multiply(table.format("first"), table.format("second"))
    cases = ["if (second != 0)", f"    {sink.put(product)}"]
    if has_constant:
        cases += ["else if (first == 0)", f"    {sink.put(one)}"]
    cases += ["else", f"    {sink.put(table.format('first'))}"]
    body.append(
        block(
            f"for (uint16_t i = 0; i < {len(step.observables)}; i++)",
            f"first = {pairs('2 * i')};",
            f"second = {pairs('2 * i + 1')};",
            *cases,
        )
    )
    return lines(*body)


def _monomials(step, writer, name, one, multiply, sink, ctype, p):
    """Return loops: a variable times monomials of the degree below that begin with it or later."""
    has_constant = bool((step.observables[0] == 0).all())
    sizes = [comb(p + d - 1, d) for d in range(1, step.degree + 1)]
    body, loops = [], []
    if has_constant:
        loops.append(sink.put(one))
    loops.append(block(f"for (uint16_t i = 0; i < {p}; i++)", sink.put("x[i]")))
    lower, n_lower = "x", p
    for degree in range(2, step.degree + 1):
        # Monomials of the degree below whose first variable is i, and later ones.
        starts = [n_lower - comb(p - i + degree - 2, degree - 1) for i in range(p)]
        first = "i"
        if degree > 2:
            table = writer.table(f"{name}_starts_{degree}", np.array(starts))
            first = table("i")
        value, keep = multiply("x[i]", f"{lower}[j]"), []
        if degree < step.degree:
            kept = f"degree_{degree}"
            body.append(writer.static(ctype, kept, sizes[degree - 1]))
            keep = [f"{kept}[k] = {value};", sink.put(f"{kept}[k++]")]
            loops.append("k = 0;")
        inner = block(
            f"for (uint16_t j = {first}; j < {n_lower}; j++)", *(keep or [sink.put(value)])
        )
        loops.append(block(f"for (uint16_t i = 0; i < {p}; i++)", inner))
        if keep:
            lower, n_lower = kept, sizes[degree - 1]
    body.append("uint16_t n = 0" + (", k;" if step.degree > 2 else ";"))
    return lines(*body, "", *loops)
