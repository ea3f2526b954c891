import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

# The tests put a stand-in for 70,000 images into this module.
from sklearn_koopman.datasets import _image_sets, fetch_fashion_mnist, fetch_mnist

FETCHERS = [
    (fetch_mnist, "MNIST", "_MNIST"),
    (fetch_fashion_mnist, "FashionMNIST", "_FASHION_MNIST"),
]
N_TRAIN, N_TEST = 6, 4


class Tiny:
    """Ten random images in place of 70,000: the files, and the answer of OpenML."""

    def __init__(self):
        rng = np.random.RandomState(0)
        self.pixels = rng.randint(256, size=(N_TRAIN + N_TEST, 784)).astype(np.uint8)
        self.pixels[0, :2] = 0, 255
        self.labels = np.arange(N_TRAIN + N_TEST, dtype=np.uint8)
        images = self.pixels.reshape(-1, 28, 28)
        self.files = {
            "train-images-idx3-ubyte": _image_sets.encode_idx(images[:N_TRAIN]),
            "train-labels-idx1-ubyte": _image_sets.encode_idx(self.labels[:N_TRAIN]),
            "t10k-images-idx3-ubyte": _image_sets.encode_idx(images[N_TRAIN:]),
            "t10k-labels-idx1-ubyte": _image_sets.encode_idx(self.labels[N_TRAIN:]),
        }
        self.checksums = {
            name: _image_sets.md5(content) for name, content in self.files.items()
        }

    def save(self, folder, packed=False):
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


class OpenML:
    """Stands for `fetch_openml`: returns the tiny data, or raises."""

    def __init__(self, tiny):
        self.answer = tiny.pixels.astype(np.int64), tiny.labels.astype(str).astype(object)
        self.error = None
        self.calls = []

    def __call__(self, name, **kwargs):
        self.calls.append((name, kwargs))
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def tiny(monkeypatch):
    data = Tiny()
    # The known checksums are those of 70,000 images, which would have to be downloaded.
    image_sets = {
        name: replace(getattr(_image_sets, name), checksums=data.checksums)
        for name in ("_MNIST", "_FASHION_MNIST")
    }
    for name, stand_in in {"_N_TRAIN": N_TRAIN, **image_sets}.items():
        monkeypatch.setattr(_image_sets, name, stand_in)
    monkeypatch.delenv("SKLEARN_KOOPMAN_DATA", raising=False)
    return data


@pytest.fixture
def ask_instead(monkeypatch):
    """Return a function that replaces OpenML by its argument. Tests have no network."""

    def put(stand_in):
        monkeypatch.setattr("sklearn.datasets.fetch_openml", stand_in)
        return stand_in

    return put


@pytest.fixture
def openml(tiny, ask_instead):
    return ask_instead(OpenML(tiny))


@pytest.fixture
def no_network(ask_instead):
    def fail(*args, **kwargs):
        raise AssertionError("the network was asked though the files are there")

    ask_instead(fail)


# The true data, if they are there


@pytest.fixture(scope="module")
def data_root():
    root = os.environ.get("SKLEARN_KOOPMAN_DATA")
    if not root:
        pytest.skip("SKLEARN_KOOPMAN_DATA, the folder of image data, is not set")
    return Path(root)


@pytest.mark.parametrize(
    ("fetch", "folder", "labels", "mean"),
    [
        (fetch_mnist, "MNIST", [7, 2, 1, 0, 4], 0.1325),
        (fetch_fashion_mnist, "FashionMNIST", [9, 2, 1, 1, 6], 0.2868),
    ],
)
def test_true_test_images(data_root, no_network, fetch, folder, labels, mean):
    if not (data_root / folder).is_dir():
        pytest.skip(f"{data_root / folder} is not there")
    bunch = fetch("test")

    assert bunch.data.shape == (10_000, 784)
    assert bunch.target[:5].tolist() == labels
    assert bunch.data.mean(dtype=np.float64) == pytest.approx(mean, abs=1e-4)
    assert len(bunch.target_names) == 10


@pytest.mark.parametrize(("fetch", "folder", "_"), FETCHERS)
def test_true_images_in_full(data_root, no_network, fetch, folder, _):
    if not (data_root / folder).is_dir():
        pytest.skip(f"{data_root / folder} is not there")
    X, y = fetch("all", return_X_y=True, dtype=np.uint8, data_home=data_root)

    X_test, y_test = fetch("test", return_X_y=True, dtype=np.uint8, data_home=data_root)

    assert X.shape == (70_000, 784)
    np.testing.assert_array_equal(X[60_000:], X_test)
    np.testing.assert_array_equal(y[60_000:], y_test)
    np.testing.assert_array_equal(np.unique(y), np.arange(10))


