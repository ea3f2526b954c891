"""Warnings that point at the user's line."""

import sys
import warnings

# Packages whose frames may be between the user's line and a warning: a pipeline or a search may
# call this package, and joblib runs searches.
_NOT_THE_USER = {__name__.partition(".")[0], "sklearn", "joblib"}


def warn_user(message, category=UserWarning):
    """Warn at the user's line, outside of this package, scikit-learn and joblib.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    frame, level = sys._getframe(1), 2
    while _package_of(frame) in _NOT_THE_USER and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package_of(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
