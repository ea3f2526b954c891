"""A buffer for blocks of rows."""

import numpy as np


class ReusedBuffer:
    """A buffer that is reused, because allocation takes as long as making a block.

    Copies and pickles start without memory.
    """

    def __init__(self):
        self._bytes = np.empty(0, np.uint8)

    def __reduce__(self):
        return ReusedBuffer, ()

    def columns(self, n_rows, n_columns, dtype):
        """Return an array in Fortran order with undefined content."""
        n_bytes = n_rows * n_columns * np.dtype(dtype).itemsize
        if len(self._bytes) < n_bytes:
            self._bytes = np.empty(n_bytes, np.uint8)
        return self._bytes[:n_bytes].view(dtype).reshape(n_columns, n_rows).T
