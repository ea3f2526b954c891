"""CIFAR-10 from its binary files or from sheets of images on disk, or from OpenML on first use.

The sources have the images in different orders. Here they get one order, and one checksum for each
part then serves them all.
"""

from hashlib import blake2b

import numpy as np

from .._extras import import_extra
from .._files import replaced_when_whole
from ._idx import md5
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

SHAPE = (3, 32, 32)
N_FEATURES = 3072
N_TEST = N_BATCH = 10_000
BINARY, SHEETS = "cifar-10-batches-bin", "CIFAR10"
BATCHES = {
    "train": [f"data_batch_{number}.bin" for number in range(1, 6)],
    "test": ["test_batch.bin"],
}
# MD5 sums of the pixels, then the classes, as bytes in the order of `in_order`.
CHECKSUMS = {
    "train": "86a81eac0e2e978d2f9ad83dc1f8e0d3",
    "test": "b3e114f8363123fb52b5c29416b56343",
}

_CIFAR10 = ImageSet(
    target_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    description=(
        "CIFAR-10: 60,000 small photographs, 32 x 32 pixels in colour, in 10 classes; "
        "50,000 to train and 10,000 to test (Krizhevsky, 2009)."
    ),
)


def fetch_cifar10(
    subset="train",
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    dtype=np.float32,
):
    """Load the CIFAR-10 photographs, downloading them on first use.

    =================   =========================
    Classes                                    10
    Samples total                          60,000
    Samples to train                       50,000
    Samples to test                        10,000
    Dimensionality             3072 (3 x 32 x 32)
    Features            float in [0, 1], or bytes
    =================   =========================

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 50,000 training images, the 10,000 test images, or both, in this order.

    data_home : str or path-like, default=None
        Folder that has the binary version of the data, `data_batch_1.bin` and so on, in its
        subfolder `cifar-10-batches-bin`, or lossless sheets of images in its subfolder `CIFAR10`.
        None takes the folder that the environment variable `SKLEARN_KOOPMAN_DATA` names, or, if it
        is not set, `sklearn_koopman` in :func:`sklearn.datasets.get_data_home`.

    download_if_missing : bool, default=True
        If images are missing, download the data from OpenML and keep them in that folder, as the
        binary version. If False, raise an OSError instead.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    dtype : {float32, float64, uint8}, default=np.float32
        A float dtype scales the colours to [0, 1]; `np.uint8` gives the bytes 0 to 255.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, 3072)
            One image per row: its red pixels row by row, then the green and the blue ones.
        target : ndarray of shape (n_samples,)
            The classes, integers from 0 to 9.
        images : ndarray of shape (n_samples, 3, 32, 32)
            A view of `data`.
        target_names : list of str
            The names of the 10 classes.
        DESCR : str
            A short description.

    (data, target) : tuple if `return_X_y` is True
        The two arrays described above.

    Raises
    ------
    ImportError
        If there are only sheets, and Pillow, which reads them, is not installed.
    OSError
        If files are missing, damaged, or not the published data.

    See Also
    --------
    fetch_fashion_mnist : Grey images, smaller and easier.

    Notes
    -----
    The images of a part are in the order of their digests (BLAKE2b, 16 bytes). So results do not
    depend on the order of the source, and the first rows are a fair sample. Pixels and classes are
    compared with a checksum each time they are read. A download is compared before it is kept.

    The Python version of the data, `cifar-10-batches-py`, is pickled. It is not read: a pickle
    can run any code.

    Sheets are `train-00.webp`, `train-01.webp` and so on, `test-00.webp` and so on: 25 rows of 40
    images each. Their classes are in `train-labels.npy` and `test-labels.npy`.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning multiple layers of features from tiny images", technical
       report, University of Toronto, 2009.

    Examples
    --------
    >>> from sklearn_koopman.datasets import fetch_cifar10
    >>> bunch = fetch_cifar10("test")  # doctest: +SKIP
    >>> bunch.images.shape  # doctest: +SKIP
    (10000, 3, 32, 32)
    """
    check_subset(subset, "fetch_cifar10")
    dtype = check_dtype(dtype, "fetch_cifar10")
    folder = root(data_home)
    parts = ("train", "test") if subset == "all" else (subset,)
    missing = [part for part in parts if _reader(folder, part) is None]
    if missing and not download_if_missing:
        raise OSError(
            f"The {' and '.join(missing)} images of CIFAR-10 were not found in {folder}: neither "
            f"{BINARY}/{BATCHES[missing[0]][0]} nor {SHEETS}/{missing[0]}-00.webp, and the "
            "pickles of cifar-10-batches-py are not read. Pass download_if_missing=True to "
            "download the data, or set data_home or the environment variable "
            f"{ENVIRONMENT_VARIABLE} to a folder that has them."
        )
    if missing:
        _download(folder)
    read = [_read(folder, part) for part in parts]
    pixels, classes = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
    return images_and_classes(_CIFAR10, pixels.reshape(-1, *SHAPE), classes, dtype, return_X_y)


