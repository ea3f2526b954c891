"""The picture of an example, first on its page.

sphinx-gallery puts a picture where the code that draws it ends, which is at the end of most pages.
With this extension, the picture of the thumbnail also follows the first paragraph. An example with
several pictures says which one that is: ``# sphinx_gallery_thumbnail_number = 2``.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx_gallery.directives import imgsgnode

NUMBER = re.compile(r"^# sphinx_gallery_thumbnail_number = (\d+)$", re.MULTILINE)


def show_first(app, doctree):
    """Copy the picture of an example's thumbnail to the top of its page."""
    page = app.env.docname
    pictures = list(doctree.findall(imgsgnode))
    if not page.startswith("auto_examples/plot_") or not pictures:
        return
    frames = []
    for picture in pictures:  # in a frame each, which scrolls where a telephone is too narrow
        frame = nodes.container(classes=["picture"])
        picture.replace_self(frame)
        frame += picture
        frames.append(frame)
    script = Path(app.srcdir, page).with_suffix(".py").read_text(encoding="utf-8")
    number = NUMBER.search(script)
    first = frames[int(number[1]) - 1 if number else 0].deepcopy()
    title = next(doctree.findall(nodes.title))
    introduction = next(title.findall(nodes.paragraph, descend=False, siblings=True))
    introduction.parent.insert(introduction.parent.index(introduction) + 1, first)


def setup(app):
    """Register it."""
    app.connect("doctree-read", show_first)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
