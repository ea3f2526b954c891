import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

# The tests put a stand-in for 60,000 images into this module.
from sklearn_koopman.datasets import _cifar10, fetch_cifar10

N_BATCH, N_TRAIN = 2, 10
DOWN, ACROSS = 1, 2  # numbers of images in a sheet


class Tiny:
    """Twelve random images in place of 60,000."""

    def __init__(self):
        rng = np.random.RandomState(0)
        self.pixels = rng.randint(256, size=(N_TRAIN + N_BATCH, 3072)).astype(np.uint8)
        self.classes = (np.arange(N_TRAIN + N_BATCH) % 10).astype(np.uint8)
        self.rows = {"train": slice(N_TRAIN), "test": slice(N_TRAIN, None), "all": slice(None)}

    def part(self, name):
        return self.pixels[self.rows[name]], self.classes[self.rows[name]]

    def save_batches(self, root):
        folder = root / "cifar-10-batches-bin"
        folder.mkdir(parents=True)
        names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
        for i, name in enumerate(names):
            rows = range(i * N_BATCH, (i + 1) * N_BATCH)
            records = [bytes([self.classes[row]]) + self.pixels[row].tobytes() for row in rows]
            (folder / name).write_bytes(b"".join(records))
        return folder

    def save_sheets(self, root):
        image = pytest.importorskip("PIL.Image")
        folder = root / "CIFAR10"
        folder.mkdir(parents=True)
        for part in ("train", "test"):
            pixels, classes = self.part(part)
            for number, start in enumerate(range(0, len(pixels), DOWN * ACROSS)):
                sheet = np.zeros((DOWN * 32, ACROSS * 32, 3), np.uint8)
                for place in range(DOWN * ACROSS):
                    down, across = divmod(place, ACROSS)
                    red_green_blue = pixels[start + place].reshape(3, 32, 32)
                    sheet[down * 32 :, across * 32 :][:32, :32] = np.moveaxis(
                        red_green_blue, 0, 2
                    )
                image.fromarray(sheet).save(
                    folder / f"{part}-{number:02d}.webp", lossless=True, exact=True
                )
            np.save(folder / f"{part}-labels.npy", classes)
        return folder


class OpenML:
    """Stands for `fetch_openml`: returns the tiny data, or raises."""

    def __init__(self, pixels, classes):
        self.answer = pixels.astype(np.int64), classes.astype(str).astype(object)
        self.error = None
        self.asked = []

    def __call__(self, name, **options):
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def tiny(monkeypatch):
    data = Tiny()
    checksums = {part: checksum(*data.part(part)) for part in ("train", "test")}
    # The known checksums are those of 60,000 images, which would have to be downloaded.
    for name, stand_in in {
        "CHECKSUMS": checksums,
        "N_TEST": N_BATCH,
        "N_BATCH": N_BATCH,
    }.items():
        monkeypatch.setattr(_cifar10, name, stand_in)
    monkeypatch.delenv("SKLEARN_KOOPMAN_DATA", raising=False)
    return data


@pytest.fixture
def openml(tiny, monkeypatch):
    stand_in = OpenML(tiny.pixels, tiny.classes)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", stand_in)  # tests have no network
    return stand_in


def checksum(pixels, classes):
    """Return the checksum of a part: of the pixels, then of the classes, ordered by digests."""
    ordered = sorted(
        (hashlib.blake2b(row.tobytes(), digest_size=16).digest(), row.tobytes(), bytes([label]))
        for row, label in zip(pixels, classes, strict=True)
    )
    _, rows, labels = zip(*ordered, strict=True)
    return hashlib.md5(b"".join(rows + labels)).hexdigest()


def as_set(X, y):
    return {(row.tobytes(), int(label)) for row, label in zip(X, y, strict=True)}


def test_true_test_images(monkeypatch):
    root = os.environ.get("SKLEARN_KOOPMAN_DATA")
    if not root or not any(
        (Path(root) / name).is_dir() for name in ("CIFAR10", "cifar-10-batches-bin")
    ):
        pytest.skip("CIFAR-10 is not in the folder of image data, SKLEARN_KOOPMAN_DATA")
    bunch = fetch_cifar10("test", dtype=np.uint8, download_if_missing=False)

    assert bunch.images.shape == (10_000, 3, 32, 32)
    np.testing.assert_array_equal(np.bincount(bunch.target), [1000] * 10)
    means = bunch.images.mean(axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, [0.49421428, 0.48513139, 0.45040909], atol=1e-7)


@pytest.mark.parametrize("save", [Tiny.save_batches, Tiny.save_sheets])
@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_reads_every_subset(tmp_path, tiny, openml, save, subset):
    save(tiny, tmp_path)

    X, y = fetch_cifar10(subset, data_home=tmp_path, return_X_y=True, dtype=np.uint8)

    assert as_set(X, y) == as_set(*tiny.part(subset))
    assert y.dtype == np.int64
    assert openml.asked == []


