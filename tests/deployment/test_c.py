"""C of students, compiled with all warnings and sanitizers: it gives the student's answers."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    KoopmanDistilledClassifier,
    MonomialLifter,
    ObservableSelector,
)
from sklearn_koopman.datasets import fetch_mnist
from sklearn_koopman.deployment import FlashDisplay, bench_on_mcu, tables_at_most, to_c
from sklearn_koopman.lifting import (
    DelayLifter,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    ProductKernelLifter,
    RBFLifter,
    SquaredProjectionLifter,
)
from sklearn_koopman.microcontrollers import (
    BOARDS,
    Board,
    MissingToolError,
    Program,
    build,
    packed,
)

FLAGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-pedantic", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
NEEDS_GCC = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="gcc is not installed: apt-get install gcc"
)
X, y = load_digits(return_X_y=True)
X = (np.rint(X * 255 / 16) / 255).astype(np.float32)
BYTES = {"byte_range": (0.0, 1.0)}


def filters(shape=(8, 8), **settings):
    """Return a few filters."""
    settings = {"n_filters": 4, "filter_size": 3, "grid": 2, "random_state": 0} | settings
    return ConvolutionalLifter(shape, **settings)


def coordinates(n=5):
    """Return some coordinates of images."""
    return PCA(n, random_state=0)


GAUSSIAN = {"gamma": 0.1, "n_components": 15, "random_state": 0}
LANDMARKS = {"n_landmarks": 9, "random_state": 0}
# The steps that lift, and whether rows are bytes.
DICTIONARIES = {
    "scaled": (make_pipeline(StandardScaler(), coordinates(), RobustScaler()), False),
    "bytes": (make_pipeline(MinMaxScaler((-1, 1)), coordinates(8), MaxAbsScaler()), True),
    "whitened": (PCA(6, whiten=True, random_state=0), True),
    "squares": (make_pipeline(coordinates(), SquaredProjectionLifter(np.eye(5) - 0.2)), True),
    "monomials": (make_pipeline(coordinates(), MonomialLifter(3)), True),
    "triples": (make_pipeline(coordinates(), MonomialLifter((3, 3), include_bias=False)), True),
    "distinct": (make_pipeline(coordinates(), MonomialLifter(3, interaction_only=True)), False),
    "selected": (
        make_pipeline(coordinates(), ObservableSelector(MonomialLifter(3), max_observables=15)),
        True,
    ),
    "few pixels": (make_pipeline(SelectKBest(k=12), PolynomialFeatures(2)), False),
    "hermite": (make_pipeline(coordinates(), OrthogonalPolynomialLifter(3)), True),
    "gaussians": (make_pipeline(coordinates(), RBFLifter(12, random_state=0)), True),
    "nystroem": (make_pipeline(coordinates(), Nystroem(**GAUSSIAN)), True),
    "fourier": (make_pipeline(coordinates(), RBFSampler(**GAUSSIAN)), True),
    "kernel": (make_pipeline(coordinates(3), ProductKernelLifter(**LANDMARKS)), True),
    "delays": (DelayLifter(n_delays=3, state_size=8), True),
    "union": (make_union(make_pipeline(coordinates(), MonomialLifter(2)), filters()), True),
    "filters": (filters(), True),
    "chosen filters": (ObservableSelector(filters(), max_observables=12), True),
    "padded": (filters(padding=(1, 2), stride=2, dilation=(1, 2), filter_size=2), True),
    "series": (filters((4, 16), kind="series", mirror=True), True),
    "proportion": (filters(nonlinearity="proportion", normalization="brightness"), True),
    "intensity": (filters(nonlinearity="intensity", root=False, normalization="none"), True),
    "magnitude": (filters(nonlinearity="magnitude", filters="pca"), True),
    "after filters": (make_pipeline(filters(), coordinates(6), MonomialLifter(2)), True),
    "scaled images": (make_pipeline(MinMaxScaler((0, 3)), filters(padding=1)), False),
} | {
    name: (
        make_pipeline(
            coordinates(), OpticalLifter(15, nonlinearity=name, scale=0.5, random_state=0)
        ),
        True,
    )
    for name in ("cosine", "saturable_absorption")
}  # fmt: skip

MAIN = """
#include <stdio.h>
#include <stdlib.h>
{includes}

