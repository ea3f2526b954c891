"""A bar that shows how far a pass over the rows has come."""


def watched(items, what="pass over the rows", unit="block"):
    """Return an iterable of the items that moves a bar of tqdm, if there is tqdm.

    No bar for what takes less than a second.

    Parameters
    ----------
    items : sequence
    what : str, default="pass over the rows"
        What the bar is called.
    unit : str, default="block"
        What an item is.

    Returns
    -------
    items : iterable
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return items
    return tqdm(items, desc=what, unit=unit, leave=False, delay=1)
