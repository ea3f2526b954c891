"""A network as C by another tool. `benchmarks/bench_microcontrollers.py` runs this script.

    python benchmarks/rivals/networks_in_c.py emlearn MODEL FOLDER

Reads a pickled MLPClassifier, writes network.h and the headers that it includes into a folder, and
prints one line of JSON.
"""

import json
import shutil
import sys
from pathlib import Path

import joblib


def main():
    """Convert a network."""
    import emlearn

    _, _, model, folder = sys.argv
    converted = emlearn.convert(joblib.load(model), method="inline")
    converted.save(name="network", file=str(Path(folder) / "network.h"))
    for header in Path(emlearn.includedir).glob("*.h"):
        shutil.copy(header, folder)
    print(json.dumps({"version": emlearn.__version__}))


if __name__ == "__main__":
    main()