def in_order(pixels, classes):
    """Return images and their classes in the order of the digests of the images.

    Parameters
    ----------
    pixels : ndarray of shape (n_samples, 3072), uint8
    classes : ndarray of shape (n_samples,), uint8

    Returns
    -------
    pixels, classes : ndarray
        Copies, contiguous.
    """
    digests = [blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(pixels)]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    return pixels[order], classes[order]


def checksum(pixels, classes):
    """Return the MD5 sum of images and their classes."""
    return md5(pixels.tobytes() + classes.tobytes())


def _reader(folder, part):
    """Return the function that reads a part from the files there are, or None."""
    if all((folder / BINARY / name).is_file() for name in BATCHES[part]):
        return _read_batches
    if (folder / SHEETS / f"{part}-labels.npy").is_file() and _sheets(folder, part):
        return _read_sheets
    return None


def _read(folder, part):
    """Return the images and classes of a part, which have the published content."""
    reader = _reader(folder, part)
    try:
        pixels, classes = in_order(*reader(folder, part))
        found = checksum(pixels, classes)
        if found != CHECKSUMS[part]:
            raise ValueError(f"the content has the MD5 sum {found}, expected {CHECKSUMS[part]}")
    except (ValueError, EOFError, OSError) as error:
        where = folder / (BINARY if reader is _read_batches else SHEETS)
        raise OSError(
            f"The {part} images in {where} are damaged or are others: {error}. They were left as "
            "they are; delete or move them, then fetch again or put a good copy in their place."
        ) from error
    return pixels, classes


def _read_batches(folder, part):
    """Return pixels and classes of the binary version: a byte of class before each image."""
    content = b"".join((folder / BINARY / name).read_bytes() for name in BATCHES[part])
    records = np.frombuffer(content, np.uint8)
    if records.size % (1 + N_FEATURES):
        raise ValueError(
            f"{records.size} bytes are not a whole number of images of {1 + N_FEATURES} bytes"
        )
    records = records.reshape(-1, 1 + N_FEATURES)
    return records[:, 1:], records[:, 0]


def _sheets(folder, part):
    """Return the sheets of a part, in order."""
    return sorted((folder / SHEETS).glob(f"{part}-[0-9][0-9].webp"))


def _read_sheets(folder, part):
    """Return pixels and classes of lossless sheets of images."""
    image = import_extra("PIL.Image", "fetch_cifar10, to read sheets of images,", "vision")
    _, height, width = SHAPE
    sheets = []
    for path in _sheets(folder, part):
        with image.open(path) as opened:
            sheet = np.asarray(opened.convert("RGB"))
        down, across = sheet.shape[0] // height, sheet.shape[1] // width
        tiles = sheet.reshape(down, height, across, width, 3).transpose(0, 2, 4, 1, 3)
        sheets.append(tiles.reshape(-1, N_FEATURES))
    classes = np.load(folder / SHEETS / f"{part}-labels.npy", allow_pickle=False)
    pixels = np.concatenate(sheets)
    if len(pixels) != len(classes):
        raise ValueError(f"there are {len(pixels)} images and {len(classes)} classes")
    return pixels, classes


def _download(folder):
    """Fetch the data from OpenML, compare them with the checksums, keep what is missing."""
    hint = f"put the binary version of CIFAR-10 into {folder / BINARY} ({WHERE_ELSE})"
    pixels, classes = from_openml("CIFAR_10", hint)
    classes = classes.astype(np.uint8)
    rows = _test_rows(pixels, classes)
    kept = {"train": np.delete(np.arange(len(pixels)), rows), "test": rows}
    for part, rows in kept.items():
        found = checksum(*in_order(pixels[rows], classes[rows]))
        if found != CHECKSUMS[part]:
            raise OSError(
                f"CIFAR_10 from OpenML is not the published data: its {part} images have the MD5 "
                f"sum {found}, expected {CHECKSUMS[part]}. Nothing was kept. Try again, or {hint}."
            )
    records = np.column_stack([classes, pixels])
    for part, rows in kept.items():
        if _reader(folder, part) is None:
            batches = np.split(records[rows], range(N_BATCH, len(rows), N_BATCH))
            for name, batch in zip(BATCHES[part], batches, strict=True):
                (folder / BINARY).mkdir(parents=True, exist_ok=True)
                with replaced_when_whole(folder / BINARY / name) as file:
                    file.write(batch.tobytes())


def _test_rows(pixels, classes):
    """Return which rows of all are the test images: a block of them, whose place is not relied on.

    The last block if none is.
    """
    blocks = np.split(np.arange(len(pixels)), range(N_TEST, len(pixels), N_TEST))
    for rows in reversed(blocks):
        if checksum(*in_order(pixels[rows], classes[rows])) == CHECKSUMS["test"]:
            break
    else:
        rows = blocks[-1]
    return rows
