"""Trees of imodels' TAO for the table of tree_curves.py, which runs this script.

    PYTHON experiments/tao.py ROWS FOUND SIZE [SIZE ...]

TAO starts from scikit-learn's greedy tree and optimises all its nodes in turn (Carreira-Perpiñán
& Tavallali 2018). This needs `pip install imodels six` (imodels 3.0.4), in an environment of its
own if these packages conflict with others; the script uses neither torch nor this package. ROWS and
FOUND are .npz files. ROWS has training rows, labels and test rows. FOUND gets the labels that trees
of each size give to the test rows, and the seconds that each tree took.
"""

import argparse
import warnings
from time import perf_counter

import numpy as np


def parser():
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("rows")
    made.add_argument("found")
    made.add_argument("sizes", type=int, nargs="+")
    return made


def main():
    """Grow a tree of each size."""
    from imodels import TaoTreeClassifier

    options = parser().parse_args()
    warnings.simplefilter("ignore")
    with np.load(options.rows) as data:
        X, y, X_test = data["X_more"], data["said_more"], data["X_test"]
    labels, seconds = [], []
    for size in options.sizes:
        tree = TaoTreeClassifier(model_args={"max_leaf_nodes": size, "random_state": 0})
        start = perf_counter()
        tree.fit(X, y)
        seconds.append(perf_counter() - start)
        labels.append(tree.predict(X_test))
    np.savez(options.found, labels=labels, seconds=seconds)


if __name__ == "__main__":
    main()
