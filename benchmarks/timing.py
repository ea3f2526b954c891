"""What benchmarks measure time with."""

from time import perf_counter


def seconds(function, *arguments):
    """Return the time of a call."""
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start
