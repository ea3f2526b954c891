"""One call that finds the best student for a budget."""

from ._search import KoopmanSearchCV

__all__ = ["KoopmanSearchCV"]
