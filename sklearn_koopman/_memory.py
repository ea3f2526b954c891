"""Refuse what cannot fit in memory before the machine starts to swap or kills the process."""

import os
from decimal import Decimal
from pathlib import Path

# Containers may be given less than the machine has; the kernel says so here (cgroup v2).
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def physical_memory():
    """Return the memory that this process can have at most.

    Returns
    -------
    n_bytes : int or None
        Memory of the machine, or of the container where that is less. None where the
        platform does not tell.
    """
    limits = (_machine_memory(), _container_memory())
    return min((limit for limit in limits if limit is not None), default=None)


def check_fits_in_memory(n_bytes, what, remedy):
    """Raise MemoryError for an array larger than the whole memory.

    Parameters
    ----------
    n_bytes : int
        Size of the array. Python's integers do not overflow; numpy's do.

    what : str
        What the array is; the subject of the message's first sentence.

    remedy : str
        What the user can do about it; the message's last sentence.
    """
    available = physical_memory()
    if available is not None and n_bytes > available:
        raise MemoryError(
            f"{what} needs {_gigabytes(n_bytes)} GB of memory, "
            f"but there are {_gigabytes(available)} GB. {remedy}"
        )


def _machine_memory():
    try:
        n_pages = os.sysconf("SC_PHYS_PAGES")
        return n_pages * os.sysconf("SC_PAGE_SIZE") if n_pages > 0 else None
    except (AttributeError, OSError, ValueError):  # no such function, or no such name
        return None


def _container_memory():
    try:
        return int(_CGROUP_LIMIT.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _gigabytes(n_bytes):
    # Binomial coefficients easily exceed the largest float; Decimal takes them all.
    gigabytes = Decimal(n_bytes) / 10**9
    return f"{gigabytes:,.1f}" if gigabytes < 10**6 else f"{gigabytes:.1e}"