# Reading


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("fetch", "folder", "_"), FETCHERS)
@pytest.mark.parametrize(
    ("subset", "rows"),
    [("train", slice(N_TRAIN)), ("test", slice(N_TRAIN, None)), ("all", slice(None))],
)
def test_reads_every_subset(tmp_path, tiny, no_network, fetch, folder, _, packed, subset, rows):
    tiny.save(tmp_path / folder / "raw", packed)

    bunch = fetch(subset, data_home=tmp_path, dtype=np.uint8)

    np.testing.assert_array_equal(bunch.data, tiny.pixels[rows])
    np.testing.assert_array_equal(bunch.target, tiny.labels[rows])
    assert bunch.target.dtype == np.int64


def test_bunch(tmp_path, tiny):
    tiny.save(tmp_path / "MNIST" / "raw")
    bunch = fetch_mnist(data_home=str(tmp_path))
    X, y = fetch_mnist(data_home=tmp_path, return_X_y=True)

    assert set(bunch) == {"data", "target", "images", "target_names", "DESCR"}
    assert bunch.images.shape == (N_TRAIN, 28, 28)
    assert np.shares_memory(bunch.images, bunch.data)
    assert bunch.target_names == list("0123456789")
    assert "handwritten digits" in bunch.DESCR
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float32"])
def test_float_intensities(tmp_path, tiny, dtype):
    tiny.save(tmp_path / "MNIST" / "raw")
    X, _ = fetch_mnist(data_home=tmp_path, return_X_y=True, dtype=dtype)

    assert X.dtype == dtype
    assert X[0, :2].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(
        X, tiny.pixels[:N_TRAIN].astype(dtype) / np.dtype(dtype).type(255)
    )


def test_raw_bytes_can_be_written_to(tmp_path, tiny):
    tiny.save(tmp_path / "MNIST" / "raw")
    X, _ = fetch_mnist(data_home=tmp_path, return_X_y=True, dtype=np.uint8)

    assert X.dtype == np.uint8
    X[0, 0] = 1


# Where the files are sought


def test_data_home_comes_before_the_environment(tmp_path, tiny, no_network, monkeypatch):
    tiny.save(tmp_path / "given" / "MNIST" / "raw")
    monkeypatch.setenv("SKLEARN_KOOPMAN_DATA", str(tmp_path / "elsewhere"))

    fetch_mnist(data_home=tmp_path / "given")
    with pytest.raises(OSError, match="elsewhere"):
        fetch_mnist(download_if_missing=False)


def test_environment_comes_before_the_cache(tmp_path, tiny, no_network, monkeypatch):
    tiny.save(tmp_path / "variable" / "MNIST" / "raw")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("SKLEARN_KOOPMAN_DATA", str(tmp_path / "variable"))

    fetch_mnist()


def test_cache_is_in_the_data_home_of_scikit_learn(tmp_path, tiny, no_network, monkeypatch):
    tiny.save(tmp_path / "sklearn_koopman" / "MNIST" / "raw")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))

    fetch_mnist()


# What can go wrong


def test_missing_files_without_download(tmp_path, tiny, no_network):
    with pytest.raises(OSError, match="train-images-idx3-ubyte, train-labels") as caught:
        fetch_mnist(data_home=tmp_path, download_if_missing=False)

    message = str(caught.value)
    assert str(tmp_path / "MNIST" / "raw") in message
    assert "download_if_missing=True" in message
    assert "SKLEARN_KOOPMAN_DATA" in message
    assert "t10k" not in message


@pytest.mark.parametrize("subset", ["validation", None, 3, ["train"]])
@pytest.mark.parametrize("fetch", [fetch_mnist, fetch_fashion_mnist])
def test_bad_subset(fetch, subset):
    message = f"'subset' parameter of {fetch.__name__} must be .*'train', 'test', 'all'"
    with pytest.raises(ValueError, match=message) as caught:
        fetch(subset)
    assert f"Got {subset!r} instead" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, "no dtype", None, ">f4"])
@pytest.mark.parametrize("fetch", [fetch_mnist, fetch_fashion_mnist])
def test_bad_dtype(fetch, dtype):
    with pytest.raises(ValueError, match=r"'dtype' parameter .* float32, float64") as caught:
        fetch(dtype=dtype)
    assert f"Got {dtype!r} instead" in str(caught.value)