int main(int n, char **which)
{{
    int number = n > 1 ? atoi(which[1]) : 0;

    switch (number) {{
{cases}
    }}
    return 0;
}}
"""
CASE = """
    case {number}: {{
        static {row} row[{upper}_N_FEATURES];
        {logit} logits[{upper}_N_CLASSES];

        while (fread(row, sizeof row, 1, stdin) == 1) {{
            {name}_logits(row, logits);
            fwrite(logits, sizeof logits, 1, stdout);
        }}
        break;
    }}
"""


class Compiled:
    """Students, compiled into one program for the host."""

    def __init__(self, students, folder, flags=SANITIZERS):
        self.students, self.folder = students, folder
        cases = []
        for number, student in enumerate(students):
            student.write(folder)
            row, logit = types_of(student)
            names = {"name": student.name, "upper": student.name.upper()}
            cases.append(CASE.format(number=number, row=row, logit=logit, **names))
        includes = "\n".join(f'#include "{student.name}.h"' for student in students)
        (folder / "main.c").write_text(MAIN.format(includes=includes, cases="".join(cases)))
        sources = ["main.c", *(f"{student.name}.c" for student in students)]
        done = subprocess.run(
            ["gcc", *FLAGS, *flags, *sources, "-lm", "-o", "main"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def logits(self, student, rows):
        """Return the output of a student for rows in the format of the C code."""
        number = self.students.index(student)
        done = subprocess.run(
            [str(self.folder / "main"), str(number)],
            input=rows.tobytes(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        dtype = np.int32 if student.number == "integer" else np.float32
        return np.frombuffer(done.stdout, dtype).reshape(len(rows), -1)


def types_of(student):
    return (
        "float" if student.byte_range is None else "uint8_t",
        "int32_t" if student.number == "integer" else "float",
    )


@pytest.fixture(scope="module")
def fitted():
    """Return a student of each dictionary, in float32."""
    return {
        name: make_pipeline(lifter, EDMDClassifier(ridge=1e-3)).fit(X, y)
        for name, (lifter, _) in DICTIONARIES.items()
    }


@pytest.fixture(scope="module")
def in_floats(fitted, tmp_path_factory):
    students = [
        to_c(student, name=f"s{i}", byte_range=(0.0, 1.0) if DICTIONARIES[name][1] else None)
        for i, (name, student) in enumerate(fitted.items())
    ]
    return Compiled(students, tmp_path_factory.mktemp("floats"), flags=["-O0", *SANITIZERS])


@pytest.fixture(scope="module")
def in_integers(fitted, tmp_path_factory):
    students = [
        to_c(
            student,
            X=X,
            number="integer",
            name=f"s{i}",
            bits=5 + i % 4,
            byte_range=(0.0, 1.0) if DICTIONARIES[name][1] else None,
        )
        for i, (name, student) in enumerate(fitted.items())
    ]
    return Compiled(students, tmp_path_factory.mktemp("integers"))


@NEEDS_GCC
@pytest.mark.slow
@pytest.mark.parametrize("name", DICTIONARIES)
def test_floats_are_those_of_the_student(fitted, in_floats, name):
    number = list(DICTIONARIES).index(name)
    student, rows = in_floats.students[number], X[:300]
    expected = fitted[name].decision_function(rows)
    found = in_floats.logits(student, student.encoded(rows))
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * max(1, np.abs(expected).max()))
    assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert_allclose(student.decision_function(rows), expected, atol=1e-4, rtol=1e-4)


@NEEDS_GCC
@pytest.mark.slow
@pytest.mark.parametrize("name", DICTIONARIES)
def test_tables_are_not_larger_than_they_are_said_to_be(fitted, in_integers, name):
    number = list(DICTIONARIES).index(name)
    student = in_integers.students[number]
    settings = {"bits": 5 + number % 4, "byte_range": student.byte_range}
    most = tables_at_most(fitted[name], **settings)
    assert student.tables <= most <= 1.3 * student.tables + 300


@NEEDS_GCC
@pytest.mark.slow
@pytest.mark.parametrize("name", DICTIONARIES)
def test_integers_are_those_of_the_twin_whatever_the_row_is(fitted, in_integers, name):
    number = list(DICTIONARIES).index(name)
    student = in_integers.students[number]
    rng = np.random.default_rng(number)
    extreme = np.vstack([np.zeros(64), np.ones(64), rng.integers(0, 2, (20, 64))])
    rows = np.vstack([X[:200], rng.integers(0, 256, (20, 64)) / 255, extreme]).astype("f4")
    if student.byte_range is None:
        rows = np.vstack([rows, 1e6 * rng.normal(size=(5, 64)).astype("f4")])
    found = in_integers.logits(student, student.encoded(rows))
    assert_array_equal(found, student.integer_logits(rows))
    assert student.score(X, y) > fitted[name].score(X, y) - 0.03


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Return students that take bytes, and one that takes floats, in integers and in floats."""
    students = [
        to_c(
            make_pipeline(DICTIONARIES[name][0], EDMDClassifier(ridge=1e-3)).fit(X, y),
            X=X,
            number=number,
            name=f"{number}_{i}",
            **(BYTES if DICTIONARIES[name][1] else {}),
        )
        for i, name in enumerate(("bytes", "filters", "monomials", "scaled"))
        for number in ("integer", "float32")
    ]
    return Compiled(students, tmp_path_factory.mktemp("bytes"))


