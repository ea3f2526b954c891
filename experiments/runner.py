"""Result files that grow row by row: what was computed before need not be computed again."""

import csv


def load(file):
    """Return the rows of a file as dictionaries, none if it is not there."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def save(file, row, key, order=None):
    """Add a row, in the place of an older one that has the same values in the columns of a key.

    Parameters
    ----------
    file : Path
    row : dict
        Every column and its value.
    key : sequence of str
    order : callable, default=None
        What rows are sorted by; None puts the new one last.
    """
    new = {name: str(value) for name, value in row.items()}
    rows = [old for old in load(file) if any(old[name] != new[name] for name in key)]
    rows.append(new)
    if order is not None:
        rows.sort(key=order)
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(new), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
