"""Products and sums as text and as LaTeX."""

import re
from itertools import groupby

_PLAIN = re.compile(r"[^\W\d]\w*'?")
_NUMBERED = re.compile(r"([A-Za-z])(\d+)('?)")
_LATEX = {
    "\\": r"\backslash ",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "^": r"\wedge ",
    "~": r"\sim ",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    " ": r"\ ",
}


def text_name(term, names):
    """Return a product as text, ``x0^2 [worst radius]``; without variables, "1".

    Parameters
    ----------
    term : tuple of int
        The variables of the product in ascending order, repeated for powers.
    names : list of str
    """
    return _product(term, names, _text_variable, "^{}", " ")


def latex_name(term, names):
    """Return a product in LaTeX."""
    return _product(term, names, _latex_variable, "^{{{}}}", r" \, ")


def text_sum(coefficients, names, digits):
    """Return the sum of terms as text: numbers times names; for the name "1", only the number."""
    return _sum(coefficients, names, lambda number: f"{number:.{digits}g}", " ")


def latex_sum(coefficients, names, digits):
    """Return the sum of terms in LaTeX."""

    def number_of(number):
        mantissa, _, exponent = f"{number:.{digits}g}".partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa

    return _sum(coefficients, names, number_of, r" \, ")


def _sum(coefficients, names, number_of, times):
    parts = []
    for coefficient, name in zip(coefficients.tolist(), names, strict=True):
        number = number_of(abs(coefficient))
        sign = "-" if coefficient < 0 else "+"
        parts += [sign, number if name == "1" else f"{number}{times}{name}"]
    if not parts:
        return "0"
    first = "-" if parts[0] == "-" else ""
    return first + " ".join(parts[1:])


def _product(term, names, variable, power, times):
    if not term:
        return "1"
    return times.join(
        variable(names[v]) + (power.format(n) if n > 1 else "")
        for v, n in ((v, len(list(run))) for v, run in groupby(term))
    )


def _text_variable(name):
    if _PLAIN.fullmatch(name):
        return name
    prime = "'" if name.endswith("'") else ""
    return f"[{name.removesuffix(prime)}]{prime}"


def _latex_variable(name):
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        letter, number, prime = numbered.groups()
        return f"{letter}_{{{number}}}{prime}"
    prime = "'" if name.endswith("'") else ""
    word = "".join(_LATEX.get(letter, letter) for letter in name.removesuffix(prime))
    return rf"\mathrm{{{word}}}{prime}"
