"""Small pictures as data addresses: arrays as PNG files, without other packages."""

import struct
import zlib
from base64 import b64encode

import numpy as np

# Blue is against, grey is neutral, red is for. Grey looks the same on light and on dark pages.
_AGAINST, _NEUTRAL, _FOR = (
    np.array(c, float) for c in ((33, 102, 172), (128,) * 3, (200, 40, 50))
)


def data_address(pixels):
    """Return an image as ``data:image/png;base64,...``.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width) or (height, width, 3)
    """
    height, width = pixels.shape[:2]
    color_type = 0 if pixels.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in np.ascontiguousarray(pixels))
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return "data:image/png;base64," + b64encode(png).decode("ascii")


def picture(values, shape, low=None, high=None):
    """Return a row as a picture, grey or in colours. Large values are bright.

    Parameters
    ----------
    values : ndarray of shape (n_features,)
    shape : tuple of int
        Height and width, and 3 for colours.
    low, high : float, default=None
        Values that are black and white. None takes the smallest and the largest value.
    """
    values = np.asarray(values, dtype=float).reshape(shape)
    low = values.min() if low is None else low
    high = values.max() if high is None else high
    scaled = (values - low) / ((high - low) or 1.0)
    pixels = np.clip(255 * scaled, 0, 255).astype(np.uint8)
    return data_address(pixels[..., 0] if pixels.ndim == 3 and shape[2] == 1 else pixels)


def signed_picture(values, shape, limit=None):
    """Return numbers as a picture: red above zero, blue below zero, grey at zero.

    Parameters
    ----------
    values : ndarray of shape (n_features,)
    shape : tuple of int
        Height and width, and channels. The mean over the channels is shown.
    limit : float, default=None
        Magnitude with the strongest colour. None takes the largest magnitude.
    """
    values = np.asarray(values, dtype=float).reshape(shape)
    values = values.mean(axis=2) if values.ndim == 3 else values
    limit = limit or np.abs(values).max() or 1.0
    part = np.clip(values / limit, -1, 1)[..., None]
    colors = np.where(
        part > 0, _NEUTRAL + part * (_FOR - _NEUTRAL), _NEUTRAL - part * (_AGAINST - _NEUTRAL)
    )
    return data_address(colors.round().astype(np.uint8))
