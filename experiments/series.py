"""How good students of time series are, with MiniRocket's features, with filters, and with both.

    pip install --no-deps aeon==1.6.0; pip install numba deprecated
    python experiments/series.py
    python experiments/series.py --choose

The data are all classification sets in the wheel of aeon (from the UCR and UEA archives), with
their own training and test series. Two sets have series of unequal length and also come padded: the
padded ones are taken. Settings are the same for all sets. The second command chose them, on
training series alone: by mean accuracy over the sets in three folds. It writes
experiments/results/series_choice.csv.

- "RidgeClassifierCV" on all 9,996 features of MiniRocket is the method of MiniRocket's authors:
  features divided by their standard deviation, ten penalties from 0.001 to 1,000, every row left
  out once. "least squares" chooses from the same ten penalties.
- "MiniRocket" is about 900 of these features. "convolutional" is a union of `ConvolutionalLifter`,
  one for each dilation 1, 2, 4, ... that has room in the series. "both" is a union of the two, and
  "all" a union of all 9,996 and the convolutions.
- "network" is a small convolutional network, trained here. It is the teacher of the distilled
  students. It knows the few series by heart, so its logits say little more than their labels. They
  weigh a tenth, which was set beforehand.

The table has mean and standard deviation over five seeds of kernels, filters and networks. All
students of a seed have the same kernels, filters and networks. "lead" is the accuracy of a student
minus that of the baseline, seed by seed, with its own standard deviation. The rows "mean" are means
over the sets. Their standard deviations treat the sets as independent. Writes
experiments/results/series.csv.

numba compiles MiniRocket for about a minute when it is first used. From then on torch has as many
threads as numba. On a busy machine, ``NUMBA_NUM_THREADS=1`` makes the networks learn many times as
fast.
"""

from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from experiments import runner
from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
)
from sklearn_koopman.teachers import TorchTeacher

# Sets with series of unequal length are padded in the files that end in "_eq".
FILES = {
    name: name
    for name in (
        "ACSF1",
        "ArrowHead",
        "BasicMotions",
        "Covid3Month_disc",
        "GunPoint",
        "ItalyPowerDemand",
        "OSULeaf",
        "UnitTest",
    )
} | {name: f"{name}_eq" for name in ("JapaneseVowels", "PickupGestureWiimoteZ")}
BASELINE = ("MiniRocket, all", "RidgeClassifierCV")
# Unions and their parts.
UNIONS = {
    "both": ("MiniRocket", "convolutional"),
    "all": (BASELINE[0], "convolutional"),
}
DICTIONARIES = (BASELINE[0], "MiniRocket", "convolutional", *UNIONS)
STUDENTS = ("least squares", "no teacher", "distilled")

N_KERNELS = 1000
FILTERS = {"filter_size": 9, "n_filters": 32, "nonlinearity": "threshold", "grid": 1}
# Other settings that were tried.
CHOICES = {
    "convolutional, grid 4": {"grid": 4},
    "convolutional, proportion": {"nonlinearity": "proportion"},
    "convolutional, proportion, not dilated": {"nonlinearity": "proportion", "n_dilations": 1},
}
PENALTIES = np.logspace(-3, 3, 10)  # those of MiniRocket's authors, on sums over the series
RIDGE = 1e-1  # for cross-entropy
RIDGE_OF_MANY = 1.0  # the same for ten thousand observables
RIDGES_TRIED = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
SOFT = {"soft_weight": 0.1, "temperature": 2.0}
N_STEPS = 400  # of the networks


@dataclass(frozen=True)
class Spec:
    """The students of a dictionary, or the network, on one set."""

    dataset: str
    dictionary: str


@dataclass(frozen=True)
class Choice:
    """A dictionary, tried on training series."""

    dictionary: str


@cache
def series(dataset, part):
    """Return series (n, channels, length) and labels of the part "train" or "test"."""
    datasets = import_module("aeon.datasets")
    folder = Path(datasets.__file__).parent / "data" / dataset
    file = folder / f"{FILES[dataset]}_{part.upper()}.ts"
    X, y = datasets.load_from_ts_file(str(file))
    return X.astype(np.float32), y


def flat(X):
    """Return series as rows."""
    return X.reshape(len(X), -1)


def as_series(X, shape):
    """Return rows as series, (n, channels, length)."""
    return X.reshape(len(X), *shape)


def minirocket(shape, n_kernels, seed):
    """Return MiniRocket for series that are flat rows."""
    module = import_module("aeon.transformations.collection.convolution_based")
    return make_pipeline(
        FunctionTransformer(as_series, kw_args={"shape": shape}),
        module.MiniRocket(n_kernels=n_kernels, random_state=seed),
    )


