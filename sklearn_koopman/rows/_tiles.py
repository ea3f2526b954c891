"""Rows in tiles so few that BLAS takes their products for small ones, which are twice as fast.

numpy hands all tiles of a stack to BLAS in one call.
"""

# Multiplications of a product that BLAS takes for a small one.
SMALL_PRODUCT = 10**6
TILE_ROWS = 64, 32, 16


def tile_rows(n_columns, n_products):
    """Return how many rows to multiply with ``n_products`` vectors at once.

    Parameters
    ----------
    n_columns, n_products : int

    Returns
    -------
    n_rows : int
    """
    most = SMALL_PRODUCT // (n_columns * n_products)
    return next((rows for rows in TILE_ROWS if rows <= most), TILE_ROWS[-1])


def in_tiles(n_rows, rows, *aligned):
    """Yield rows and what is aligned with them as (n_tiles, n_rows, ...): most, then the rest.

    Parameters
    ----------
    n_rows : int
        Rows of a tile.
    rows : array of shape (n_samples, n_columns), or (n_tiles, n_tile_rows, n_columns)
        The latter are in tiles already, and stay in these.
    *aligned : arrays of shape (n_samples, ...), or None
        None stays None.
    """
    if rows.ndim == 3:
        yield [rows, *(_reshaped(array, *rows.shape[:2]) for array in aligned)]
        return
    n_samples = len(rows)
    n_tiled = n_samples - n_samples % n_rows
    for start, stop, length in (
        (0, n_tiled, n_rows),
        (n_tiled, n_samples, n_samples - n_tiled),
    ):
        if start < stop:
            yield [
                None if array is None else _reshaped(array[start:stop], -1, length)
                for array in (rows, *aligned)
            ]


def _reshaped(array, n_tiles, n_rows):
    return None if array is None else array.reshape(n_tiles, n_rows, *array.shape[1:])
