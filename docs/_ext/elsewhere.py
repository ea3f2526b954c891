"""Links to the documentation of other packages, without their inventories.

intersphinx would read the inventories from the network whenever the site is built. The few
packages that docstrings refer to have pages whose addresses follow from the names of what they
describe. That a name is right is checked by importing it; that its page exists, by
``make linkcheck``.
"""

from importlib import import_module

from docutils import nodes

PAGES = {
    "numpy": "https://numpy.org/doc/stable/reference/generated/{name}.html",
    "scipy": "https://docs.scipy.org/doc/scipy/reference/generated/{name}.html",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{name}.html",
    "skl2onnx": "https://onnx.ai/sklearn-onnx/api_summary.html#{name}",
}
# What is not on a page of its own.
ADDRESSES = {
    "collections.abc.Callable": (
        "https://docs.python.org/3/library/collections.abc.html#collections.abc.Callable"
    ),
    "numpy.polynomial": "https://numpy.org/doc/stable/reference/routines.polynomials-package.html",
    "numpy.random.Generator": "https://numpy.org/doc/stable/reference/random/generator.html",
    "pickle": "https://docs.python.org/3/library/pickle.html",
    "torch.export.export": "https://docs.pytorch.org/docs/stable/export.html",
    "torch.fx": "https://docs.pytorch.org/docs/stable/fx.html",
    "torch.jit.script": (
        "https://docs.pytorch.org/docs/stable/generated/torch.jit.script.html"
    ),
    "torch.utils.flop_counter.FlopCounterMode": (
        "https://docs.pytorch.org/docs/stable/utils.html"
    ),
}
# Terms and labels in what estimators inherit from scikit-learn.
GLOSSARY = "https://scikit-learn.org/stable/glossary.html#term-{term}"
LABELS = {
    "accuracy_score": (
        "https://scikit-learn.org/stable/modules/model_evaluation.html#accuracy-score"
    ),
    "df_output_transform": (
        "https://scikit-learn.org/stable/auto_examples/miscellaneous/plot_set_output.html"
    ),
    "r2_score": "https://scikit-learn.org/stable/modules/model_evaluation.html#r2-score",
    "metadata_routing": "https://scikit-learn.org/stable/metadata_routing.html",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py": (
        "https://scikit-learn.org/stable/auto_examples/miscellaneous/plot_set_output.html"
    ),
}


def exists(name):
    """Whether a dotted name can be imported."""
    path = name.split(".")
    for size in range(len(path), 0, -1):
        try:
            found = import_module(".".join(path[:size]))
        except ImportError:
            continue
        for part in path[size:]:
            try:
                if not hasattr(found, part):
                    return False
            except ImportError:  # there, but to be enabled first: sklearn.experimental
                return True
            found = getattr(found, part)
        return True
    return False


def address(kind, target):
    """Return the address of a target of another package, None if it has none."""
    if kind == "term":
        return GLOSSARY.format(term=target.replace(" ", "-").replace("_", "-"))
    if kind == "ref":
        return LABELS.get(target)
    found = ADDRESSES.get(target) or PAGES.get(target.partition(".")[0])
    return found.format(name=target) if found and exists(target) else None


def resolve(app, env, node, content):
    """Turn a reference that nothing here answers into a link to elsewhere."""
    found = address(node.get("reftype"), node.get("reftarget", ""))
    if found is None:
        return None
    link = nodes.reference("", "", internal=False, refuri=found)
    link += content
    return link


def setup(app):
    """Register the resolver."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
