"""A bar that shows how far a pass over the rows has come."""


def watched(items, title="pass over the rows", unit="block"):
    """Return an iterable of the items that moves a bar of tqdm, if there is tqdm.

    No bar for what takes less than a second.

    Parameters
    ----------
    items : list
    title, unit : str, default="pass over the rows", "block"
        What the bar says.

    Returns
    -------
    items : iterable
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return items
    return tqdm(items, desc=title, unit=unit, leave=False, delay=1)
