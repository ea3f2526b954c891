"""What all benchmarks share: sides take turns or run as processes of their own; tables."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
import scipy
import sklearn

from experiments.runner import (
    Results,
    count,
    full_or_quick,
    is_quick,
    parse,
    quick_parser,
    timed,
)

# Benchmarks use these functions of the experiments too.
__all__ = ["count", "full_or_quick", "is_quick", "parse", "timed"]

RESULTS = Path(__file__).parent / "results"


class Measurements(Results):
    """A table of a benchmark. Every row says on which machine it was measured."""

    def __init__(self, file, key, anew=True):
        super().__init__(RESULTS / file, key, anew=anew)

    def add(self, row):
        """Add a row and print it. It replaces an older row with the same key."""
        super().add(row, machine=machine())


@cache
def machine():
    """Return the machine and the versions that the numbers depend on."""
    threads = os.environ.get("OMP_NUM_THREADS")
    parts = [
        f"{os.cpu_count()} cores",
        *([f"{threads} thread(s)"] if threads else []),
        platform.machine(),
        f"Python {platform.python_version()}",
        f"numpy {np.__version__}",
        f"scipy {scipy.__version__}",
        f"scikit-learn {sklearn.__version__}",
    ]
    return ", ".join(parts)


def benchmark_parser(doc, repeats=None, runs_alone=False):
    """Return a parser that knows ``--quick``, and ``--repeats`` if a default is given.

    ``--alone`` is for scripts whose sides are processes of their own: see `alone`.
    """
    parser = quick_parser(doc)
    if runs_alone:
        parser.add_argument("--alone", nargs="+", help="run one side in this process")
    if repeats is not None:
        parser.add_argument(
            "--repeats",
            type=count,
            default=repeats,
            help="number of rounds; all sides take turns in each",
        )
    return parser


def seconds(function, *args, **kwargs):
    """Return the seconds that a call takes."""
    return timed(function, *args, **kwargs)[1]


def in_turns(sides, repeats, *, warm_up=0):
    """Call all sides, round by round; return {name: [result of each round]}.

    Other work of the machine then slows all of them alike. The first rounds can be left out.
    """
    found = {name: [] for name in sides}
    for number in range(-warm_up, full_or_quick(repeats, 1)):
        for name, side in sides.items():
            result = side()
            if number >= 0:
                found[name].append(result)
    return found


def median_of(values, digits=None):
    """Return the median of some numbers, rounded if digits are given."""
    middle = median(values)
    return middle if digits is None else round(middle, digits)


def median_ratio(values, others, digits=3):
    """Return the median of the ratios of all rounds."""
    return round(median(a / b for a, b in zip(values, others, strict=True)), digits)


def alone(script, *arguments):
    """Run ``script --alone ...`` in a process of its own; return its results and its memory.

    The memory is the peak of RssAnon in /proc, sampled 50 times a second. It counts everything that
    the process has allocated, the data of libraries included. Pages of files do not count: the
    system takes them back when it is short of memory. Linux only.
    """
    command = [sys.executable, script, "--alone", *map(str, arguments)]
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = re.search(r"RssAnon:\s+(\d+) kB", status.read_text())
            peak = max(peak, int(found[1]) if found else 0)
            time.sleep(0.02)
        printed = process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(printed.splitlines()[-1]) | {"anonymous": peak / 1024}


def tell(**found):
    """Print the results of this process, for `alone` to read."""
    print(json.dumps(found), flush=True)


def tell_cost(function, *args):
    """Call a function; tell its seconds, and by how many megabytes peak memory rose."""
    before = peak_megabytes()
    taken = seconds(function, *args)
    tell(seconds=taken, megabytes=peak_megabytes() - before)


def peak_megabytes():
    """Return the peak memory of this process. ru_maxrss would include its parent's peak."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