def rows_between_bytes(kind, seed):
    """Return rows with values between bytes; means of two or four bytes are often halfway."""
    rng = np.random.default_rng(seed)
    in_bytes = rng.integers(0, 256, (100, 4, 64)) / 255
    means = in_bytes.astype(kind).mean(axis=1)
    pairs = (in_bytes[:, 0].astype(kind) + in_bytes[:, 1].astype(kind)) / 2
    halves = ((rng.integers(0, 255, (50, 64)) + 0.5) / 255).astype(kind)
    return np.vstack([means, pairs, halves, rng.uniform(size=(50, 64)).astype(kind)])


@NEEDS_GCC
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_twin_takes_the_rows_that_the_c_gets(few, kind, seed):
    rows = rows_between_bytes(kind, seed)
    for student in few.students:
        found = few.logits(student, student.encoded(rows))
        if student.number == "integer":
            assert_array_equal(found, student.integer_logits(rows))
        else:
            expected = student.decision_function(rows)
            assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


@NEEDS_GCC
@pytest.mark.slow
def test_ten_thousand_images(tmp_path):
    if not os.environ.get("SKLEARN_KOOPMAN_DATA"):
        pytest.skip("SKLEARN_KOOPMAN_DATA does not name a folder with MNIST")
    images, digits = fetch_mnist("train", return_X_y=True, download_if_missing=False)
    test, _ = fetch_mnist("test", return_X_y=True, download_if_missing=False)
    lifter = filters((28, 28), n_filters=3, filter_size=5, stride=2, grid=3)
    student = make_pipeline(lifter, EDMDClassifier(ridge=1e-3)).fit(
        images[:3000], digits[:3000]
    )
    rounded = to_c(student, X=images[:1000], number="integer", bits=4, name="rounded", **BYTES)
    compiled = Compiled([to_c(student, **BYTES), rounded], tmp_path, flags=["-O2"])
    exact = compiled.students[0]
    rows = exact.encoded(test)
    labels = student.classes_[compiled.logits(exact, rows).argmax(axis=1)]
    assert_array_equal(labels, student.predict(test))
    assert_array_equal(compiled.logits(rounded, rows), rounded.integer_logits(test))


@NEEDS_GCC
def test_a_plain_pipeline_of_scikit_learn_and_its_probabilities(tmp_path):
    part = X[:, 20:26]
    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(2), LogisticRegression(max_iter=2000)
    ).fit(part, y % 2 == 0)
    student = to_c(model, softmax=True)
    assert "probabilities" in student.header
    compiled = Compiled([student], tmp_path)
    found = compiled.logits(student, student.encoded(part))
    assert_allclose(found[:, 1], model.decision_function(part), rtol=1e-3, atol=1e-3)
    assert_array_equal(student.predict(part), model.predict(part))


