"""Formulas as MathML, which browsers draw by themselves: no script, no network.

LaTeX is turned into MathML when the site is built.
"""

from docutils import nodes
from latex2mathml.converter import convert


def inline(translator, node):
    """Write a formula in a line of text."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def display(translator, node):
    """Write a formula in lines of its own, its parts (separated by an empty line) one by one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    for part in filter(None, map(str.strip, node.astext().split("\n\n"))):
        has_lines = "\\\\" in part and "\\begin" not in part
        latex = rf"\begin{{aligned}}{part}\end{{aligned}}" if has_lines else part
        translator.body.append(convert(latex, display="block"))
    translator.body.append("</div>")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
