"""What steps in floating point and in integers have in common as C."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sink:
    """Where a step puts its numbers: into a buffer, or at once into the sums of a matrix.

    Attributes
    ----------
    ctype : str
        Of the buffer, or of the sums.
    matrix : str, default=None
        Name of the step with the matrix.
    """

    ctype: str
    matrix: str | None = None

    @property
    def parameter(self):
        """The last parameter of the function."""
        return f"{self.ctype} *{'out' if self.matrix is None else 'sums'}"

    def put(self, value):
        """Return the statement that puts a number, the one with index n."""
        if self.matrix is None:
            return f"out[n++] = {value};"
        return f"{self.matrix}_add(n++, {value}, sums);"


def filter_loops(places, statement):
    """Return loops over the pixels that a filter sees from the place (down, across).

    Parameters
    ----------
    places : Places
    statement : str
        May use `pixel`, the index of a pixel, and `k`, that of a number of the filter.
    """
    channels, height, width = places.image
    rows, columns = places.kernel
    (up, left), (down_step, across_step) = places.padding, places.stride
    down_by, across_by = places.dilation
    y = _position("down", down_step, "ky", down_by, up)
    x = _position("across", across_step, "kx", across_by, left)
    lines, k = [], f"ky * {columns} + kx"
    pixel = f"({y}) * {width} + {x}"
    depth = 0

    def add(text, deeper=False):
        nonlocal depth
        lines.append("    " * depth + text)
        depth += deeper

    if channels > 1:
        add(f"for (uint8_t c = 0; c < {channels}; c++) {{", deeper=True)
        pixel = f"c * {height * width}u + {pixel}"
        k = f"(c * {rows} + ky) * {columns} + kx"
    add(f"for (uint8_t ky = 0; ky < {rows}; ky++) {{", deeper=True)
    if up:
        add(f"if ({y} < 0 || {y} >= {height})")
        add("    continue;")
    add(f"for (uint8_t kx = 0; kx < {columns}; kx++) {{", deeper=True)
    if left:
        add(f"if ({x} < 0 || {x} >= {width})")
        add("    continue;")
    add(statement.format(pixel=f"x[{pixel}]", k=k))
    while depth:
        depth -= 1
        lines.append("    " * depth + "}")
    return "\n".join(lines)


def _position(place, step, number, dilation, padding):
    """Return a coordinate of a pixel, without the factors that are one."""
    parts = [place if step == 1 else f"{place} * {step}"]
    parts.append(number if dilation == 1 else f"{number} * {dilation}")
    return " + ".join(parts) + (f" - {padding}" if padding else "")


def place_loops(places, body):
    """Return loops over the places of a filter, each with its number, `place`."""
    down, across = places.shape
    return (
        "place = 0;\n"
        f"for (int16_t down = 0; down < {down}; down++) {{\n"
        f"    for (int16_t across = 0; across < {across}; across++, place++) {{\n"
        f"{_indented(body, 2)}\n"
        "    }\n"
        "}"
    )


def cell_of_place(places):
    """Return the number of the cell that a place is in."""
    (rows, columns), (down, across) = places.shape, places.grid

    def along(place, n, n_cells):
        # Cell i begins at i * n // n_cells.
        if n_cells == 1:
            return "0"
        if n == n_cells:
            return place
        return f"(({place} + 1) * {n_cells} - 1) / {n}"

    return f"({along('down', rows, down)}) * {across} + {along('across', columns, across)}"


def _indented(text, levels):
    return "\n".join("    " * levels + line if line else line for line in text.split("\n"))


def lines(*parts):
    """Return statements one under the other, without those that are None."""
    return "\n".join(part for part in parts if part)


def block(head, *parts):
    """Return a compound statement."""
    return f"{head} {{\n{_indented(lines(*parts), 1)}\n}}"
