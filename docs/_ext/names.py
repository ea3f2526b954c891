"""Names of the package in the prose of a page become links to their reference.

Pages are read on code hosts too, so they say `` `MonomialLifter` `` and not a role of Sphinx.
"""

import importlib
import pkgutil
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import sklearn_koopman

NAME = re.compile(r"(?:sklearn_koopman\.)?([A-Za-z_][\w.]*)(?:\(.*\))?", re.S)


def public_modules():
    """Return the names of the public modules, the package itself first."""
    inside = [
        f"sklearn_koopman.{module.name}"
        for module in pkgutil.iter_modules(sklearn_koopman.__path__)
        if not module.name.startswith("_")
    ]
    return ["sklearn_koopman", *inside]


def public_names():
    """Return {name as prose says it: full name}; what the package exports is found there."""
    names: dict[str, str] = {}
    places: dict[int, str] = {}
    for module in public_modules():
        for name in importlib.import_module(module).__all__:
            item = getattr(importlib.import_module(module), name)
            place = places.setdefault(id(item), f"{module}.{name}")
            short = module.removeprefix("sklearn_koopman").lstrip(".")
            names[f"{short}.{name}".lstrip(".")] = place
            # A word such as "cost" is not always a name.
            if name != name.lower() or "_" in name:
                names.setdefault(name, place)
    return names


class LinkNames(SphinxTransform):
    """Make a link of every literal that is a public name."""

    default_priority = 400

    def apply(self, **options):
        """Replace the literals of a page; those of docstrings have roles of their own."""
        if self.env.doc2path(self.env.docname).suffix != ".md":
            return
        names = public_names()
        for literal in list(self.document.findall(nodes.literal)):
            found = NAME.fullmatch(literal.astext())
            inside_link = isinstance(literal.parent, nodes.reference | addnodes.pending_xref)
            if found is None or found[1] not in names or inside_link:
                continue
            link = addnodes.pending_xref(
                "",
                refdomain="py",
                reftype="obj",
                reftarget=names[found[1]],
                refdoc=self.env.docname,
                refexplicit=True,
                refwarn=True,
            )
            literal.replace_self(link)
            link += literal


def setup(app):
    """Register the transform."""
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