class Neighbours(TransformerMixin, BaseEstimator):
    """Features and products of neighbours: a dictionary as a user may write it."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.hstack([X, X[:, :-1] * X[:, 1:]])

    def add_to_program(self, program, rows):
        last = rows.size - 1
        left = program.columns(rows, np.arange(last))
        return program.beside(
            rows, program.product(left, program.columns(rows, np.arange(1, last + 1)))
        )


@NEEDS_GCC
def test_a_dictionary_of_ones_own(tmp_path):
    model = make_pipeline(coordinates(), Neighbours(), RidgeClassifier()).fit(X, y)
    exact = to_c(model, name="exact")
    rounded = to_c(model, X=X, number="integer", name="rounded")
    compiled = Compiled([exact, rounded], tmp_path)
    assert_allclose(
        compiled.logits(exact, exact.encoded(X)), model.decision_function(X), atol=1e-4
    )
    assert_array_equal(compiled.logits(rounded, rounded.encoded(X)), rounded.integer_logits(X))


def test_labels_and_classes_of_any_kind():
    names = np.array(["even", "odd"])[y % 2]
    model = make_pipeline(coordinates(), RidgeClassifier()).fit(X, names)
    student = to_c(model, X=X, number="integer")
    assert "0: even; 1: odd" in student.header
    assert np.mean(student.predict(X) == model.predict(X)) > 0.98
    distilled = KoopmanDistilledClassifier(soft_weight=0, lifter=filters()).fit(X, y)
    assert np.mean(to_c(distilled).predict(X) == distilled.predict(X)) == 1


def test_the_same_text_twice_and_files_only_where_they_are_wanted(tmp_path):
    student = EDMDClassifier(ridge=1e-3).fit(X, y)
    first = to_c(student, tmp_path / "new" / "folder", X=X, number="integer", name="digits")
    second = to_c(student, X=X, number="integer", name="digits")
    assert first.source == second.source
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == [
        "digits.c",
        "digits.h",
    ]
    assert f"Tables: {first.tables} bytes" in first.header


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_packed_levels_are_read_back(bits):
    most = 2 ** (bits - 1) - 1
    levels = np.random.default_rng(0).integers(-most, most + 1, 50)
    table = packed(levels, bits)
    at = np.arange(50) * bits
    two = table[at >> 3] | table[(at >> 3) + 1].astype(int) << 8
    assert_array_equal((two >> (at & 7)) % 2**bits - most, levels)
    assert len(table) == -(-50 * bits // 8) + 1


def student_of_filters():
    return make_pipeline(filters(), EDMDClassifier(ridge=1e-3)).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "number"),
    [
        *((board, "integer") for board in BOARDS),
        ("cortex-m0plus", "float32"),
        ("avr", "float32"),
    ],
)
def test_on_an_emulated_core(board, number, tmp_path):
    try:
        BOARDS[board].check_tools()
    except MissingToolError as error:
        pytest.skip(str(error))
    few = {"bits": 4} if number == "integer" else {}
    student = to_c(student_of_filters(), X=X, number=number, board=board, **few, **BYTES)
    rows = slice(2 if board == "avr" else 200)
    report = bench_on_mcu(student, X[rows], y[rows], board=board, n_counted=2)
    built = build(BOARDS[board], student, tmp_path, rows=student.encoded(X[rows]))
    assert report.agreement == 1
    assert report.largest_difference <= (0 if number == "integer" else 1e-5)
    assert report.accuracy > 0.8
    # The bytes of the object file are known beforehand.
    assert (built.tables, built.buffers) == (student.tables, student.buffers)
    assert (report.tables, report.buffers) == (student.tables, student.buffers)
    assert student.tables < report.flash < student.tables + 6000
    assert report.memory >= student.buffers + 64
    assert report.instructions > 1000
    assert report.row()["flash"] == report.flash


def test_a_display_of_reports():
    pytest.importorskip("matplotlib")
    display = FlashDisplay({"a": [4096, 1024]}, {"a": [0.9, 0.8]}).plot()
    assert_allclose(display.lines_["a"].get_xydata(), [[1, 80], [4, 90]])


def written_nothing(folder):
    return not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number": "int8"}, "number='int8': must be 'float32' or 'integer'"),
        ({"number": "integer"}, "number='integer' needs X"),
        ({"bits": 1}, "bits=1: must be an int in the range"),
        ({"filter_bits": 9}, "filter_bits=9"),
        ({"activation_bits": 17}, "activation_bits=17"),
        ({"byte_range": (1.0, 0.0)}, "byte_range="),
        ({"name": "two words"}, "name='two words'"),
        ({"name": "4bit"}, "name='4bit': .* begins with a letter"),
        ({"name": "int"}, "name='int': is a word of C"),
        ({"bits": 4}, "bits=4 is for integers, and number='float32': give number='integer'"),
        ({"activation_bits": 12}, "activation_bits=12 is for integers"),
        ({"board": "z80"}, "board='z80': must be one of 'cortex-m0plus'"),
        ({"board": ["avr"]}, r"board=\['avr'\]: must be one of 'cortex-m0plus'"),
        ({"X": 2 * X, "number": "integer", **BYTES}, "give the range that bytes stand for"),
    ],
)
def test_settings_that_are_refused(settings, message, tmp_path):
    student = student_of_filters()
    with pytest.raises(ValueError, match=message):
        to_c(student, tmp_path / "c", **settings)
    assert written_nothing(tmp_path / "c")


def test_steps_without_a_form_in_c_are_named(tmp_path):
    model = make_pipeline(FunctionTransformer(np.log1p), EDMDClassifier(ridge=1e-3)).fit(X, y)
    with pytest.raises(
        TypeError, match=r"FunctionTransformer has no form in C here. Known are"
    ):
        to_c(model, tmp_path / "c")
    with pytest.raises(TypeError, match="has no matrix"):
        to_c(coordinates().fit(X))
    with pytest.raises(TypeError, match="only kernel='rbf'"):
        to_c(make_pipeline(Nystroem(kernel="linear"), EDMDClassifier()).fit(X, y))
    assert written_nothing(tmp_path / "c")


def test_functions_that_c_does_not_know_are_named():
    program = Program(2)
    with pytest.raises(ValueError, match=r"name='cosine': must be one of 'square', .* 'cos', "):
        program.function(program.rows, "cosine")


def test_sums_that_may_overflow_are_refused(tmp_path):
    student = EDMDClassifier(ridge=1e-3).fit(X, y)
    with pytest.raises(ValueError, match=r"32 bits hold less than .* lower activation_bits"):
        to_c(student, tmp_path / "c", X=X, number="integer", bits=16, activation_bits=16)
    assert written_nothing(tmp_path / "c")


def test_what_a_board_has_no_room_for_is_refused(tmp_path):
    small = Board("small", "Cortex-M0+", 1000, 100, "none", (), 1.0)
    with pytest.raises(ValueError, match=r"flash for tables, and board 'small' .* has 1,000"):
        to_c(student_of_filters(), tmp_path / "c", board=small)
    roomy = Board("roomy", "Cortex-M0+", 10**6, 100, "none", (), 1.0)
    with pytest.raises(ValueError, match="bytes of memory"):
        to_c(student_of_filters(), tmp_path / "c", board=roomy)
    assert written_nothing(tmp_path / "c")


def test_tables_that_an_avr_cannot_address_are_refused():
    board = BOARDS["avr"]
    board.check_room(tables=60_000, buffers=100)
    with pytest.raises(ValueError, match=r"takes 70,000 bytes .* board 'avr' .* has 64,512"):
        board.check_room(tables=70_000, buffers=100)


def test_rows_that_an_avr_has_no_room_for_are_refused(monkeypatch):
    monkeypatch.setattr(Board, "check_tools", lambda board: None)
    student = to_c(student_of_filters(), X=X, number="integer", **BYTES)
    with pytest.raises(
        ValueError, match=r"X has 256 rows, .* at most 255 rows of 64 .* X\[:255\]"
    ):
        bench_on_mcu(student, X[:256], board="avr")
    floats = to_c(student_of_filters())
    with pytest.raises(ValueError, match=r"X has 200 rows, .* at most 127 rows of 256 bytes"):
        bench_on_mcu(floats, X[:200], board="avr")


def test_labels_of_other_rows_are_refused():
    student = to_c(student_of_filters())
    with pytest.raises(ValueError, match=r"X has 20 rows, and y has 1,797 labels: .* y\[:20\]"):
        bench_on_mcu(student, X[:20], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        student.score(X[:20], y)


def test_what_is_not_c_yet_is_named():
    with pytest.raises(TypeError, match=r"is not C yet: pass what to_c\(student"):
        bench_on_mcu(student_of_filters(), X[:2])


def test_a_range_of_bytes_in_other_units_is_warned_of():
    student = student_of_filters()
    for settings in ({}, {"number": "integer"}):
        with pytest.warns(UserWarning, match=r"byte_range=\(0, 255\), .* bytes from 0 to 1"):
            to_c(student, X=X, byte_range=(0, 255), **settings)


def test_missing_tools_are_named_with_their_packages(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match=r"apt-get install gcc-arm-none-eabi .* qemu"):
        bench_on_mcu(to_c(student_of_filters()), X[:1])
