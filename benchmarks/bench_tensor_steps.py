"""What the bound of a step does for tensor trains of many variables.

    python benchmarks/bench_tensor_steps.py
    python benchmarks/bench_tensor_steps.py --show

Fashion-MNIST, 28 x 28 pixels, rank 16: 12 epochs on the first 2,000 training images of
those that benchmarks/teachers.py does not hold out, without a teacher. Every line is one bound and
one learning rate: the largest loss of an epoch, the last, and the accuracy on the first 5,000 of
the 10,000 images held out. A bound of "inf" is Adam as it was published.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from kept_rows import load, save
from sklearn.exceptions import ConvergenceWarning
from teachers import FETCH, split
from tensor_trains import make_student

from sklearn_koopman.tensor_trains import _descent as _tensor_descent

RESULTS = Path(__file__).parent / "results" / "tensor_steps.csv"
BOUNDS = (np.inf, 10.0, 3.0, 1.0, 0.3)
RATES = (3e-3, 1.0)


def run():
    """Fit with every bound and rate, and write each line as soon as it is there."""
    X, y = FETCH["fashion_mnist"]("train", return_X_y=True)
    rows, held = split(y)
    rows, held = rows[:2000], held[:5000]
    for rate in RATES:
        for bound in BOUNDS:
            _tensor_descent.LONGEST_STEP = bound
            student = make_student(
                "28 x 28", soft_weight=0.0, dropout=0.05, learning_rate=rate, max_iter=12
            )
            line = {"learning_rate": rate, "bound": bound}
            with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
                warnings.simplefilter("always", ConvergenceWarning)
                try:
                    student.fit(X[rows], y[rows])
                    losses = [record["objective"] for record in student.history_]
                    line |= {
                        "largest_loss": round(max(losses), 3),
                        "last_loss": round(losses[-1], 3),
                        "accuracy": student.score(X[held], y[held]),
                        "said": "warning" if caught else "",
                    }
                except ValueError:
                    line |= {"largest_loss": "inf", "last_loss": "inf"}
                    line |= {"accuracy": "", "said": "error"}
            save(RESULTS, line, ("learning_rate", "bound"))
            print(line, flush=True)


def show():
    """Print the table as Markdown."""
    print("| learning rate | bound | largest loss | last loss | accuracy | it says |")
    print("| ---: | ---: | ---: | ---: | ---: | --- |")
    for line in load(RESULTS):
        accuracy = line["accuracy"] and f"{100 * float(line['accuracy']):.1f}"
        cells = [line["learning_rate"], line["bound"], line["largest_loss"], line["last_loss"]]
        print(f"| {' | '.join([*cells, accuracy, line['said']])} |")


def main():
    """Run or show the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--show", action="store_true", help="print the table there is")
    if not parser.parse_args().show:
        run()
    show()


if __name__ == "__main__":
    main()
