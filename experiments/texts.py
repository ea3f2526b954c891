"""How good students of a text classifier are on sparse TF-IDF, beside logistic regression.

    python experiments/texts.py
    python experiments/texts.py --columns 100000 --models student EDMD "logistic regression, labels"
    python experiments/texts.py --wide

The texts are found on the machine: pieces of 40 words of the documentation strings of installed
packages. Their class is the subpackage that they are from. (20 newsgroups would need a download.)
The pieces are drawn into three parts; neighbours in a file stay together. A torch network learns
from the labels of the first part: embeddings of hashed words and letter n-grams, added up, and two
layers. Students learn from the second part, and the third one is for testing.

The measure is agreement with the network's choice. All models of a row take the same matrix, TF-IDF
of words and pairs of words. Settings are chosen by agreement on a fifth of the second part, in one
draw, with 20,000 columns, and kept for everything else. `additive_noise` penalises the coefficients
of TF-IDF as it is, like the C of logistic regression. `ridge` penalises those of the standardised
columns. Seconds are medians of three fits on one thread, in turns with logistic regression on
labels. (With more than 20,000 columns there is only one fit, and one draw.) The memory is the peak
of the arrays of a fit, counted by tracemalloc, without X.

"--wide" needs no texts. It fits to rows of 100,000 columns, with 50 entries in each at random
places, five classes, without a teacher. Writes experiments/results/wide_rows.csv.
"""

import re
import site
import tracemalloc
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from experiments import runner
from sklearn_koopman import EDMDClassifier, KoopmanDistilledClassifier, MonomialLifter

PACKAGES = ("numpy", "scipy", "sklearn", "torch", "matplotlib", "sympy", "networkx", "pandas")
WORDS_OF_A_PIECE, FEWEST_WORDS = 40, 20
CLASSES, PIECES_OF_A_CLASS = 20, 1000
SEEDS = 2
DOCUMENTATION = re.compile(r'"""(.*?)"""', re.DOTALL)
PARTS = "network", "students", "test"
BUCKETS = 2**17
COLUMNS_OF_CHOICE = 20_000
RESULTS = runner.Results("texts.csv", ["columns", "model"])


@dataclass(frozen=True)
class Spec:
    """One model on TF-IDF of some number of columns."""

    columns: int
    model: str


def documentation(package):
    """Yield the subpackage, the file and the text of each documentation string of a package."""
    for folder in map(Path, site.getsitepackages()):
        for file in sorted((folder / package).rglob("*.py")):
            name = file.relative_to(folder).parts[:2]
            if {"tests", "test", "testing"} & set(file.parts):
                continue
            for text in DOCUMENTATION.findall(file.read_text("utf-8", errors="ignore")):
                yield ".".join(name).removesuffix(".py"), file, text


@cache
def pieces():
    """Return the texts, their classes, and their files, as arrays."""
    found = {}
    for package in runner.full_or_quick(PACKAGES, PACKAGES[:2]):
        for name, file, text in documentation(package):
            words = re.findall(r"[A-Za-z][a-z]+", text)
            for start in range(0, len(words), WORDS_OF_A_PIECE):
                piece = words[start : start + WORDS_OF_A_PIECE]
                if len(piece) >= FEWEST_WORDS:
                    found.setdefault(" ".join(piece).lower(), (name, str(file)))
    texts = np.array(list(found), dtype=object)
    names, files = np.array(list(found.values())).T
    common, counts = np.unique(names, return_counts=True)
    n_classes = runner.full_or_quick(CLASSES, 4)
    kept = np.isin(names, common[np.argsort(-counts, kind="stable")[:n_classes]])
    return texts[kept], names[kept], files[kept]


