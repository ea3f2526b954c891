"""Formulas as MathML, which browsers draw by themselves: no script, no network.

LaTeX is turned into MathML when the site is built.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert


def mathml(latex, display="inline"):
    """Return a formula as MathML."""
    # The converter knows `align*`, which is the same here.
    latex = re.sub(r"\\(begin|end)\{(?:aligned|split)\}", r"\\\1{align*}", latex)
    made = convert(latex, display=display)
    if "<mi>&</mi>" in made or re.search(r"<mi>\\\w", made):
        raise ValueError(f"not understood: {latex}")
    return made


def inline(translator, node):
    """Write a formula in a line of text."""
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def display(translator, node):
    """Write a formula in lines of its own, its parts (separated by an empty line) one by one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    for part in filter(None, map(str.strip, node.astext().split("\n\n"))):
        is_aligned = ("\\\\" in part or "&" in part) and "\\begin" not in part
        latex = rf"\begin{{aligned}}{part}\end{{aligned}}" if is_aligned else part
        translator.body.append(mathml(latex, display="block"))
    translator.body.append("</div>")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
