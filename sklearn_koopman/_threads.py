"""Numbers of threads for problems, and pools that share blocks of rows."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import Lock, get_ident

from threadpoolctl import ThreadpoolController

# Number of lifted values below which threads cost more than they save. A product takes a fraction
# of a millisecond, but a thread that another process keeps waiting takes many milliseconds.
SHARED_FROM = 2**21


def threads_for(blocks):
    """Return a context in which BLAS has only one thread if there are few rows.

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
    """Return how many threads this thread may use, which the user or parent process limits.

    It is one within `threads_for` few rows, and within a share of work. Other threads that are in
    such contexts do not matter.
    """
    return _ONE_BLAS_THREAD.n_threads_here()


def _n_blas_threads():
    """Return how many threads BLAS may use now, with all limits."""
    counts = [
        pool.num_threads for pool in _controller().select(user_api="blas").lib_controllers
    ]
    return min(counts, default=1)


class ThreadPool:
    """Threads that share work with calls of BLAS. Each of them has one BLAS thread.

    Threads that wait for work end with their pool. Threads of BLAS wait for more work after a task,
    and keep a core busy for tens of milliseconds. If work of the pool and of BLAS alternates,
    `keeping_blas_to_one_thread` is faster.

    Parameters
    ----------
    size : int, default=None
        Number of threads. None takes as many as BLAS may use when work is shared.
    """

    def __init__(self, size=None):
        self._given_size = size
        self._kept_size = None  # while BLAS is kept to one thread
        # Process of the threads (forks do not have them), number of threads, and executor.
        self._workers: tuple[int, int, ThreadPoolExecutor | None] = 0, 0, None

    def __reduce__(self):
        # Copies and pickles have the size, but no threads yet.
        return ThreadPool, (self._given_size,)

    @property
    def size(self):
        """Number of threads that share the work."""
        return self._given_size or self._kept_size or n_threads()

    @contextmanager
    def keeping_blas_to_one_thread(self):
        """Context in which BLAS has one thread, and the pool as many as BLAS may have now."""
        before, self._kept_size = self._kept_size, self.size
        try:
            with _ONE_BLAS_THREAD:
                yield
        finally:
            self._kept_size = before

    @contextmanager
    def lending_threads_to_blas(self):
        """Context in which BLAS has as many threads as the pool, for one large task."""
        size = self._given_size or self._kept_size
        if size is None:  # BLAS already has them
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
        """Return ``function(share)`` for every share of the items, in a fixed order.

        The items of a share depend only on the number of threads, and so does a sum over all items.

        Parameters
        ----------
        function : callable
            Function of a list of items.
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
        """Return an executor with threads for this many shares. Idle threads cost nothing."""
        process, n_threads, executor = self._workers
        if n_threads < n_workers or process != os.getpid():
            # Threads of the last executor end when there are no references to it.
            executor = ThreadPoolExecutor(n_workers)
            self._workers = os.getpid(), n_workers, executor
        return executor


class _OneBlasThread:
    """A context in which BLAS has one thread. The first entry sets it, the last exit lifts it.

    It holds for all threads of the process. If each one restored what it found, a thread that
    enters second and leaves last would keep the limit.
    """

    def __init__(self):
        self.lock = Lock()
        self.users: Counter[int] = Counter()  # number of entries of each thread
        self.n_outside = 1  # threads of BLAS before the first entry

    def __enter__(self):
        with self.lock:
            if not self.users:
                self.n_outside = _n_blas_threads()
                with _controlling_blas():
                    self.limit = _controller().limit(limits=1, user_api="blas")
            self.users[get_ident()] += 1

    def __exit__(self, *error):
        with self.lock:
            self.users -= Counter([get_ident()])  # keeps positive counts
            if not self.users:
                self._lift_the_limit()

    def _lift_the_limit(self):
        with _controlling_blas():
            self.limit.restore_original_limits()

    def n_threads_here(self):
        """Return how many threads BLAS may use, without the limits of other threads in here."""
        with self.lock:
            if not self.users or get_ident() in self.users:
                return _n_blas_threads()
            return self.n_outside

    def leave_to_this_thread(self):
        """Forget the other threads, which do not exist in a forked process."""
        self.lock = Lock()  # another thread may have held it
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
    """Let this thread, and later any other thread, set the number of BLAS threads.

    From threadpoolctl 3.8 on, only the first thread that does so could set it, and others would
    silently be ignored: they could not lift its limit.
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