def filters(shape, seed, n_dilations=20, **settings):
    """Return a union of lifters, one for each dilation that has room."""
    settings = FILTERS | settings
    settings["filter_size"] = min(settings["filter_size"], shape[-1] // 2)
    lifters = []
    for dilation in (2**k for k in range(n_dilations)):
        n_places = shape[-1] - (settings["filter_size"] - 1) * dilation
        if n_places < 1:
            break
        own = {"dilation": dilation, "grid": min(settings["grid"], n_places)}
        lifters.append(
            ConvolutionalLifter(shape, kind="series", random_state=seed, **settings | own)
        )
    return make_union(*lifters)


def make_dictionary(name, shape, seed):
    """Return an unfitted dictionary for series that are flat rows."""
    if name in UNIONS:
        return make_union(*(make_dictionary(part, shape, seed) for part in UNIONS[name]))
    if name.startswith("convolutional"):
        return filters(shape, seed, **CHOICES.get(name, {}))
    return minirocket(shape, 10_000 if name == BASELINE[0] else N_KERNELS, seed)


def make_network(shape, n_classes):
    """Return a network of three convolutions for series that are flat rows."""
    pool = 4 if shape[1] >= 100 else 2
    return nn.Sequential(
        nn.Unflatten(1, shape),
        nn.BatchNorm1d(shape[0]),
        nn.Conv1d(shape[0], 16, 7, padding=3),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.MaxPool1d(pool),
        nn.Conv1d(16, 32, 5, padding=2),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.MaxPool1d(pool),
        nn.Conv1d(32, 64, 3, padding=1),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64, n_classes),
    )


def train(X, y, shape, seed):
    """Return a network that has learnt from noisy series, as a teacher."""
    classes, codes = np.unique(y, return_inverse=True)
    rows, codes = torch.from_numpy(X), torch.from_numpy(codes)
    noise = 0.1 * rows.reshape(-1, *shape).std(dim=(0, 2))[:, None].expand(shape).flatten()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = make_network(shape, len(classes)).train()
        n_steps = runner.full_or_quick(N_STEPS, 20)
        adam = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(adam, n_steps)
        for _ in range(n_steps):
            drawn = torch.randint(len(rows), (32,))
            noisy = rows[drawn] + noise * torch.randn(32, len(noise))
            loss = nn.functional.cross_entropy(net(noisy), codes[drawn], label_smoothing=0.1)
            adam.zero_grad()
            loss.backward()
            adam.step()
            slower.step()
    return TorchTeacher(net.eval(), output="logits", classes=classes)


@cache
def network(dataset, seed):
    """Return the network of a set."""
    X, y = series(dataset, "train")
    return train(flat(X), y, X.shape[1:], seed)


def make_student(name, teacher, shape):
    """Return an unfitted student for lifted rows; only distilled students ask a teacher."""
    n_series, n_observables = shape
    if name == "least squares":
        return EDMDClassifierCV(ridges=PENALTIES / n_series)
    soft = SOFT if name == "distilled" else {"soft_weight": 0.0}
    return KoopmanDistilledClassifier(
        teacher if name == "distilled" else None,
        ridge=RIDGE if n_observables < 9996 else RIDGE_OF_MANY,
        tol=1e-4,
        **soft,
    )


def baseline():
    """Return the classifier that MiniRocket's authors put after its features."""
    return make_pipeline(StandardScaler(with_mean=False), RidgeClassifierCV(alphas=PENALTIES))


@cache
def lifted(dataset, dictionary, seed):
    """Return the observables of training and test series."""
    if dictionary in UNIONS:
        parts = [lifted(dataset, name, seed) for name in UNIONS[dictionary]]
        return [np.hstack(part) for part in zip(*parts, strict=True)]
    (X, y), (X_test, _) = (series(dataset, part) for part in ("train", "test"))
    lifter = make_dictionary(dictionary, X.shape[1:], seed)
    return [lifter.fit_transform(flat(X), y), lifter.transform(flat(X_test))]


@cache
def scores(dataset, dictionary, seed):
    """Return the number of observables, and the accuracy of each student."""
    (X, y), (X_test, y_test) = (series(dataset, part) for part in ("train", "test"))
    if dictionary == "none":
        logits = network(dataset, seed)(flat(X_test))
        guesses = np.unique(y)[logits.argmax(axis=1)]
        return 0, {"network": float(np.mean(guesses == y_test))}
    rows, test_rows = lifted(dataset, dictionary, seed)
    teacher = network(dataset, seed)
    students = {BASELINE[1]: baseline()} if dictionary == BASELINE[0] else {}
    students |= {name: make_student(name, teacher, rows.shape) for name in STUDENTS}
    found = {}
    for name, student in students.items():
        # The rows are lifted once for all students, so the teacher gets its own rows here.
        asked = {"teacher_X": flat(X)} if name == "distilled" else {}
        found[name] = student.fit(rows, y, **asked).score(test_rows, y_test)
    return rows.shape[1], found


