"""MNIST and Fashion-MNIST from idx files on disk, or from OpenML on first use.

Whatever the source, the decompressed bytes of every file must have the published content:
one table of checksums serves gzipped files, plain files and downloads.
"""

from dataclasses import dataclass

import numpy as np

from .._files import replaced_when_whole
from ._idx import encode_idx, md5, read_idx
from ._sources import (
    ENVIRONMENT_VARIABLE,
    WHERE_ELSE,
    ImageSet,
    check_dtype,
    check_subset,
    from_openml,
    images_and_classes,
    root,
)

_PARTS = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}
_N_TRAIN = 60_000


@dataclass(frozen=True)
class _IdxSet(ImageSet):
    """A collection of labelled 28 x 28 images in idx files, and where they are found."""

    caller: str
    folder: str
    openml_name: str
    checksums: dict[str, str]


_MNIST = _IdxSet(
    caller="fetch_mnist",
    folder="MNIST",
    openml_name="mnist_784",
    target_names=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    checksums={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    description=(
        "MNIST: 70,000 handwritten digits, 28 x 28 grey values, in 10 classes; "
        "60,000 to train and 10,000 to test (LeCun, Bottou, Bengio and Haffner, 1998)."
    ),
)

_FASHION_MNIST = _IdxSet(
    caller="fetch_fashion_mnist",
    folder="FashionMNIST",
    openml_name="Fashion-MNIST",
    target_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    checksums={
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    description=(
        "Fashion-MNIST: 70,000 articles of clothing, 28 x 28 grey values, in 10 classes; "
        "60,000 to train and 10,000 to test (Xiao, Rasul and Vollgraf, 2017)."
    ),
)


def fetch_mnist(
    subset="train",
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    dtype=np.float32,
):
    """Load the MNIST handwritten digits, downloading them on first use.

    =================   =========================
    Classes                                    10
    Samples total                          70,000
    Samples to train                       60,000
    Samples to test                        10,000
    Dimensionality                  784 (28 x 28)
    Features            float in [0, 1], or bytes
    =================   =========================

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 training images, the 10,000 test images, or both, in this order.

    data_home : str or path-like, default=None
        Folder in the layout of torchvision: the files, gzipped or not, lie in its
        subfolder `MNIST/raw`. None takes the folder that the environment variable
        `SKLEARN_KOOPMAN_DATA` names, or, if it is not set, `sklearn_koopman` in
        :func:`sklearn.datasets.get_data_home`.

    download_if_missing : bool, default=True
        If a file is missing, download the data from OpenML and keep them in that folder.
        If False, raise an OSError instead.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    dtype : {float32, float64, uint8}, default=np.float32
        A float dtype scales the grey values to [0, 1]; `np.uint8` gives the bytes 0 to 255.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, 784)
            One image per row, its pixels row by row.
        target : ndarray of shape (n_samples,)
            The classes, integers from 0 to 9.
        images : ndarray of shape (n_samples, 28, 28)
            A view of `data`.
        target_names : list of str
            The names of the 10 classes.
        DESCR : str
            A short description.

    (data, target) : tuple if `return_X_y` is True
        The two arrays described above.

    See Also
    --------
    fetch_fashion_mnist : Articles of clothing in the same format.

    Notes
    -----
    Every file is compared with its published checksum each time it is read. A download is compared
    before it is kept. A file that differs raises an OSError, and stays as it is.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to
       document recognition", Proceedings of the IEEE 86 (11), 2278-2324, 1998.

    Examples
    --------
    >>> from sklearn_koopman.datasets import fetch_mnist
    >>> X, y = fetch_mnist("test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.shape  # doctest: +SKIP
    ((10000, 784), (10000,))
    """
    return _fetch(_MNIST, subset, data_home, download_if_missing, return_X_y, dtype)


def fetch_fashion_mnist(
    subset="train",
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    dtype=np.float32,
):
    """Load the Fashion-MNIST articles of clothing, downloading them on first use.

    =================   =========================
    Classes                                    10
    Samples total                          70,000
    Samples to train                       60,000
    Samples to test                        10,000
    Dimensionality                  784 (28 x 28)
    Features            float in [0, 1], or bytes
    =================   =========================

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 training images, the 10,000 test images, or both, in this order.

    data_home : str or path-like, default=None
        Folder in the layout of torchvision: the files, gzipped or not, lie in its
        subfolder `FashionMNIST/raw`. None takes the folder that the environment variable
        `SKLEARN_KOOPMAN_DATA` names, or, if it is not set, `sklearn_koopman` in
        :func:`sklearn.datasets.get_data_home`.

    download_if_missing : bool, default=True
        If a file is missing, download the data from OpenML and keep them in that folder.
        If False, raise an OSError instead.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    dtype : {float32, float64, uint8}, default=np.float32
        A float dtype scales the grey values to [0, 1]; `np.uint8` gives the bytes 0 to 255.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, 784)
            One image per row, its pixels row by row.
        target : ndarray of shape (n_samples,)
            The classes, integers from 0 to 9.
        images : ndarray of shape (n_samples, 28, 28)
            A view of `data`.
        target_names : list of str
            The names of the 10 classes.
        DESCR : str
            A short description.

    (data, target) : tuple if `return_X_y` is True
        The two arrays described above.

    See Also
    --------
    fetch_mnist : Handwritten digits in the same format.

    Notes
    -----
    Every file is compared with its published checksum each time it is read. A download is compared
    before it is kept. A file that differs raises an OSError, and stays as it is.

    References
    ----------
    .. [1] H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for
       benchmarking machine learning algorithms", 2017.
       `arXiv:1708.07747 <https://arxiv.org/abs/1708.07747>`_

    Examples
    --------
    >>> from sklearn_koopman.datasets import fetch_fashion_mnist
    >>> bunch = fetch_fashion_mnist("test")  # doctest: +SKIP
    >>> bunch.target_names[bunch.target[0]]  # doctest: +SKIP
    'Ankle boot'
    """
    return _fetch(_FASHION_MNIST, subset, data_home, download_if_missing, return_X_y, dtype)


def _fetch(image_set, subset, data_home, download_if_missing, return_X_y, dtype):
    """Check the parameters, find or download the files, read them."""
    check_subset(subset, image_set.caller)
    dtype = check_dtype(dtype, image_set.caller)
    folder = root(data_home) / image_set.folder / "raw"

    images = [f"{part}-images-idx3-ubyte" for part in _PARTS[subset]]
    labels = [f"{part}-labels-idx1-ubyte" for part in _PARTS[subset]]
    missing = [name for name in images + labels if _find(folder, name) is None]
    if missing and not download_if_missing:
        raise OSError(
            f"{', '.join(missing)}, gzipped or not, not found in {folder}. Pass "
            "download_if_missing=True to download the data, or set data_home or the "
            f"environment variable {ENVIRONMENT_VARIABLE} to a folder that has the files in "
            f"{image_set.folder}/raw."
        )
    if missing:
        _download(image_set, folder)

    pixels = _read(image_set, folder, images)
    target = _read(image_set, folder, labels)
    return images_and_classes(image_set, pixels, target, dtype, return_X_y)


def _find(folder, name):
    """Return the path of a file, plain or gzipped, or None."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read(image_set, folder, names):
    """Read the files of these names and stack them."""
    return np.concatenate(
        [read_idx(_find(folder, name), image_set.checksums[name]) for name in names]
    )


def _download(image_set, folder):
    """Fetch the data from OpenML, compare them with the checksums, keep what is missing."""
    hint = f"put the idx files, gzipped or not, into {folder} ({WHERE_ELSE})"
    pixels, classes = from_openml(image_set.openml_name, hint)
    # OpenML keeps the published order: first the training images, then the test images.
    images, labels = pixels.reshape(-1, 28, 28), classes.astype(np.uint8)
    contents = {
        "train-images-idx3-ubyte": encode_idx(images[:_N_TRAIN]),
        "train-labels-idx1-ubyte": encode_idx(labels[:_N_TRAIN]),
        "t10k-images-idx3-ubyte": encode_idx(images[_N_TRAIN:]),
        "t10k-labels-idx1-ubyte": encode_idx(labels[_N_TRAIN:]),
    }
    for name, content in contents.items():
        if md5(content) != image_set.checksums[name]:
            raise OSError(
                f"{image_set.openml_name} from OpenML is not the published data: {name} has "
                f"the MD5 sum {md5(content)}, expected {image_set.checksums[name]}. Nothing "
                f"was kept. Try again, or {hint}."
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if _find(folder, name) is None:
            with replaced_when_whole(folder / name) as file:
                file.write(content)
