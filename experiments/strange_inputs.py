"""Inputs for networks of other people's packages, found on the machine or made.

Nothing is downloaded. Inputs that are found (files, translated texts) differ a little between
machines.
"""

import gettext
import keyword
import sys
from pathlib import Path

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm

SUFFIXES = (
    *(
        ".c",
        ".cpp",
        ".css",
        ".csv",
        ".gif",
        ".gz",
        ".h",
        ".html",
        ".ini",
        ".jpg",
        ".js",
        ".json",
    ),
    *(".md", ".mo", ".npy", ".npz", ".o", ".pdf", ".pem", ".png", ".po", ".py", ".pyc", ".pyi"),
    *(".pyx", ".rst", ".sh", ".so", ".svg", ".toml", ".ttf", ".txt", ".whl", ".xml", ".yaml"),
    *(".bat", ".pkl", ".xz", ".zip"),
)


def files(n_rows, random_state, most_of_a_kind=150):
    """Return both ends of files of the Python installation, in the format of magika's network.

    Returns
    -------
    tokens : ndarray of int32, shape (n_samples, 2048)
        The first and the last 1,024 bytes without blanks around them; 256 where a file is shorter.
    """
    folders = [
        Path(sys.prefix),
        Path(sys.base_prefix) / "lib",
        Path("/usr/share"),
        Path("/usr/include"),
    ]
    of_kind = {suffix: [] for suffix in SUFFIXES}
    for folder in folders:
        for file in folder.rglob("*"):
            found = of_kind.get(file.suffix)
            if found is not None and len(found) < 20 * most_of_a_kind and file.is_file():
                found.append(file)
    rows = []
    for found in of_kind.values():
        for number in random_state.permutation(len(found))[:most_of_a_kind]:
            with found[number].open("rb") as content:
                beginning = content.read(4096)
                content.seek(0, 2)
                content.seek(max(content.tell() - 4096, 0))
                end = content.read()
            if len(beginning) > 64:
                rows.append(_ends(beginning.lstrip()[:1024], end.rstrip()[-1024:]))
    rows = np.array(rows, dtype=np.int32)
    return rows[random_state.permutation(len(rows))[:n_rows]]


def _ends(beginning, end):
    tokens = np.full(2048, 256)
    tokens[: len(beginning)] = list(beginning)
    tokens[len(tokens) - len(end) :] = list(end)
    return tokens


def texts(n_rows, random_state):
    """Return messages of Sphinx in all languages of its translations."""
    import sphinx

    folder, found = Path(sphinx.__file__).parent / "locale", set()
    for file in folder.glob("*/LC_MESSAGES/sphinx.mo"):
        with file.open("rb") as content:
            catalog = gettext.GNUTranslations(content)._catalog
        found |= {
            text for key, text in catalog.items() if key and text != key and len(text) > 25
        }
    found = np.array(sorted(found), dtype=object)
    return found[random_state.permutation(len(found))[:n_rows]]


def tones(n_rows, random_state):
    """Return 64 ms of tones between 220 and 440 Hz, with overtones and noise, standardised."""
    times = np.arange(1024) / 16000
    pitch = 220 * 2 ** random_state.uniform(size=(n_rows, 1))
    rows = random_state.normal(size=(n_rows, 1024)) * random_state.uniform(0, 0.5, (n_rows, 1))
    for overtone in range(1, 7):
        loudness = random_state.uniform(0, 1, (n_rows, 1)) / overtone
        phase = random_state.uniform(0, 2 * np.pi, (n_rows, 1))
        rows += loudness * np.sin(2 * np.pi * overtone * pitch * times + phase)
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows / rows.std(axis=1, keepdims=True)).astype(np.float32)


def lines_of_text(n_rows, random_state):
    """Return pictures of words; half of them are upside down.

    Returns
    -------
    pictures : ndarray of float32, shape (n_samples, 48, 192)
        Grey values between -1 and 1.
    """
    from PIL import Image, ImageDraw, ImageFont

    words = sorted(
        {name for name in keyword.kwlist + list(sys.stdlib_module_names) if len(name) > 2}
    )
    pictures = np.empty((n_rows, 48, 192), dtype=np.float32)
    for number in range(n_rows):
        text = " ".join(random_state.choice(words, random_state.randint(1, 4)))
        font = ImageFont.load_default(size=int(random_state.randint(16, 34)))
        paper, ink = random_state.randint(150, 256), random_state.randint(0, 100)
        picture = Image.new("L", (192, 48), int(paper))
        place = tuple(random_state.randint(0, 8, 2).tolist())
        ImageDraw.Draw(picture).text(place, text, fill=int(ink), font=font)
        grey = np.asarray(picture) + random_state.normal(scale=10, size=(48, 192))
        pictures[number] = np.clip(grey, 0, 255) / 127.5 - 1
    upside_down = random_state.uniform(size=n_rows) < 0.5
    pictures[upside_down] = pictures[upside_down, ::-1, ::-1]
    return pictures


def sounds(n_rows, random_state):
    """Return 36 ms of made vowels, noises, clicks and tones, at 16 kHz."""
    n = 576 + 2048
    times = np.arange(n) / 16000
    rows = np.empty((n_rows, 576), dtype=np.float32)
    for number in range(n_rows):
        loudness = random_state.uniform(0.02, 0.5)
        kind = random_state.randint(5)
        if kind < 3:
            pitch = random_state.uniform(80, 280) * (1 + 0.03 * np.sin(2 * np.pi * 5 * times))
            phase = np.cumsum(pitch) / 16000
            wave = np.diff(np.floor(phase), prepend=0.0) + 0.01 * random_state.normal(size=n)
            for low, high, width in ((250, 900, 80), (800, 2500, 120), (2300, 3300, 160)):
                wave = _resonance(wave, random_state.uniform(low, high), width)
        elif kind == 3:
            wave = lfilter(
                [1], [1, -random_state.uniform(-0.9, 0.95)], random_state.normal(size=n)
            )
        else:
            wave = np.sin(2 * np.pi * random_state.uniform(50, 6000) * times)
        noise = random_state.normal(size=n) * 10 ** random_state.uniform(-4, -0.5)
        wave = loudness * (wave / np.abs(wave).max() + noise)
        rows[number] = wave[-576:]
    return rows


def _resonance(wave, frequency, width):
    radius = np.exp(-np.pi * width / 16000)
    return lfilter(
        [1], [1, -2 * radius * np.cos(2 * np.pi * frequency / 16000), radius**2], wave
    )


def where_trees_cut(model, n_rows, random_state):
    """Return rows of correlated features that lie between the thresholds of a LightGBM model.

    Returns
    -------
    rows : ndarray of float64, shape (n_samples, n_features)
    """
    table = model.booster_.trees_to_dataframe().dropna(subset=["threshold"])
    names = model.booster_.feature_name()
    cuts = table.groupby("split_feature")["threshold"]
    factors = random_state.normal(size=(n_rows, 6)) @ random_state.normal(size=(6, len(names)))
    ranks = norm.cdf(factors / 3 + 0.7 * random_state.normal(size=factors.shape))
    rows = np.zeros((n_rows, len(names)))
    for column, name in enumerate(names):
        if name in cuts.groups:
            rows[:, column] = np.quantile(cuts.get_group(name), ranks[:, column])
    return rows