def measure(spec, n_seeds):
    """Yield the rows of the students of a dictionary."""
    dictionary, baseline = BASELINE
    measured = [scores(spec.dataset, spec.dictionary, seed) for seed in range(n_seeds)]
    others = [scores(spec.dataset, dictionary, seed)[1][baseline] for seed in range(n_seeds)]
    for student in measured[0][1]:
        accuracies = np.array([found[student] for _, found in measured])
        accuracy, accuracy_std = runner.mean_and_std(accuracies)
        lead, lead_std = runner.mean_and_std(accuracies - others)
        yield {
            "student": student,
            "observables": measured[0][0] or "",
            "accuracy": accuracy,
            "accuracy_std": accuracy_std,
            "lead": lead,
            "lead_std": lead_std,
            "seeds": n_seeds,
        }


def candidates(shape):
    """Return unfitted students to choose from, for lifted rows of a shape."""
    no_teacher = make_student("no teacher", None, shape)
    return {"least squares": make_student("least squares", None, shape)} | {
        f"no teacher, ridge {ridge}": clone(no_teacher).set_params(ridge=ridge)
        for ridge in RIDGES_TRIED
    }


def measure_choice(choice):
    """Yield the mean accuracies after a dictionary, in folds of the training series."""
    found = {}
    for dataset in runner.full_or_quick(list(FILES), ["UnitTest"]):
        X, y = series(dataset, "train")
        for seed, (train, held) in enumerate(
            StratifiedKFold(3, shuffle=True, random_state=0).split(flat(X), y)
        ):
            lifter = make_dictionary(choice.dictionary, X.shape[1:], seed)
            lifted = lifter.fit_transform(flat(X[train])), lifter.transform(flat(X[held]))
            students = candidates(lifted[0].shape)
            if choice.dictionary == BASELINE[0]:
                students[BASELINE[1]] = baseline()
            for name, student in students.items():
                student.fit(lifted[0], y[train])
                found.setdefault(name, []).append(student.score(lifted[1], y[held]))
    for name, accuracies in found.items():
        yield {"student": name, "accuracy": round(float(np.mean(accuracies)), 5)}


def add_means(results):
    """Add rows of means over the sets, if all sets are measured."""
    groups = {}
    for row in results.rows():
        if row["dataset"] != "mean":
            groups.setdefault((row["dictionary"], row["student"]), []).append(row)
    for (dictionary, student), rows in groups.items():
        if len(rows) == len(FILES):
            sizes = [float(row["observables"]) for row in rows if row["observables"]]
            results.add(
                {
                    "dataset": "mean",
                    "dictionary": dictionary,
                    "student": student,
                    "observables": round(np.mean(sizes)) if sizes else "",
                    **mean_of(rows, "accuracy"),
                    **mean_of(rows, "lead"),
                    "seeds": rows[0]["seeds"],
                }
            )


def mean_of(rows, column):
    """Return the mean of a column and its standard deviation, by their names."""
    means, stds = ([float(row[name]) for row in rows] for name in (column, f"{column}_std"))
    deviation = float(np.linalg.norm(stds)) / len(rows)
    return {column: round(np.mean(means), 5), f"{column}_std": round(deviation, 5)}


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument(
        "--choose", action="store_true", help="choose settings on training series"
    )
    made.add_argument("--seeds", type=runner.count, default=5)
    return made


def main():
    """Measure one of the tables, or show it."""
    options = runner.parse(parser())
    if options.choose:
        results = runner.Results("series_choice.csv", ["dictionary", "student"])
        choices = [Choice(name) for name in (*DICTIONARIES, *CHOICES)]
        runner.carry_out(options, results, choices, measure_choice)
        return
    results = runner.Results("series.csv", ["dataset", "dictionary", "student"])
    specs = [
        Spec(dataset, dictionary)
        for dataset in runner.full_or_quick(list(FILES), ["UnitTest"])
        for dictionary in ("none", *DICTIONARIES)
    ]
    n_seeds = runner.full_or_quick(options.seeds, 1)
    runner.carry_out(options, results, specs, partial(measure, n_seeds=n_seeds))
    if not options.show:
        add_means(results)


if __name__ == "__main__":
    main()
