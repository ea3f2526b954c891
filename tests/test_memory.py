"""How much memory there is, and errors when more is needed.

These tests use a private module. The messages of estimators are tested with the estimators; here
are machines that no test of an estimator meets.
"""

import os

import pytest

from sklearn_koopman._memory import check_fits_in_memory, physical_memory


def test_this_machine_has_memory():
    available = physical_memory()
    assert available is None or available > 10**8


@pytest.mark.parametrize(
    ("content", "expected"), [("1000000\n", 10**6), ("max\n", 10**9), (f"{10**12}\n", 10**9)]
)
def test_a_container_may_have_less_than_the_machine(content, expected, has_memory):
    has_memory(10**9, content)
    assert physical_memory() == expected


def test_a_platform_may_not_know_its_memory(has_memory):
    has_memory(-1)
    assert physical_memory() is None


def test_nothing_is_refused_where_the_memory_is_unknown(has_memory, monkeypatch):
    has_memory(None)
    monkeypatch.delattr(os, "sysconf")  # Windows does not have it
    assert physical_memory() is None
    check_fits_in_memory(10**30, "A", "B.")


def test_what_does_not_fit_is_refused(has_memory):
    has_memory(8 * 10**9)
    check_fits_in_memory(8 * 10**9, "The Gram matrix", "Lower the degree.")
    with pytest.raises(MemoryError) as error:
        check_fits_in_memory(12 * 10**9, "The Gram matrix", "Lower the degree.")
    assert str(error.value) == (
        "The Gram matrix needs 12.0 GB of memory, but there are 8.0 GB. Lower the degree."
    )


def test_numbers_beyond_floats_are_printed(has_memory):
    has_memory(8 * 10**9)
    with pytest.raises(MemoryError, match=r"needs 1\.0e\+6000 GB"):
        check_fits_in_memory(10**6009, "X", "Y.")
