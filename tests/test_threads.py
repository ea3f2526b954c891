"""Threads: how many a problem gets, and that the setting stays as it was.

These tests use a private module. Pools larger than the number of cores, and copies of them, come
with clusters of dask, which these tests do not start.
"""

import os
import pickle
from contextlib import ExitStack
from copy import copy, deepcopy
from itertools import chain
from threading import Barrier, Event, Thread, get_ident

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman._threads import ThreadPool, n_threads
from sklearn_koopman.rows import DiagonalMoments, GramMoments, RowBlocks
from sklearn_koopman.solvers import threads_for


def blas_threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


@pytest.mark.parametrize(("n_samples", "limited"), [(100, True), (10**6, False)])
def test_few_rows_get_one_thread(n_samples, limited):
    before = blas_threads()
    rows = np.broadcast_to(np.zeros(10), (n_samples, 10))
    with threads_for(RowBlocks(rows)):
        assert blas_threads() == ({1} if limited else before)
    assert blas_threads() == before


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_pool_shares_the_items_in_a_fixed_order(limit):
    with threadpool_limits(limit, user_api="blas"):
        limit = n_threads()  # BLAS has no more threads than cores
        shares = ThreadPool().map_shares(list, range(11))
    assert shares == [list(range(11))[first::limit] for first in range(limit)]


@pytest.mark.parametrize("size", [None, 3])
def test_a_pool_alone_keeps_its_size_and_blas_one_thread(size):
    before = blas_threads()
    pool = ThreadPool(size)
    expected = size or n_threads()
    with threadpool_limits(expected, user_api="blas"):
        possible = n_threads()  # BLAS has no more threads than cores
    with pool.keeping_blas_to_one_thread():
        assert pool.size == expected
        assert blas_threads() == {1}
        shares = pool.map_shares(list, range(7))
        with pool.lending_threads_to_blas():
            assert n_threads() == possible
        assert blas_threads() == {1}
    assert len(shares) == expected
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), pool.keeping_blas_to_one_thread():
        raise ZeroDivisionError
    assert blas_threads() == before
    assert pool.size == expected


def test_whoever_leaves_last_lifts_the_limit():
    before = blas_threads()
    first, second = (
        ThreadPool().keeping_blas_to_one_thread(),
        ThreadPool().keeping_blas_to_one_thread(),
    )
    with threadpool_limits(2, user_api="blas"):
        inside = blas_threads()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == inside
    assert blas_threads() == before


def in_a_thread(function):
    """Return the result of a function in a thread of its own."""
    results: list = []
    thread = Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_any_thread_limits_blas_and_lifts_what_another_has_limited():
    """Newer versions of threadpoolctl obey only one thread, as long as it is alive."""
    with threadpool_limits(2, user_api="blas"):
        inside = blas_threads()
        pool = ThreadPool()
        with pool.keeping_blas_to_one_thread():  # from here on, it would be this thread
            pass

        def limited():
            with ThreadPool().keeping_blas_to_one_thread():
                return blas_threads()

        assert in_a_thread(limited) == {1}
        assert blas_threads() == inside
        is_in, may_leave = Event(), Event()

        def stay():
            with ThreadPool().keeping_blas_to_one_thread():
                is_in.set()
                may_leave.wait(timeout=10)

        thread = Thread(target=stay)
        with ThreadPool().keeping_blas_to_one_thread():
            thread.start()
            is_in.wait(timeout=10)
        assert blas_threads() == {1}
        may_leave.set()
        thread.join()
        assert blas_threads() == inside


def test_a_pool_is_as_large_as_without_other_threads():
    with threadpool_limits(2, user_api="blas"):
        alone = ThreadPool().size
        with ThreadPool().keeping_blas_to_one_thread():
            assert in_a_thread(lambda: ThreadPool().size) == alone
            assert ThreadPool().size == 1  # a share of work is not shared again
        inside = ThreadPool(2).map_shares(lambda share: [ThreadPool().size], range(2))
        assert inside == [[1], [1]]


