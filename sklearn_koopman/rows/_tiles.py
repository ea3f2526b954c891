"""Small tiles of rows: BLAS has faster code for small products, which take half the time.

numpy passes all tiles of a stack to BLAS in one call.
"""

from sklearn.utils import gen_batches

# Largest number of multiplications of a product that counts as small in BLAS.
SMALL_PRODUCT = 10**6
TILE_ROWS = 64, 32, 16
# Products with this many vectors are not small. Then tiles have more rows and are passed one by
# one, so that results of their products stay in cache.
MANY_PRODUCTS = 32
LARGE_TILE_ROWS = 256


def tile_rows(n_columns, n_products):
    """Return the number of rows to multiply with ``n_products`` vectors at once.

    Parameters
    ----------
    n_columns, n_products : int

    Returns
    -------
    n_rows : int
    """
    most = SMALL_PRODUCT // (n_columns * n_products)
    if most < TILE_ROWS[0] and n_products >= MANY_PRODUCTS:
        return LARGE_TILE_ROWS
    return next((rows for rows in TILE_ROWS if rows <= most), TILE_ROWS[-1])


def in_tiles(n_rows, rows, *aligned):
    """Yield rows and aligned arrays as (n_tiles, n_rows, ...): whole tiles, and then the rest.

    Large tiles are yielded one by one.

    Parameters
    ----------
    n_rows : int
        Rows of a tile.
    rows : array of shape (n_samples, n_columns), or (n_tiles, n_tile_rows, n_columns)
        Rows. The latter form is already in tiles, which do not change.
    *aligned : arrays of shape (n_samples, ...), or None
        None stays None.
    """
    if rows.ndim == 3:
        stack = [rows, *(_reshaped(array, *rows.shape[:2]) for array in aligned)]
        yield from _one_by_one(stack) if rows.shape[1] == LARGE_TILE_ROWS else [stack]
        return
    n_samples = len(rows)
    if n_rows == LARGE_TILE_ROWS:
        for batch in gen_batches(n_samples, n_rows):
            yield [None if array is None else array[batch][None] for array in (rows, *aligned)]
        return
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


def _one_by_one(stack):
    """Yield the tiles of a stack, each as a stack of its own."""
    for i in range(len(stack[0])):
        yield [None if array is None else array[i : i + 1] for array in stack]


def _reshaped(array, n_tiles, n_rows):
    return None if array is None else array.reshape(n_tiles, n_rows, *array.shape[1:])
