"""Files of images.

These tests use a private module: `fetch_mnist` takes only eight files with known checksums.
"""

import gzip

import numpy as np
import pytest

from sklearn_koopman.datasets._idx import (
    decode_idx,
    encode_idx,
    md5,
    read_idx,
)

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_encoding_follows_the_published_format():
    # Magic number: two zeros, 8 for unsigned bytes, the rank; then big-endian sizes.
    assert (
        encode_idx(np.array([7, 9], dtype=np.uint8)).hex() == "00000801" + "00000002" + "0709"
    )


@pytest.mark.parametrize("array", [ARRAY, ARRAY[0, 0], ARRAY.T, ARRAY[:0]])
def test_decoding_inverts_encoding(array):
    np.testing.assert_array_equal(decode_idx(encode_idx(array)), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing"),
        (b"<html>", "begins with 3c 68 74 6d"),
        (b"\x00\x00\x0d\x01" + bytes(8), "not with the magic number 00 00 08"),
        (encode_idx(ARRAY)[:10], "ends inside its header"),
        (encode_idx(ARRAY)[:-1], r"promises 24 values of shape \(2, 3, 4\), it holds 23"),
        (encode_idx(ARRAY) + b"x", "it holds 25"),
    ],
)
def test_decoding_says_what_is_wrong(content, message):
    with pytest.raises(ValueError, match=message):
        decode_idx(content)


@pytest.mark.parametrize(("name", "pack"), [("a-idx3", bytes), ("a-idx3.gz", gzip.compress)])
def test_reads_plain_and_gzipped_files(tmp_path, name, pack):
    content = encode_idx(ARRAY)
    (tmp_path / name).write_bytes(pack(content))

    np.testing.assert_array_equal(read_idx(tmp_path / name, md5(content)), ARRAY)


def _gzip(content):
    # The file has no time in it, so that the tests have the same names in every process.
    return gzip.compress(content, mtime=0)


def _damage_deflate(packed):
    return packed[:12] + b"\xff" * 8 + packed[20:]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a-idx3", b"<html>", "magic number"),
        ("a-idx3", encode_idx(ARRAY)[:-1], "it holds 23"),
        ("a-idx3", encode_idx(ARRAY[::-1]), "has the MD5 sum .* expected"),
        ("a-idx3.gz", b"<html>", "Not a gzipped file"),
        ("a-idx3.gz", _gzip(encode_idx(ARRAY))[:-12], "ended before"),
        ("a-idx3.gz", _damage_deflate(_gzip(encode_idx(ARRAY))), "decompress|invalid"),
        ("a-idx3.gz", _gzip(b"<html>"), "magic number"),
    ],
)
def test_damaged_file_is_named_and_kept(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(OSError, match=message) as caught:
        read_idx(path, md5(encode_idx(ARRAY)))

    assert str(path) in str(caught.value)
    assert "delete or move it" in str(caught.value)
    assert path.read_bytes() == content


def test_more_than_any_image_set_holds_is_not_unpacked(tmp_path):
    path = tmp_path / "zeros.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(65):
            file.write(bytes(2**20))
    with pytest.raises(OSError, match="holds more than 67108864 bytes"):
        read_idx(path, "")