def test_fits_at_the_same_time_are_fits_alone_to_the_last_digit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12_000, 20))  # enough rows for several threads
    y = np.square(X[:, :3]).argmax(axis=1)
    student = KoopmanDistilledClassifier(
        soft_weight=0, lifter=MonomialLifter(2), max_iter=5, tol=0.05
    )
    fitted: dict = {}

    def fit(name):
        fitted[name] = clone(student).fit(X, y).coef_

    with threadpool_limits(2, user_api="blas"):
        fit("alone")
        threads = [Thread(target=fit, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_array_equal(fitted[0], fitted["alone"])
    assert_array_equal(fitted[1], fitted["alone"])


def test_every_thread_of_a_pool_has_one_blas_thread():
    before = blas_threads()
    with threadpool_limits(2, user_api="blas"):
        threads = ThreadPool().map_shares(lambda share: blas_threads(), range(2))
    assert threads == [{1}] * len(threads) or threads == [before]
    assert blas_threads() == before


def test_errors_of_any_share_are_raised():
    def fail(share):
        if 1 in share:
            raise ZeroDivisionError

    before = blas_threads()
    with pytest.raises(ZeroDivisionError):
        ThreadPool().map_shares(fail, range(4))
    assert blas_threads() == before


def test_copies_and_pickles_of_a_pool_work():
    pool = ThreadPool()
    pool.map_shares(list, range(4))
    for other in (deepcopy(pool), pickle.loads(pickle.dumps(pool))):
        assert sorted(chain(*other.map_shares(list, range(4)))) == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [1, 3, None])
def test_copies_and_pickles_of_a_pool_have_its_size(size):
    pool = ThreadPool(size)
    with pool.keeping_blas_to_one_thread():
        others = copy(pool), deepcopy(pool), pickle.loads(pickle.dumps(pool))
    for other in others:
        assert other.size == (size or n_threads())
        assert len(other.map_shares(list, range(7))) == min(size or n_threads(), 7)


def test_a_pool_has_as_many_threads_as_there_are_shares_whatever_came_before():
    pool = ThreadPool(6)
    for n_items in (2, 6, 3, 6):
        meeting = Barrier(n_items, timeout=10)  # it breaks if one item waits for another

        def meet(share, meeting=meeting):
            meeting.wait()
            return get_ident()

        assert len(set(pool.map_shares(meet, range(n_items)))) == n_items


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("kind", [DiagonalMoments, GramMoments])
def test_small_moments_are_those_of_all_threads(kind, n_threads):
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(101, 3)), rng.uniform(size=101)
    pool = ThreadPool(n_threads)
    moments = kind(3).update(X[:20], weight[:20])
    assert moments.is_small
    blocks = RowBlocks(X[20:], block_rows=7, pool=pool)
    assert blocks.map_reduce(kind.update, moments, weight[20:]) is moments
    assert_allclose(moments.weight, weight.sum())
    assert_allclose(moments.mean, np.average(X, axis=0, weights=weight))
    scale = moments.scale
    variance = np.average((X - moments.mean) ** 2, axis=0, weights=weight)
    assert_allclose(scale.deviation**2, variance)


def test_a_pool_without_a_size_is_as_large_as_blas_may_be_now():
    pool = ThreadPool()
    with threadpool_limits(2, user_api="blas"):
        most = n_threads()  # BLAS has no more threads than cores
    for limit in (1, most, 1):
        with threadpool_limits(limit, user_api="blas"):
            assert pool.size == limit
            assert len(pool.map_shares(list, range(5))) == limit


def in_a_fork(check):
    """Return whether a check holds in a process that is forked here."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
FEW, MANY = (RowBlocks(np.broadcast_to(np.zeros(9), (n, 9))) for n in (10, 10**6))


@needs_fork
@forks
def test_a_fork_while_another_thread_fits_has_limits_of_its_own():
    before = blas_threads()
    entered, may_leave = Event(), Event()

    def fit():
        with threads_for(FEW):
            entered.set()
            may_leave.wait()

    thread = Thread(target=fit)
    thread.start()
    entered.wait()

    def limits_are_applied():
        outside = blas_threads()
        with threads_for(FEW):
            inside = blas_threads()
        return (outside, inside, blas_threads()) == (before, {1}, before)

    try:
        assert in_a_fork(limits_are_applied)
    finally:
        may_leave.set()
        thread.join()
    assert blas_threads() == before


@needs_fork
@forks
def test_a_fork_within_a_fit_leaves_it_as_usual():
    before = blas_threads()

    def is_limited_until_it_ends():
        inside = blas_threads()
        stack.close()
        return (inside, blas_threads()) == ({1}, before)

    with ExitStack() as stack:
        stack.enter_context(threads_for(FEW))
        assert in_a_fork(is_limited_until_it_ends)
    assert blas_threads() == before


@needs_fork
@forks
def test_a_pool_has_new_threads_in_a_fork():
    pool = ThreadPool(2)
    pool.map_shares(list, range(2))
    assert in_a_fork(lambda: pool.map_shares(list, range(2)) == [[0], [1]])
