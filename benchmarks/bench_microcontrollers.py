"""What a network and its student cost on the same emulated microcontroller.

    python benchmarks/bench_microcontrollers.py

emlearn converts a perceptron of scikit-learn's digits, 64-64-32-10, to C, in a virtual environment
of its own with the version that `benchmarks/rivals/` pins. Students with filters are distilled from
this perceptron. `to_c` converts them to C, in float32 and in integers of 4 bits. All run the same
200 images on a Cortex-M0+, which computes floats in software, and on a Cortex-M4F, compiled with
-O2. `flash` counts code and tables; `memory` counts the row and the stack too; `instructions` are
for one image. Writes benchmarks/results/microcontrollers_rivals.csv.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from benchmarks import runner
from benchmarks.rivals import run
from sklearn_koopman import ConvolutionalLifter, KoopmanDistilledClassifier
from sklearn_koopman.deployment import bench_on_mcu, to_c
from sklearn_koopman.pipeline import make_pipeline

BOARDS = ["cortex-m0plus", "cortex-m4"]
N_ROWS = 200
HEADER = """\
#ifndef NETWORK_STUDENT_H
#define NETWORK_STUDENT_H
#include <stdint.h>
#define NETWORK_STUDENT_N_FEATURES {n_features}
#define NETWORK_STUDENT_N_CLASSES {n_classes}
void network_student_logits(const float *row, float *logits);
#endif
"""
SOURCE = """\
#include "network_student.h"
#include "network.h"

void network_student_logits(const float *row, float *logits)
{
    eml_net_predict_proba(&network, row, NETWORK_STUDENT_N_FEATURES, logits,
        NETWORK_STUDENT_N_CLASSES);
}
"""


@dataclass(frozen=True)
class NetworkInC:
    """A network that emlearn has converted, with the interface of students in `bench_on_mcu`."""

    network: Any
    folder: Path
    name: str = "network_student"
    number: str = "float32"
    byte_range: None = None
    table_names: tuple = ()

    @property
    def classes_(self):
        """The labels."""
        return self.network.classes_

    def encoded(self, X):
        """Return rows in the format that the C code takes."""
        return X.astype(np.float32)

    def decision_function(self, X):
        """Return the probabilities."""
        return self.network.predict_proba(X)

    def write(self, folder):
        """Write all files into a folder."""
        for header in self.folder.glob("*.h"):
            # The headers lie beside the source here.
            text = re.sub(r"<(eml_\w+\.h)>", r'"\1"', header.read_text())
            (folder / header.name).write_text(text)
        sizes = {"n_features": self.network.n_features_in_, "n_classes": len(self.classes_)}
        (folder / "network_student.h").write_text(HEADER.format(**sizes))
        (folder / "network_student.c").write_text(SOURCE)


def sides(folder):
    """Return the models by name, and rows and labels to measure them on."""
    X, y = load_digits(return_X_y=True)
    X = (np.rint(X / 16 * 255) / 255).astype(np.float32)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    network = MLPClassifier((64, 32), alpha=0.3, learning_rate_init=3e-3, random_state=0)
    network.fit(X, y)
    filters = ConvolutionalLifter((8, 8), n_filters=12, filter_size=3, grid=2, random_state=0)
    matrix = KoopmanDistilledClassifier(FrozenEstimator(network), ridge=1e-4)
    student = make_pipeline(filters, matrix).fit(X, y)
    bytes_ = {"byte_range": (0.0, 1.0)}
    bits = {"bits": 4, "filter_bits": 4, "number": "integer", "X": X}
    found: dict[str, Any] = {
        "student, integers of 4 bits": to_c(student, **bits, **bytes_),
        "student, float32": to_c(student, **bytes_),
    }
    if not runner.is_quick():
        joblib.dump(network, folder / "network.joblib")
        made = (folder / "network.joblib", folder)
        print(run("emlearn", "networks_in_c.py", *made, most_seconds=600))
        found["perceptron, emlearn"] = NetworkInC(network, folder)
    return found, X_test[:N_ROWS], y_test[:N_ROWS]


def parser():
    """Return the parser of the command line."""
    return runner.benchmark_parser(__doc__)


def main():
    """Measure all models on all boards and write the table."""
    runner.parse(parser())
    results = runner.Measurements("microcontrollers_rivals.csv", ["side", "board"])
    with TemporaryDirectory() as made:
        found, X, y = sides(Path(made))
        for board in BOARDS:
            for side, student in found.items():
                report = bench_on_mcu(student, X, y, board=board)
                results.add(
                    {
                        "side": side,
                        "board": board,
                        "accuracy": report.accuracy,
                        "flash": report.flash,
                        "memory": report.memory,
                        "instructions": round(report.instructions),
                    }
                )


if __name__ == "__main__":
    main()
