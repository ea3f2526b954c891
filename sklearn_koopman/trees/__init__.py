"""Decision trees, read out of a network's features.

`__all__` is for users; the other names are the parts of a tree, which tests take one by one.
"""

from ._classifier import DistilledTreeClassifier, SizedTree
from ._clauses import Literals as Literals, grow_clauses as grow_clauses
from ._decision_tree import as_decision_tree as as_decision_tree, walk as walk
from ._dynamic import best_trees as best_trees
from ._features import internal_features as internal_features

__all__ = ["DistilledTreeClassifier", "SizedTree"]