@pytest.mark.parametrize(
    ("packed", "suffix", "message"),
    [(True, ".gz", "ended before"), (False, "", "its header promises")],
)
def test_truncated_file_is_reported_and_kept(
    tmp_path, tiny, no_network, packed, suffix, message
):
    tiny.save(tmp_path / "MNIST" / "raw", packed)
    path = tmp_path / "MNIST" / "raw" / f"train-images-idx3-ubyte{suffix}"
    truncated = path.read_bytes()[:-20]
    path.write_bytes(truncated)

    with pytest.raises(OSError, match=message) as caught:
        fetch_mnist(data_home=tmp_path)

    assert str(path) in str(caught.value)
    assert path.read_bytes() == truncated


def test_the_files_of_another_data_set_are_refused(tmp_path, tiny):
    tiny.files["train-labels-idx1-ubyte"] = _image_sets.encode_idx(tiny.labels[:N_TRAIN][::-1])
    tiny.save(tmp_path / "FashionMNIST" / "raw")

    with pytest.raises(OSError, match=r"train-labels.* has the MD5 sum"):
        fetch_fashion_mnist(data_home=tmp_path)


# Download


@pytest.mark.parametrize(
    ("fetch", "folder", "name"),
    [
        (fetch_mnist, "MNIST", "mnist_784"),
        (fetch_fashion_mnist, "FashionMNIST", "Fashion-MNIST"),
    ],
)
def test_downloads_once_and_keeps_the_files(tmp_path, tiny, openml, fetch, folder, name):
    X, y = fetch("test", data_home=tmp_path, return_X_y=True, dtype=np.uint8)
    fetch("all", data_home=tmp_path)

    np.testing.assert_array_equal(X, tiny.pixels[N_TRAIN:])
    np.testing.assert_array_equal(y, tiny.labels[N_TRAIN:])
    [(asked, options)] = openml.calls
    assert asked == name
    assert options["version"] == 1
    kept = {p.name: p.read_bytes() for p in (tmp_path / folder / "raw").iterdir()}
    assert kept == tiny.files


def test_downloads_into_the_folder_of_the_environment(tmp_path, openml, monkeypatch):
    monkeypatch.setenv("SKLEARN_KOOPMAN_DATA", str(tmp_path))
    fetch_mnist()

    assert (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file()


def test_downloads_into_the_cache(tmp_path, openml, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    fetch_mnist()

    assert (tmp_path / "sklearn_koopman" / "MNIST" / "raw").is_dir()


def test_download_leaves_present_files_alone(tmp_path, tiny, openml):
    tiny.save(tmp_path / "MNIST" / "raw", packed=True)
    present = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").unlink()
    before = present.read_bytes()

    fetch_mnist(data_home=tmp_path)

    assert present.read_bytes() == before
    plain = [p.name for p in present.parent.iterdir() if p.suffix != ".gz"]
    assert plain == ["train-images-idx3-ubyte"]


def _other_order(pixels, labels):
    return pixels[::-1], labels[::-1]


def _other_pixel(pixels, labels):
    pixels = pixels.copy()
    pixels[-1, -1] ^= 1
    return pixels, labels


def _other_label(pixels, labels):
    labels = labels.copy()
    labels[-1] = "0"
    return pixels, labels


@pytest.mark.parametrize("change", [_other_order, _other_pixel, _other_label])
def test_download_that_differs_is_not_kept(tmp_path, openml, change):
    openml.answer = change(*openml.answer)

    with pytest.raises(OSError, match=r"not the published data: .* MD5 sum") as caught:
        fetch_mnist(data_home=tmp_path)

    assert str(tmp_path / "MNIST" / "raw") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_failed_download(tmp_path, openml):
    openml.error = ConnectionError("no route to host")

    with pytest.raises(OSError, match=r"could not be downloaded .*no route to host") as caught:
        fetch_mnist(data_home=tmp_path)

    assert str(tmp_path / "MNIST" / "raw") in str(caught.value)
    assert caught.value.__suppress_context__
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_pandas", [True, False])
def test_parser_needs_no_pandas(tmp_path, openml, without, has_pandas):
    if has_pandas:
        pytest.importorskip("pandas")
    else:
        without("pandas")
    fetch_mnist(data_home=tmp_path)

    assert openml.calls[0][1]["parser"] == ("pandas" if has_pandas else "liac-arff")
