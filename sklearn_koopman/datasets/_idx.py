"""The idx format of LeCun et al.: a magic number, the shape, then the values, row by row."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np

# Two zero bytes, the code of the value type, the number of dimensions.
_UINT8 = b"\x00\x00\x08"
# More than any image set unpacks to; a small file may hold gigabytes of zeros.
_LARGEST = 2**26


def encode_idx(array: np.ndarray) -> bytes:
    """Write an array of unsigned bytes as the content of an idx file."""
    shape = np.array(array.shape, dtype=">u4")
    return _UINT8 + bytes([array.ndim]) + shape.tobytes() + array.tobytes()


def decode_idx(content: bytes) -> np.ndarray:
    """Read the content of an idx file of unsigned bytes; the array is a read-only view."""
    if len(content) < 4 or content[:3] != _UINT8:
        raise ValueError(
            f"it begins with {content[:4].hex(' ') or 'nothing'}, not with the magic number "
            f"{_UINT8.hex(' ')} of an idx file of unsigned bytes"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError("it ends inside its header")
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"its header promises {math.prod(shape)} values of shape {shape}, "
            f"it holds {len(content) - start}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def md5(content: bytes) -> str:
    """Return the hexadecimal MD5 sum of some bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def read_idx(path: Path, checksum: str) -> np.ndarray:
    """Read an idx file, gzipped if its name says so, whose decompressed bytes have this MD5."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError(f"it holds more than {_LARGEST} bytes")
        array = decode_idx(content)
        if md5(content) != checksum:
            raise ValueError(f"its content has the MD5 sum {md5(content)}, expected {checksum}")
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise OSError(
            f"{path} is damaged or is another file: {error}. It was left as it is; delete or "
            "move it, then fetch again or put a good copy in its place."
        ) from error
    return array
