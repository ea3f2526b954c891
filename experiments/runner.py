"""What all experiments share: specs, results that are kept, and one way to run them.

A spec is a frozen dataclass that describes one row of a table. ``measure(spec)`` returns the
measured columns, or yields several such rows. `run` measures the specs that have no row yet, and
writes each row as soon as it is measured.
"""

import argparse
import csv
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import numpy as np

from sklearn_koopman._files import replaced_when_whole

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parents[1] / "docs" / "images"
# One colour for one kind of model in all pictures. The examples use the same colours.
TEACHER, STUDENT, NO_TEACHER, EDMD = "#1b4965", "#d1495b", "#e9a03b", "#8d99ae"
FILTERS, ANOTHER = "#9b5de5", "#3c8d5a"
# An environment variable, so that it also holds in the processes that a script starts.
_QUICK = "SKLEARN_KOOPMAN_QUICK"


def quick_parser(doc):
    """Return a parser that shows a docstring and knows ``--quick``."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="try it out within seconds; writes nothing"
    )
    return parser


def experiment_parser(doc, plot=False):
    """Return a parser with the options of every experiment; with ``--plot`` if it draws."""
    parser = quick_parser(doc)
    parser.add_argument("--again", action="store_true", help="measure all rows anew")
    parser.add_argument("--show", action="store_true", help="only print the table")
    if plot:
        parser.add_argument("--plot", action="store_true", help="only draw the table")
    return parser


def count(text):
    """Return the value of an option that is a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def parse(parser):
    """Return the options that a script was called with; ``--quick`` takes effect here."""
    options = parser.parse_args()
    if options.quick:
        os.environ[_QUICK] = "1"
    return options


def is_quick():
    """Whether the script is only tried out."""
    return os.environ.get(_QUICK) == "1"


def full_or_quick(full, quick):
    """Return the first value, or the second one with ``--quick``."""
    return quick if is_quick() else full


class Results:
    """A table in which no two rows have the same values in the columns of a key.

    With ``--quick`` the table starts empty and is not written.

    Parameters
    ----------
    file : str or Path
        Its name in the folder of results, or another path.
    key : sequence of str
    order : callable, default=None
        What rows are sorted by; None leaves new rows at the end.
    anew : bool, default=False
        Whether rows of earlier runs are dropped, because this run measures the whole table.
    """

    def __init__(self, file, key, order=None, anew=False):
        self.file, self.key, self.order, self.anew = RESULTS / file, tuple(key), order, anew
        self.of_this_run = []

    def rows(self):
        """Return the rows as dictionaries of strings."""
        return list(self.of_this_run) if self.anew or is_quick() else read(self.file)

    def where(self, **values):
        """Return the rows that have these values."""
        values = {name: str(value) for name, value in values.items()}
        return [row for row in self.rows() if values.items() <= row.items()]

    def add(self, row, **remarks):
        """Add a row; it replaces an older one with the same key. Print it without the remarks."""
        print(*row.values(), sep="  ", flush=True)
        row = row | remarks
        rows = self.rows()
        columns = list(dict.fromkeys([*(rows[0] if rows else ()), *row]))
        new = {name: str(row.get(name, "")) for name in columns}
        same = (i for i, old in enumerate(rows) if all(old[k] == new[k] for k in self.key))
        place = next(same, len(rows))
        rows[place : place + 1] = [new]
        if self.order is not None:
            rows.sort(key=self.order)
        self.of_this_run = rows
        if is_quick():
            return
        with replaced_when_whole(self.file, text=True) as lines:
            writer = csv.DictWriter(lines, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def show(self):
        """Print the table as Markdown."""
        rows = self.rows()
        if rows:
            print_markdown(list(rows[0]), [list(row.values()) for row in rows])


def save_picture(figure, name, dpi):
    """Write a figure to the folder of pictures, as PNG."""
    with replaced_when_whole(PICTURES / f"{name}.png") as file:
        figure.savefig(file, format="png", dpi=dpi)


def read(file):
    """Return the rows of a file as dictionaries; no rows if there is no file."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def print_markdown(titles, lines):
    """Print a table as Markdown."""
    for cells in (titles, ["---"] * len(titles), *lines):
        print(f"| {' | '.join(map(str, cells))} |")


def run(results, specs, measure, *, again=False):
    """Measure the specs that have no row yet, or all of them again, and add their rows."""
    todo = [spec for spec in specs if again or not results.where(**asdict(spec))]
    if len(todo) < len(specs):
        print(
            f"The table has {len(specs) - len(todo)} of {len(specs)}: --again measures all anew"
        )
    start = perf_counter()
    for number, spec in enumerate(todo, 1):
        print(f"{number}/{len(todo)} {spec}{_time_left(start, number, len(todo))}", flush=True)
        measured = measure(spec)
        for row in [measured] if isinstance(measured, Mapping) else measured:
            results.add(asdict(spec) | row)


def _time_left(start, number, n_specs):
    """Say how long the rest takes, if each spec takes as long as the average one so far."""
    if number == 1:
        return ""
    seconds = (perf_counter() - start) / (number - 1) * (n_specs - number + 1)
    return f", about {seconds / 60:.0f} minutes left"


def carry_out(options, results, specs, measure, plot=None):
    """Do what the options ask for: draw the table, print it, or measure its missing rows."""
    if plot is not None and options.plot:
        plot()
    elif options.show:
        results.show()
    else:
        run(results, specs, measure, again=options.again)


def timed(function, *args, **kwargs):
    """Return the result of a call, and the seconds that it took."""
    start = perf_counter()
    result = function(*args, **kwargs)
    return result, perf_counter() - start


def mean_and_std(values, digits=5):
    """Return mean and standard deviation over seeds, folds or draws."""
    return round(float(np.mean(values)), digits), round(float(np.std(values)), digits)
