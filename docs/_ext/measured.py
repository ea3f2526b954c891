"""Tables that are read from the results of experiments and benchmarks when the site is built.

::

    ```{measured} table.csv
    :columns: dataset, components, degree, observables -> D
    :where: dataset = mnist
    :across: student: accuracy %
    ```

Without options, all columns of all rows. ``columns`` chooses some; ``-> D`` gives one another
heading, ``%`` shows a fraction in percent. ``where`` keeps the rows that have this value, or one of
several, in their order (``method in exact; no teacher``); " and " joins conditions. ``across``
makes a column of every value of a column, with what another one says there. ``caption`` is a title.
A column or value that the file does not have is an error, so that a page and its data cannot drift
apart.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
FOLDERS = ("experiments/results", "benchmarks/results")
# The same in every row: said once, below the table.
REMARKS = ("machine",)


@dataclass(frozen=True)
class Column:
    """A column of the file, and how it is shown."""

    name: str
    heading: str
    in_percent: bool

    @classmethod
    def parse(cls, text):
        """Return the column that a specification such as ``accuracy % -> right`` means."""
        text, _, heading = (part.strip() for part in text.partition("->"))
        name = text.removesuffix("%").strip()
        return cls(name, heading or name.replace("_", " "), text.endswith("%"))

    def cell(self, row):
        """Return what a row shows in this column."""
        text = row[self.name]
        try:
            number = float(text)
        except ValueError:
            return text
        if number != number:
            return ""
        if self.in_percent:
            return f"{100 * number:.2f}"
        if number.is_integer() and "." not in text and "e" not in text:
            return f"{int(number):,}" if abs(number) > 9999 else text
        return text if len(text) <= 8 else f"{number:.4g}"


def place_of(file):
    """Return the path of a file of results, from the top of the repository."""
    for folder in FOLDERS:
        if (ROOT / folder / file).exists():
            return f"{folder}/{file}"
    raise FileNotFoundError(f"{file} is neither in {' nor in '.join(FOLDERS)}")


def read(path):
    """Return the headings and the rows of a file."""
    with (ROOT / path).open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        return list(reader.fieldnames), list(reader)


def chosen(rows, condition):
    """Return the rows that fulfil a condition such as ``dataset = mnist``."""
    sign = " = " if " = " in condition else " in "
    name, _, text = condition.partition(sign)
    values = [text.strip()] if sign == " = " else [part.strip() for part in text.split(";")]
    left = [row for row in rows if row[name.strip()] in values]
    missing = set(values) - {row[name.strip()] for row in left}
    if missing:
        raise ValueError(f"no row has {condition}: {', '.join(sorted(missing))}")
    return sorted(left, key=lambda row: values.index(row[name.strip()]))


def spread(rows, columns, across):
    """Return headings and rows with one column for every value that ``across`` has."""
    name, _, shown = (part.strip() for part in across.partition(":"))
    shown = Column.parse(shown)
    values = list(dict.fromkeys(row[name] for row in rows))
    merged: dict[tuple, dict] = {}
    for row in rows:
        cells = merged.setdefault(tuple(column.cell(row) for column in columns), {})
        if row[name] in cells:
            raise ValueError(f"two rows for one cell: {row}")
        cells[row[name]] = shown.cell(row)
    headings = [column.heading for column in columns] + values
    return headings, [
        [*key, *(cells.get(value, "") for value in values)] for key, cells in merged.items()
    ]


def is_number(text):
    """Whether a cell is a number, or empty."""
    try:
        float(text.replace(",", "") or 0)
    except ValueError:
        return False
    return True


def table(headings, rows, caption=""):
    """Return the table node."""
    group = nodes.tgroup(cols=len(headings))
    group += [nodes.colspec(colwidth=1) for _ in headings]
    numeric = [all(is_number(row[i]) for row in rows) for i in range(len(headings))]
    for part, lines in ((nodes.thead(), [headings]), (nodes.tbody(), rows)):
        for line in lines:
            entries = nodes.row()
            for text, right in zip(line, numeric, strict=True):
                paragraph = nodes.paragraph("", text)
                entries += nodes.entry("", paragraph, classes=["number"] if right else [])
            part += entries
        group += part
    made = nodes.table("", group, classes=["measured", "colwidths-auto"])
    if caption:
        made.insert(0, nodes.title("", caption))
    return made


class Measured(SphinxDirective):
    """The directive."""

    required_arguments = 1
    option_spec: ClassVar = {
        "columns": directives.unchanged_required,
        "where": directives.unchanged_required,
        "across": directives.unchanged_required,
        "caption": directives.unchanged_required,
    }

    def run(self):
        """Return the table, and where it comes from."""
        (file,) = self.arguments
        try:
            path = place_of(file)
            self.env.note_dependency(str(ROOT / path))
            names, rows = read(path)
            remarks = [name for name in REMARKS if len({row.get(name) for row in rows}) == 1]
            remarks = [name for name in remarks if name in names]
            for condition in filter(None, self.options.get("where", "").split(" and ")):
                rows = chosen(rows, condition)
            wanted = [name for name in names if name not in remarks]
            if "columns" in self.options:
                wanted = self.options["columns"].split(",")
            columns = [Column.parse(text) for text in wanted]
            if "across" in self.options:
                headings, lines = spread(rows, columns, self.options["across"])
            else:
                headings = [column.heading for column in columns]
                lines = [[column.cell(row) for column in columns] for row in rows]
        except (OSError, KeyError, ValueError) as error:
            raise self.error(f"measured {file}: {error!r}") from error
        source = f"[`{file}`](../{path})"
        said = "; ".join(rows[0][name] for name in remarks)
        return [
            table(headings, lines, self.options.get("caption", "")),
            *self.parse_text_to_nodes(f"{source}: {said}" if said else source),
        ]


def setup(app):
    """Register the directive."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
