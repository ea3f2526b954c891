"""What all fetch functions share: their parameters, the folder, OpenML, and what they return."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn.datasets
from sklearn.utils import Bunch

from .._progress import progress, showing_progress

ENVIRONMENT_VARIABLE = "SKLEARN_KOOPMAN_DATA"
WHERE_ELSE = (
    f"data_home= and the environment variable {ENVIRONMENT_VARIABLE} name another folder"
)
SUBSETS = ("train", "test", "all")
DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))


@dataclass(frozen=True)
class ImageSet:
    """What is said of a collection of labelled images.

    Attributes
    ----------
    target_names : tuple of str
        The names of the classes.
    description : str
    """

    target_names: tuple[str, ...]
    description: str


def check_subset(subset, caller):
    """Raise ValueError for what is not a part of a data set."""
    if not isinstance(subset, str) or subset not in SUBSETS:
        raise ValueError(
            f"The 'subset' parameter of {caller} must be a str among {{'train', 'test', "
            f"'all'}}. Got {subset!r} instead."
        )


def check_dtype(dtype, caller):
    """Return the dtype of intensities; raise ValueError for others."""
    try:
        # numpy takes None for float64: here it is more likely a slip.
        resolved = np.dtype("O" if dtype is None else dtype)
    except TypeError:
        resolved = np.dtype("O")
    if resolved not in DTYPES:
        raise ValueError(
            f"The 'dtype' parameter of {caller} must be one of float32, float64 (intensities "
            f"in [0, 1]) and uint8 (bytes 0 to 255). Got {dtype!r} instead."
        )
    return resolved


def root(data_home):
    """Return the folder that holds one subfolder per data set."""
    given = data_home or os.environ.get(ENVIRONMENT_VARIABLE)
    return (
        Path(given).expanduser()
        if given
        else Path(sklearn.datasets.get_data_home(), "sklearn_koopman")
    )


def images_and_classes(image_set, pixels, classes, dtype, return_X_y):
    """Return images and their classes as fetch functions do.

    Parameters
    ----------
    image_set : ImageSet
    pixels : ndarray of shape (n_samples, ...), uint8
    classes : ndarray of shape (n_samples,)
    dtype : dtype
        A float dtype scales the pixels to [0, 1].
    return_X_y : bool

    Returns
    -------
    bunch, or (data, target)
    """
    data = pixels.reshape(len(pixels), -1).astype(dtype)
    if dtype.kind == "f":
        data /= 255
    target = classes.astype(np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        images=data.reshape(pixels.shape),
        target_names=list(image_set.target_names),
        DESCR=image_set.description,
    )


def from_openml(name, hint):
    """Return the rows, as bytes, and the classes of a data set of OpenML.

    Raises
    ------
    OSError
        If it could not be downloaded; the hint says what to do without it.
    """
    try:
        with showing_progress(None), progress(f"{name} from OpenML, which takes minutes"):
            rows, classes = sklearn.datasets.fetch_openml(
                name,
                version=1,
                as_frame=False,
                return_X_y=True,
                # The caller keeps them in another form; a second copy would be of no use.
                cache=False,
                parser=_parser(),
            )
    except OSError as error:
        raise OSError(
            f"{name} could not be downloaded from OpenML ({error}). Try again later, or {hint}."
        ) from None  # what went wrong is in the message; how is a page of urllib
    return np.asarray(rows).astype(np.uint8), np.asarray(classes)


def _parser():
    """Return the fast parser of fetch_openml where the optional pandas is there."""
    try:
        import pandas  # noqa: F401
    except ImportError:
        return "liac-arff"
    return "pandas"
