"""A fit that fails leaves the estimator as it was."""

from contextlib import contextmanager


@contextmanager
def keeping_what_was_fitted(estimator):
    """Leave an estimator as it was when fitting it anew, within the context, fails.

    Parameters
    ----------
    estimator : estimator instance
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise
