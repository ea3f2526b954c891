"""Rows that are costly to lift: lifted once, and kept in memory or else in a temporary file.

Passes read the same array in both cases, so they give exactly the same results.
"""

import errno
import mmap
import os
import shutil
import tempfile
from pathlib import Path
from threading import Lock

import numpy as np
from sklearn import get_config

from .._memory import physical_memory
from ._blocks import ROWS_MULTIPLE, RowBlocks

FOLDER_VARIABLE = "SKLEARN_KOOPMAN_TEMP_FOLDER"
# Largest share of the memory for kept rows, even if scikit-learn's setting allows more.
LARGEST_SHARE = 1 / 4
# Number of blocks of a file that are read ahead: the next one of this thread and of the other.
BLOCKS_AHEAD = 2


class StoredBlocks(RowBlocks):
    """Rows that have been lifted once, so that their observables are only read.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_observables)
    file : mmap, default=None
        The file with the rows, if there is one.
    **settings
        As for `RowBlocks`.
    """

    def __init__(self, rows, file=None, **settings):
        super().__init__(rows, **settings)
        self._file = file

    def lifted(self, rows):
        """Return the observables of some rows, and read the next rows of a file ahead."""
        if self._file is not None and isinstance(rows, slice):
            self._read_ahead(rows.indices(self.n_samples)[1])
        return super().lifted(rows)

    def _read_ahead(self, row):
        """Let the system read the next rows in the meantime, if they are not in memory.

        Otherwise threads would wait for the disk at every block.
        """
        row_bytes = self.n_observables * self.X.dtype.itemsize
        start = row * row_bytes // mmap.PAGESIZE * mmap.PAGESIZE
        n_bytes = min(BLOCKS_AHEAD * self.block_rows * row_bytes, len(self._file) - start)
        if n_bytes > 0 and hasattr(mmap, "MADV_WILLNEED"):  # not on Windows
            self._file.madvise(mmap.MADV_WILLNEED, start, n_bytes)

    def kept_if_few(self, tile_rows=ROWS_MULTIPLE):
        """Return self, because the rows are already kept."""
        return self


def stored(blocks):
    """Lift rows that are costly to lift, and return blocks that keep them; others do not change.

    Rows are kept in memory up to scikit-learn's ``working_memory``, but at most in a quarter of the
    machine's memory. More rows are kept in a file without a name, in the folder that the
    environment variable ``SKLEARN_KOOPMAN_TEMP_FOLDER`` names, or Python's folder for temporary
    files. The system removes the file with the last reference to its rows, however the process
    ends.

    Parameters
    ----------
    blocks : Blocks

    Returns
    -------
    blocks : Blocks

    Raises
    ------
    OSError
        If the folder does not exist, or has no room.
    """
    if not blocks.is_costly or blocks.makes_products:
        return blocks
    shape, dtype = (blocks.n_samples, blocks.n_observables), blocks.dtype
    n_bytes = shape[0] * shape[1] * dtype.itemsize
    if n_bytes <= _working_memory():
        rows, file = np.empty(shape, dtype), None
        _lift_all(blocks, rows.__setitem__)
    else:
        file = _in_file(blocks, n_bytes)
        rows = np.frombuffer(file, dtype).reshape(shape)
    return StoredBlocks(rows, file, block_rows=blocks.block_rows, pool=blocks.pool)


def _working_memory():
    """Return the number of bytes of lifted rows that may be kept in memory."""
    allowed, there_is = get_config()["working_memory"] * 2**20, physical_memory()
    return allowed if there_is is None else min(allowed, LARGEST_SHARE * there_is)


def _lift_all(blocks, write):
    """Call ``write(rows, psi)`` for every block of rows, from several threads."""

    def lift(batches):
        for rows in blocks._batches(batches, "lifting rows"):
            write(rows, blocks.lifted(rows))

    blocks.pool.map_shares(lift, blocks._all_batches())


def _in_file(blocks, n_bytes):
    """Return the map of a temporary file with the lifted rows."""
    folder = os.environ.get(FOLDER_VARIABLE) or tempfile.gettempdir()
    if not Path(folder).is_dir():
        raise NotADirectoryError(
            errno.ENOTDIR,
            f"{FOLDER_VARIABLE}={folder!r} is not a folder: name one that exists, for lifted rows "
            f"of {n_bytes:,} bytes",
        )
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise _no_room(folder, n_bytes, f"{free:,} bytes are free")
    row_bytes, dtype = blocks.n_observables * blocks.dtype.itemsize, blocks.dtype
    one_at_a_time = Lock()
    # Threads that still lift after another has failed will find a closed file and end.
    with tempfile.TemporaryFile(dir=folder) as file:

        def write(rows, psi):
            psi = np.ascontiguousarray(psi, dtype)
            # Do not write into the map itself: a full disk would kill the process.
            with one_at_a_time:
                file.seek(rows.start * row_bytes)
                file.write(psi.data.cast("B"))

        try:
            _lift_all(blocks, write)
            file.flush()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(
                    folder, n_bytes, "it was filled while they were written"
                ) from error
            raise
        return mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)


def _no_room(folder, n_bytes, why):
    return OSError(
        errno.ENOSPC,
        f"No room for lifted rows of {n_bytes:,} bytes in the folder {folder!r}: {why}. Name "
        f"another in the environment variable {FOLDER_VARIABLE}, raise scikit-learn's "
        "working_memory, or take fewer observables",
    )
