"""Curves as SVG, in the colours of the page."""

from html import escape

import numpy as np

# Sizes of the whole picture, and of its margins on the left, right, top and bottom.
WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 40


class Plot:
    """Axes to draw on.

    Parameters
    ----------
    x_end : float
        End of the x axis, which begins at 0.
    label : str
        Description of the picture, for people who cannot see it.
    x_label, y_label : str
    """

    def __init__(self, x_end, label, x_label, y_label):
        self.x_end = x_end
        self._label = label
        self._parts = [*self._axes(x_label, y_label)]

    def x(self, values):
        """Return the positions of values, from the left."""
        return LEFT + np.asarray(values) / self.x_end * (WIDTH - LEFT - RIGHT)

    def y(self, values):
        """Return the positions of values, from the top."""
        return HEIGHT - BOTTOM - np.asarray(values) * (HEIGHT - TOP - BOTTOM)

    def line(self, x, y, kind="line"):
        """Draw a line through points."""
        self._parts.append(f"<polyline class='{kind}' points='{self._points(x, y)}'/>")

    def band(self, x, low, high):
        """Fill the area between two lines."""
        points = self._points(np.append(x, x[::-1]), np.append(low, high[::-1]))
        self._parts.append(f"<polygon class='band' points='{points}'/>")

    def point(self, x, y, low, high, title):
        """Draw a point and its interval. `title` is shown under the mouse."""
        x, y, low, high = (round(float(v), 1) for v in (self.x(x), *self.y([y, low, high])))
        self._parts.append(
            f"<g><title>{escape(title)}</title><line class='whisker' x1='{x}' x2='{x}' "
            f"y1='{low}' y2='{high}'/><circle cx='{x}' cy='{y}' r='4'/></g>"
        )

    def __str__(self):
        return (
            f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(self._label)}'>"
            f"{''.join(self._parts)}</svg>"
        )

    def _points(self, x, y):
        pairs = zip(self.x(x), self.y(y), strict=True)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in pairs)

    def _axes(self, x_label, y_label):
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for tick in (0, 0.25, 0.5, 0.75, 1):
            y = self.y(tick)
            yield f"<line class='grid' x1='{LEFT}' x2='{right}' y1='{y}' y2='{y}'/>"
            yield f"<text x='{LEFT - 6}' y='{y + 4}' text-anchor='end'>{tick:.0%}</text>"
        for tick in ticks(self.x_end):
            x = round(float(self.x(tick)), 1)
            yield f"<text x='{x}' y='{bottom + 16}' text-anchor='middle'>{tick:g}</text>"
        middle = (LEFT + right) / 2
        yield (
            f"<text x='{middle}' y='{HEIGHT - 6}' text-anchor='middle'>{escape(x_label)}</text>"
        )
        yield f"<title>{escape(y_label)}</title>"


def ticks(end):
    """Return a few round numbers from 0 to the end."""
    step = 10.0 ** np.floor(np.log10(end))
    step = next(step * f for f in (0.2, 0.25, 0.5, 1, 2) if end / (step * f) <= 6)
    return [round(float(tick), 10) for tick in np.arange(0, end * 1.0001, step)]


def certified_svg(distances, values, low, high, unit):
    """Return the curve of certified accuracy."""
    label = "Certified accuracy by the size of the change"
    plot = Plot(distances[-1], label, f"size of the change{unit}", "certified accuracy")
    plot.band(distances, low, high)
    plot.line(distances, values)
    return str(plot)


def reliability_svg(calibration):
    """Return accuracies against confidences."""
    label = "Accuracy by the probability of the chosen class"
    plot = Plot(1.0, label, "probability of the chosen class", "accuracy")
    plot.line([0, 1], [0, 1], kind="diagonal")
    for each in calibration.bins:
        found = each.accuracy
        title = f"{each.confidence:.1%} sure: {found.count} of {found.n_samples} right"
        plot.point(each.confidence, found.value, found.low, found.high, title)
    return str(plot)
