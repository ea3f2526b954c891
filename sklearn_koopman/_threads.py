"""How many threads a problem deserves, and how blocks of rows are shared among them."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import Lock, get_ident

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
    return _ONE_BLAS_THREAD if is_small else nullcontext()


def n_threads():
    """Return how many threads this thread's work may have: what the user or parent process allows.

    One within `threads_for` few rows, or a share of work; but what other threads do there at the
    same time does not matter.
    """
    return _ONE_BLAS_THREAD.n_threads_here()


def _n_blas_threads():
    """Return how many threads BLAS may use now, whoever has limited them."""
    counts = [
        pool.num_threads for pool in _controller().select(user_api="blas").lib_controllers
    ]
    return min(counts, default=1)


class ThreadPool:
    """Threads that share work whose every item calls BLAS: one BLAS thread for each of them.

    Threads that wait for work end with their pool. Threads of BLAS that have worked wait for more,
    and keep a core busy with that for tens of milliseconds: where work of the pool and of BLAS
    take turns it is faster `keeping_blas_to_one_thread`.

    Parameters
    ----------
    size : int, default=None
        Number of threads; None takes as many as BLAS may use whenever work is shared.
    """

    def __init__(self, size=None):
        self._given_size = size
        self._kept_size = None  # while BLAS is kept to one thread
        # Their process, as a fork of it does not have them; how many they are; their executor.
        self._workers: tuple[int, int, ThreadPoolExecutor | None] = 0, 0, None

    def __reduce__(self):
        # Copies and pickles have the size, and no threads yet.
        return ThreadPool, (self._given_size,)

    @property
    def size(self):
        """How many threads share the work."""
        return self._given_size or self._kept_size or n_threads()

    @contextmanager
    def keeping_blas_to_one_thread(self):
        """Be as large as BLAS may be now, while that has one thread, whoever calls it."""
        before, self._kept_size = self._kept_size, self.size
        try:
            with _ONE_BLAS_THREAD:
                yield
        finally:
            self._kept_size = before

    @contextmanager
    def lending_threads_to_blas(self):
        """Let BLAS have as many threads as the pool, for one large task."""
        size = self._given_size or self._kept_size
        if size is None:  # it has them
            yield
            return
        with _controlling_blas():
            limit = _controller().limit(limits=size, user_api="blas")
        try:
            yield
        finally:
            with _controlling_blas():
                limit.restore_original_limits()

    def map_shares(self, function, items):
        """Return ``function(share)`` of every share of the items, in a fixed order.

        Which items a share has depends on nothing but the number of threads, and so does a sum
        over all items.

        Parameters
        ----------
        function : callable
            Takes a list of items.
        items : sequence

        Returns
        -------
        results : list
        """
        n_shares = min(self.size, len(items))
        if n_shares < 2:
            return [function(items)]

        def of_share(first):
            with _ONE_BLAS_THREAD:
                return function(items[first::n_shares])

        submit = self._executor_of(n_shares - 1).submit
        with _ONE_BLAS_THREAD:
            others = [submit(of_share, first) for first in range(1, n_shares)]
            return [of_share(0), *(other.result() for other in others)]

    def _executor_of(self, n_workers):
        """Return an executor with threads for so many shares at once; idle ones cost nothing."""
        process, n_threads, executor = self._workers
        if n_threads < n_workers or process != os.getpid():
            # The threads of the one before end when nobody refers to it any more.
            executor = ThreadPoolExecutor(n_workers)
            self._workers = os.getpid(), n_workers, executor
        return executor


class _OneBlasThread:
    """A context in which BLAS has one thread; the first to enter sets the limit, the last lifts it.

    It holds for all threads of the process: were each to restore what it found, whoever came
    second and left last would leave the limit behind.
    """

    def __init__(self):
        self.lock = Lock()
        self.users: Counter[int] = Counter()  # how often each thread has entered
        self.n_outside = 1  # threads of BLAS before the first of them

    def __enter__(self):
        with self.lock:
            if not self.users:
                self.n_outside = _n_blas_threads()
                with _controlling_blas():
                    self.limit = _controller().limit(limits=1, user_api="blas")
            self.users[get_ident()] += 1

    def __exit__(self, *error):
        with self.lock:
            self.users -= Counter([get_ident()])  # keeps what is positive
            if not self.users:
                self._lift_the_limit()

    def _lift_the_limit(self):
        with _controlling_blas():
            self.limit.restore_original_limits()

    def n_threads_here(self):
        """Return how many threads BLAS may use but for other threads that are in here."""
        with self.lock:
            if not self.users or get_ident() in self.users:
                return _n_blas_threads()
            return self.n_outside

    def leave_to_this_thread(self):
        """Forget the other threads: in a process that has been forked they do not go on."""
        self.lock = Lock()  # one of them may have held it
        if self.users:
            mine = self.users[get_ident()]
            self.users = Counter({get_ident(): mine} if mine else {})
            if not self.users:
                self._lift_the_limit()


_ONE_BLAS_THREAD = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ONE_BLAS_THREAD.leave_to_this_thread)


@contextmanager
def _controlling_blas():
    """Let this thread set how many threads BLAS has, and any thread after it.

    From threadpoolctl 3.8 on the first thread that does so would be the only one that can, and
    others be ignored without a word: a limit that another thread set could not be lifted.
    """
    _let_any_thread_control_blas()
    try:
        yield
    finally:
        _let_any_thread_control_blas()


def _let_any_thread_control_blas():
    for library in _controller().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@cache
def _controller():
    return ThreadpoolController()
