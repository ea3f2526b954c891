"""One call that finds the student that a budget pays for."""

from ._search import KoopmanSearchCV

__all__ = ["KoopmanSearchCV"]
