"""The curves of imodels' TAO trees, for the table of bench_tree_curves.py.

    python benchmarks/bench_tree_curves.py --dataset wine --export FOLDER
    python benchmarks/tree_curves_imodels.py FOLDER

TAO starts from scikit-learn's greedy tree and optimises all its nodes in turn (Carreira-Perpiñán
& Tavallali 2018). Needs `pip install imodels six` (imodels 3.0.4), in an environment
of its own if they do not go with the rest; neither torch nor this package is used.
"""

import argparse
import csv
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from imodels import TaoTreeClassifier

RESULTS = Path(__file__).parent / "results" / "tree_curves.csv"
METHOD = "TAO, teacher, more rows"
SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32)


def main():
    """Fit a tree of each size to each exported split, and write the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore")
    new = []
    for dataset in ("breast_cancer", "wine", "digits"):
        splits = [dict(np.load(file)) for file in sorted(folder.glob(f"{dataset}-*.npz"))]
        for size in SIZES:
            runs = []
            for data in splits:
                start = perf_counter()
                tree = TaoTreeClassifier(model_args={"max_leaf_nodes": size, "random_state": 0})
                tree.fit(data["X_more"], data["said_more"])
                seconds = perf_counter() - start
                labels = tree.predict(data["X_test"])
                right = labels == data["said_test"], labels == data["y_test"]
                runs.append((*map(np.mean, right), seconds))
            if runs:
                fidelity, accuracy, seconds = np.array(runs).T
                numbers = fidelity.mean(), fidelity.std(), accuracy.mean(), seconds.mean()
                new.append([dataset, METHOD, size, *(round(float(x), 4) for x in numbers)])
                print(*new[-1], flush=True)
    with RESULTS.open(newline="") as file:
        header, *old = csv.reader(file)
    done = {row[0] for row in new}
    rows = [row for row in old if row[1] != METHOD or row[0] not in done] + new
    order = ["breast_cancer", "wine", "digits"]
    rows.sort(key=lambda row: (order.index(row[0]), row[1], int(row[2])))
    with RESULTS.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    main()