def test_all_sources_have_one_order(tmp_path, tiny, openml):
    shuffled = np.random.RandomState(1).permutation(N_TRAIN)
    tiny.save_batches(tmp_path / "batches")
    tiny.pixels[:N_TRAIN] = tiny.pixels[shuffled]
    tiny.classes[:N_TRAIN] = tiny.classes[shuffled]
    tiny.save_sheets(tmp_path / "sheets")

    X, y = fetch_cifar10("all", data_home=tmp_path / "batches", return_X_y=True)

    for source in ("sheets", "downloaded"):
        X_source, y_source = fetch_cifar10("all", data_home=tmp_path / source, return_X_y=True)
        np.testing.assert_array_equal(X_source, X)
        np.testing.assert_array_equal(y_source, y)
    assert as_set(X[N_TRAIN:] * 255, y[N_TRAIN:]) == as_set(
        tiny.part("test")[0].astype(np.float32), tiny.part("test")[1]
    )


def test_bunch(tmp_path, tiny):
    tiny.save_batches(tmp_path)
    bunch = fetch_cifar10(data_home=str(tmp_path))
    X, y = fetch_cifar10(data_home=tmp_path, return_X_y=True, dtype=np.uint8)

    assert set(bunch) == {"data", "target", "images", "target_names", "DESCR"}
    assert bunch.images.shape == (N_TRAIN, 3, 32, 32)
    assert np.shares_memory(bunch.images, bunch.data)
    assert bunch.target_names[0] == "airplane"
    assert bunch.target_names[9] == "truck"
    np.testing.assert_array_equal(bunch.data, X.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(bunch.target, y)


def test_missing_files_without_download(tmp_path, tiny, openml):
    (tmp_path / "cifar-10-batches-py").mkdir()

    with pytest.raises(OSError, match="train images of CIFAR-10 were not found") as caught:
        fetch_cifar10(data_home=tmp_path, download_if_missing=False)

    message = str(caught.value)
    assert str(tmp_path) in message
    assert "cifar-10-batches-bin/data_batch_1.bin" in message
    assert "cifar-10-batches-py are not read" in message
    assert "download_if_missing=True" in message
    assert openml.asked == []


def test_bad_parameters():
    with pytest.raises(ValueError, match="'subset' parameter of fetch_cifar10"):
        fetch_cifar10("validation")
    with pytest.raises(ValueError, match="'dtype' parameter of fetch_cifar10"):
        fetch_cifar10(dtype=np.int64)


def test_sheets_need_pillow(tmp_path, tiny, without):
    tiny.save_sheets(tmp_path)
    without("PIL.Image")

    with pytest.raises(ImportError, match=r"sheets of images.*sklearn-koopman\[vision\]"):
        fetch_cifar10(data_home=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "not a whole number of images"),
        (lambda content: content[:-3073], "MD5 sum"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "MD5 sum"),
        (lambda content: bytes([content[0] ^ 1]) + content[1:], "MD5 sum"),
    ],
)
def test_batches_that_differ_are_reported_and_kept(tmp_path, tiny, openml, change, message):
    path = tiny.save_batches(tmp_path) / "data_batch_3.bin"
    changed = change(path.read_bytes())
    path.write_bytes(changed)

    with pytest.raises(OSError, match=message) as caught:
        fetch_cifar10(data_home=tmp_path)

    assert str(path.parent) in str(caught.value)
    assert path.read_bytes() == changed
    assert openml.asked == []


@pytest.mark.parametrize("damage", ["sheet", "classes", "pickled classes"])
def test_damaged_sheets_are_reported(tmp_path, tiny, damage):
    folder = tiny.save_sheets(tmp_path)
    if damage == "sheet":
        (folder / "train-00.webp").write_bytes(b"RIFF")
    elif damage == "classes":
        np.save(folder / "train-labels.npy", tiny.classes[:3])
    else:
        np.save(folder / "train-labels.npy", np.array([{}], dtype=object), allow_pickle=True)

    with pytest.raises(OSError, match="are damaged or are others") as caught:
        fetch_cifar10(data_home=tmp_path)

    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("first", ["train", "test"])
def test_downloads_once_and_keeps_batches(tmp_path, tiny, openml, first):
    if first == "test":
        openml.answer = tuple(np.roll(array, N_BATCH, axis=0) for array in openml.answer)

    X, y = fetch_cifar10("test", data_home=tmp_path, return_X_y=True, dtype=np.uint8)
    X_train, y_train = fetch_cifar10(data_home=tmp_path, return_X_y=True, dtype=np.uint8)

    assert openml.asked == ["CIFAR_10"]
    assert as_set(X, y) == as_set(*tiny.part("test"))
    assert as_set(X_train, y_train) == as_set(*tiny.part("train"))
    kept = {path.name for path in (tmp_path / "cifar-10-batches-bin").iterdir()}
    assert kept == {*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"}


@pytest.mark.parametrize("row", [0, -1])
def test_download_that_differs_is_not_kept(tmp_path, openml, row):
    openml.answer[0][row, 0] ^= 1

    with pytest.raises(OSError, match=r"not the published data: .* MD5 sum") as caught:
        fetch_cifar10(data_home=tmp_path)

    assert "cifar-10-batches-bin" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_failed_download(tmp_path, openml):
    openml.error = ConnectionError("no route to host")

    with pytest.raises(OSError, match=r"CIFAR_10 could not be downloaded .*no route to host"):
        fetch_cifar10(data_home=tmp_path)