def drawn(seed):
    """Return texts and labels of each part."""
    texts, names, files = pieces()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts))
    most = runner.full_or_quick(PIECES_OF_A_CLASS, 150)
    chosen = np.concatenate([order[names[order] == name][:most] for name in np.unique(names)])
    # About twenty pieces that follow each other in a file stay together. (With whole files, a part
    # could lack a class that has only a few large ones.)
    blocks = np.array([f"{files[i]} {i // 20}" for i in chosen])
    which = rng.choice(3, size=len(set(blocks)), p=(0.4, 0.4, 0.2))
    part_of = dict(zip(sorted(set(blocks)), which, strict=True))
    part = np.array([part_of[block] for block in blocks])
    return [(texts[chosen[part == i]], names[chosen[part == i]]) for i in range(3)]


class Network:
    """Sums of embeddings of hashed n-grams, and two layers: logits of texts."""

    def __init__(self, classes, seed):
        import torch

        self.classes = classes
        self.words = HashingVectorizer(ngram_range=(1, 2), n_features=BUCKETS, norm=None)
        self.letters = HashingVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), n_features=BUCKETS, norm=None
        )
        torch.manual_seed(seed)
        self.embeddings = torch.nn.EmbeddingBag(2 * BUCKETS, 64, mode="mean", sparse=True)
        torch.nn.init.normal_(self.embeddings.weight, std=0.3)
        self.layers = torch.nn.Sequential(
            torch.nn.Dropout(0.3),
            torch.nn.Linear(64, 256),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(256, len(classes)),
        )

    def fit(self, texts, y, seed, epochs=12):
        """Train by Adam."""
        import torch

        rng = np.random.default_rng(seed)
        codes = torch.tensor(np.searchsorted(self.classes, y))
        rows = self._grams(texts)
        optimizers = [
            torch.optim.SparseAdam(self.embeddings.parameters(), lr=3e-2),
            torch.optim.Adam(self.layers.parameters(), lr=1e-3),
        ]
        self.layers.train()
        for epoch in range(epochs):
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] *= 0.8 if epoch else 1.0
            for batch in np.array_split(rng.permutation(len(texts)), len(texts) // 128 + 1):
                loss = torch.nn.functional.cross_entropy(
                    self._logits(rows[batch]), codes[batch], label_smoothing=0.05
                )
                for optimizer in optimizers:
                    optimizer.zero_grad()
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
        self.layers.eval()
        return self

    def __call__(self, texts):
        """Return logits, (n_texts, n_classes)."""
        import torch

        rows = self._grams(texts)
        with torch.no_grad():
            parts = [self._logits(rows[i : i + 512]) for i in range(0, len(texts), 512)]
        return torch.cat(parts).numpy()

    def _grams(self, texts):
        return hstack([self.words.transform(texts), self.letters.transform(texts)]).tocsr()

    def _logits(self, rows):
        import torch

        starts = torch.tensor(rows.indptr[:-1], dtype=torch.long)
        grams = torch.tensor(rows.indices, dtype=torch.long)
        return self.layers(self.embeddings(grams, starts))


@dataclass(frozen=True)
class Lesson:
    """The data from which all models of a draw learn, and on which they are tested."""

    X: csr_array
    y: np.ndarray
    logits: np.ndarray
    X_test: csr_array
    y_test: np.ndarray
    choice_test: np.ndarray
    classes: np.ndarray

    @property
    def choice(self):
        """The network's choices for the students' texts."""
        return self.classes[self.logits.argmax(axis=1)]

    def part(self, rows, held_out):
        """Return the lesson of some rows, tested on others."""
        return Lesson(
            self.X[rows],
            self.y[rows],
            self.logits[rows],
            self.X[held_out],
            self.y[held_out],
            self.choice[held_out],
            self.classes,
        )


@cache
def taught(seed):
    """Return texts of students and of the test, their labels, and the network's logits."""
    parts = dict(zip(PARTS, drawn(seed), strict=True))
    texts, y = parts["network"]
    network = Network(np.unique(y), seed).fit(texts, y, seed)
    return network.classes, *((*parts[name], network(parts[name][0])) for name in PARTS[1:])


@cache
def lesson(columns, seed):
    """Return the lesson of one draw, on TF-IDF of some number of columns."""
    classes, (texts, y, logits), (texts_test, y_test, logits_test) = taught(seed)
    counted = TfidfVectorizer(ngram_range=(1, 2), max_features=columns, sublinear_tf=True)
    X = csr_array(counted.fit_transform(texts))
    X_test = csr_array(counted.transform(texts_test))
    choice = classes[logits_test.argmax(axis=1)]
    return Lesson(X, y, logits, X_test, y_test, choice, classes)


def logistic(C):
    """Return logistic regression."""
    return LogisticRegression(C=C, max_iter=1000)


def student(**parameters):
    """Return a student that learns only from soft targets."""
    return KoopmanDistilledClassifier(soft_weight=1.0, tol=1e-5, **parameters)


def behind_an_svd(**parameters):
    """Return a student on products of 60 coordinates."""
    return make_pipeline(
        TruncatedSVD(60, random_state=0), MonomialLifter(2), student(**parameters)
    )


# Penalties for coefficients of the columns as they are, and of standardised columns.
WEAK = [{"additive_noise": a, "ridge": 0.0} for a in (0.002, 0.004, 0.008, 0.016)]
STANDARDISED = [{"ridge": ridge} for ridge in (0.01, 0.1)]


# The function that makes each model, its candidates, and its targets.
MODELS = {
    "logistic regression, labels": (logistic, [{"C": C} for C in (3, 10, 30, 100)], "y"),
    "logistic regression, network's choice": (
        logistic,
        [{"C": C} for C in (3, 10, 30, 100)],
        "choice",
    ),
    "student": (
        student,
        [{"temperature": t} | penalty for t in (1.0, 2.0, 4.0) for penalty in WEAK]
        + [{"temperature": 2.0} | penalty for penalty in STANDARDISED],
        "logits",
    ),
    "EDMD": (
        EDMDClassifier,
        WEAK + STANDARDISED,
        "logits",
    ),
    "student after an SVD": (
        behind_an_svd,
        [{"temperature": 2.0, "ridge": ridge} for ridge in (1e-4, 1e-3, 1e-2)],
        "logits",
    ),
}


def fitted(model, lesson):
    """Return a model, fitted to its targets."""
    make, parameters, source = model
    made = make(**parameters)
    if source != "logits":
        return made.fit(lesson.X, getattr(lesson, source))
    name = made.steps[-1][0] + "__" if hasattr(made, "steps") else ""
    made.set_params(**{f"{name}teacher_classes": lesson.classes})
    return made.fit(lesson.X, **{f"{name}soft_labels": lesson.logits})


def agreement(model, lesson):
    """Return how often a fitted model chooses as the network does."""
    return float(np.mean(model.predict(lesson.X_test) == lesson.choice_test))


@cache
def chosen(name):
    """Return a model with the settings that are best on a fifth of the students' texts.

    If the table has a row of `COLUMNS_OF_CHOICE` columns, it has these settings.
    """
    make, candidates, source = MODELS[name]
    for row in RESULTS.where(columns=COLUMNS_OF_CHOICE, model=name):
        settings = (setting.split("=") for setting in row["settings"].split("; "))
        return make, {key: float(value) for key, value in settings}, source
    whole = lesson(COLUMNS_OF_CHOICE, 0)
    order = np.random.default_rng(0).permutation(len(whole.y))
    held_out, rows = np.split(order, [len(order) // 5])
    part = whole.part(rows, held_out)
    scores = [
        agreement(fitted((make, parameters, source), part), part) for parameters in candidates
    ]
    for parameters, score in zip(candidates, scores, strict=True):
        print(f"   {score:.4f} {parameters}", flush=True)
    return make, candidates[int(np.argmax(scores))], source


def measure(spec):
    """Return agreement and accuracy over some draws, and time and memory of the fit."""
    model = chosen(spec.model)
    found = []
    is_large = spec.columns > COLUMNS_OF_CHOICE
    for seed in range(1 if is_large else runner.full_or_quick(SEEDS, 1)):
        drawn_lesson = lesson(spec.columns, seed)
        made = fitted(model, drawn_lesson)
        found.append(
            (
                agreement(made, drawn_lesson),
                float(np.mean(made.predict(drawn_lesson.X_test) == drawn_lesson.y_test)),
                float(np.mean(drawn_lesson.choice_test == drawn_lesson.y_test)),
            )
        )
    agreements, accuracies, of_network = np.transpose(found)
    first = lesson(spec.columns, 0)
    other = chosen("logistic regression, labels")
    seconds = in_turns(model, other, first, rounds=1 if is_large else 3)
    (mean, deviation), (accuracy, _) = map(runner.mean_and_std, (agreements, accuracies))
    return {
        "rows": first.X.shape[0],
        "non-zeros": first.X.nnz,
        "classes": len(first.classes),
        "agreement": mean,
        "+- agreement": deviation,
        "accuracy": accuracy,
        "accuracy of the network": runner.mean_and_std(of_network)[0],
        "settings": "; ".join(f"{name}={value}" for name, value in model[1].items()),
        "seconds": round(seconds[0], 2),
        "seconds of logistic regression": round(seconds[1], 2),
        "MB of X": round((first.X.data.nbytes + first.X.indices.nbytes) / 2**20),
        "peak MB": peak(model, first),
        "peak MB of half the rows": peak(model, first, 0.5),
    }


def in_turns(model, other, lesson, rounds):
    """Return the median seconds of the fits of two models, on one thread."""
    seconds = []
    with threadpool_limits(1):
        for _ in range(runner.full_or_quick(rounds, 1)):
            seconds.append([runner.timed(fitted, one, lesson)[1] for one in (model, other)])
    return np.median(seconds, axis=0)


def peak(model, lesson, share=1.0):
    """Return the peak MB of arrays of a fit to a share of the rows."""
    rows = np.arange(int(share * len(lesson.y)))
    part = lesson.part(rows, rows[:10])
    tracemalloc.start()
    try:
        fitted(model, part)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return round(most / 2**20)


@dataclass(frozen=True)
class Wide:
    """A student of some number of rows of 100,000 columns."""

    rows: int
    student: str


def measure_wide(spec):
    """Return the time and the memory of a fit."""
    rng = np.random.default_rng(0)
    places = rng.integers(100_000, size=(spec.rows, 50))
    starts = np.arange(0, places.size + 1, 50)
    X = csr_array((rng.uniform(size=places.size), places.ravel(), starts), (spec.rows, 100_000))
    X.sum_duplicates()
    y = np.arange(spec.rows) % 5
    make = {
        "EDMD": lambda: EDMDClassifier(ridge=0.1),
        "student": lambda: KoopmanDistilledClassifier(soft_weight=0.0, ridge=0.1, tol=1e-4),
    }[spec.student]
    with threadpool_limits(1):
        seconds = runner.timed(make().fit, X, y)[1]
        tracemalloc.start()
        try:
            make().fit(X, y)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return {
        "non-zeros": X.nnz,
        "MB of X": round((X.data.nbytes + X.indices.nbytes) / 2**20, 1),
        "MB of X if dense": round(8 * X.shape[0] * X.shape[1] / 2**20),
        "peak MB": round(most / 2**20),
        "seconds": round(seconds, 2),
    }


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--columns", nargs="+", type=runner.count, default=[COLUMNS_OF_CHOICE])
    made.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    made.add_argument("--wide", action="store_true", help="time and memory of 100,000 columns")
    return made


def main():
    """Measure the models that have no row yet, or show the table."""
    options = runner.parse(parser())
    if options.wide:
        sizes = runner.full_or_quick((5000, 20_000, 80_000), (1000,))
        specs = [Wide(n, name) for name in ("EDMD", "student") for n in sizes]
        results = runner.Results("wide_rows.csv", ["rows", "student"])
        runner.carry_out(options, results, specs, measure_wide)
        return
    specs = [Spec(columns, model) for columns in options.columns for model in options.models]
    runner.carry_out(options, RESULTS, specs, measure)


if __name__ == "__main__":
    main()
