"""Checks that refuse arrays that do not fit in memory, before the machine swaps or crashes."""

import os
from decimal import Decimal
from pathlib import Path

# Containers may have less memory than the machine. The kernel states it here (cgroup v2).
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def physical_memory():
    """Return the largest memory that this process can have.

    Returns
    -------
    n_bytes : int or None
        Memory of the machine, or of the container if that is less. None if the platform does not
        state it.
    """
    limits = (_machine_memory(), _container_memory())
    return min((limit for limit in limits if limit is not None), default=None)


def check_fits_in_memory(n_bytes, what, remedy):
    """Raise MemoryError for an array larger than the whole memory.

    Parameters
    ----------
    n_bytes : int
        Size of the array, as a Python integer, because numpy's integers may overflow.

    what : str
        Name of the array, which is the subject of the message's first sentence.

    remedy : str
        Advice for the user, which is the message's last sentence.
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
    except (AttributeError, OSError, ValueError):  # the function or the name does not exist
        return None


def _container_memory():
    try:
        return int(_CGROUP_LIMIT.read_text())
    except (OSError, ValueError):  # the file does not exist, or has "max"
        return None


def _gigabytes(n_bytes):
    # Binomial coefficients easily exceed the largest float, but not the range of Decimal.
    gigabytes = Decimal(n_bytes) / 10**9
    return f"{gigabytes:,.1f}" if gigabytes < 10**6 else f"{gigabytes:.1e}"
