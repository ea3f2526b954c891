"""Helpers that the tests of several folders share."""

from threadpoolctl import threadpool_info


def blas_threads():
    """Return how many threads BLAS may use now; the least, if there are several libraries."""
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return min((info["num_threads"] for info in libraries), default=1)
