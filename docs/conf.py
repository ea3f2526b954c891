"""How the site is built: ``make docs``. Nothing here needs a network."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

# One thread for each process that runs examples; this must stand before numpy is imported.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sklearn_koopman"
author = "The sklearn_koopman developers"
copyright = author
release = version = version_of("sklearn-koopman")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    # In _ext:
    "elsewhere",
    "first_picture",
    "mathml",
    "measured",
    "names",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# Docstrings -------------------------------------------------------------------------------

default_role = "literal"
add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_default_options = {"members": True, "inherited-members": True}
autosummary_generate = True
numpydoc_show_class_members = False
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}

# Pages ------------------------------------------------------------------------------------

myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# What signatures of dataclasses name, and is not public.
nitpick_ignore_regex = [("py:class", r"sklearn_koopman\..*\b_\w+\.\w+")]
linkcheck_timeout = 20
linkcheck_retries = 2
# DOIs lead to publishers, many of which answer browsers only.
linkcheck_ignore = [r"https://doi\.org/"]

# Gallery ----------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/(__init__|_.*)\.py$",
    "within_subsection_order": "FileNameSortKey",
    "reset_modules": ("matplotlib",),
    "parallel": True,  # as many as sphinx-build -j
    "doc_module": ("sklearn_koopman",),
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "plot_gallery": True,
}

# Looks ------------------------------------------------------------------------------------

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "sklearn_koopman"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sklearn_koopman"},
    "show_toc_level": 2,
    "show_prev_next": True,
    "header_links_before_dropdown": 7,
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# Pages without pages below them.
html_sidebars = {page: [] for page in ("index", "getting_started", "open_questions")}
