"""How many threads a product deserves."""

from functools import cache

from threadpoolctl import ThreadpoolController

# Lifted numbers below which threads cost more than they save: handing a product of a fraction of
# a millisecond to a thread that another process keeps waiting takes many milliseconds.
SHARED_FROM = 2**21


def threads_for(blocks):
    """Return a context in which BLAS has one thread for rows that are few.

    Parameters
    ----------
    blocks : RowBlocks
        The rows of the problem that is solved within the context.

    Returns
    -------
    context : context manager
    """
    is_small = blocks.n_samples * blocks.n_observables < SHARED_FROM
    return _controller().limit(limits=1 if is_small else None, user_api="blas")


@cache
def _controller():
    return ThreadpoolController()
