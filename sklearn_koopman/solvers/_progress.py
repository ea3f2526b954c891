"""A bar that shows how far a pass over the rows has come."""


def watched(items):
    """Return an iterable of the items that moves a bar of tqdm, if there is tqdm.

    No bar for what takes less than a second.

    Parameters
    ----------
    items : list

    Returns
    -------
    items : iterable
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return items
    return tqdm(items, desc="pass over the rows", unit="block", leave=False, delay=1)
