"""The Koopman matrix, and the phases of its mesh, as files that any program reads."""

import csv
import json
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

from .._files import replaced_when_whole
from .._validation import flat_rows
from ..lifting import taking_arrays
from ..students import KoopmanMatrix, observable_names, split_student
from ._mesh import StudentMesh
from ._parts import observables_of


def save_matrix(estimator, file, X=None):
    """Write the matrix of a fitted student to a CSV or JSON file, with names and scales.

    A CSV file has a line for each observable, and then one for the intercept. Each line has the
    name, the coefficient in each output, and with `X` the mean, standard deviation and largest
    absolute value on these rows. A JSON file has the same numbers as lists, and the steps before
    the matrix as text: "outputs", "observables", "matrix" (a list for each output), "intercept",
    "steps", and with `X` "mean", "deviation" and "largest".

    Parameters
    ----------
    estimator : estimator
        A fitted student with a Koopman matrix, or a pipeline or search that ends in one. The matrix
        of a quantised student has rounded numbers. For an :class:`~sklearn_koopman.EDMDRegressor`
        with an operator, the matrix is `operator_`, and outputs have the names of observables.
    file : str or Path
        File to write, with the suffix ".csv" or ".json". An existing file is replaced only when the
        new one is complete.
    X : array-like of shape (n_samples, n_features), default=None
        Rows, such as the training rows, on which the size of observables is measured.

    See Also
    --------
    to_onnx : The whole student as a graph.
    save_student : The whole student, in a file that can be loaded again.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import save_matrix
    >>> X, y = load_iris(return_X_y=True)
    >>> student = EDMDClassifier(lifter=MonomialLifter(2)).fit(X[:, 2:], y)
    >>> with TemporaryDirectory() as folder:
    ...     save_matrix(student, Path(folder) / "matrix.csv")
    ...     lines = (Path(folder) / "matrix.csv").read_text().splitlines()
    >>> [line.split(",")[0] for line in lines]
    ['observable', '1', 'x0', 'x1', 'x0^2', 'x0 x1', 'x1^2', 'intercept']
    """
    suffix = Path(file).suffix.lower()
    if suffix not in {".csv", ".json"}:
        raise ValueError(f"file={str(file)!r}: its suffix must be .csv or .json.")
    if hasattr(estimator, "eigenvalues"):
        raise TypeError(
            f"{estimator!r} has complex numbers, which such files cannot hold. Use "
            "numpy.savez(file, eigenvalues=spectrum.eigenvalues, modes=spectrum.modes)."
        )
    transformers, student = split_student(estimator, KoopmanMatrix)
    names = observable_names(estimator)
    if hasattr(student, "operator_"):
        outputs, matrix, intercept = names, student.operator_, student.operator_intercept_
    else:
        outputs, matrix, intercept = _output_names(student), student.coef_, student.intercept_
    table = {
        "outputs": outputs,
        "observables": names,
        "matrix": matrix.tolist(),
        "intercept": intercept.tolist(),
    }
    if X is not None:
        rows = flat_rows(X)
        lifter = make_pipeline(*map(taking_arrays, transformers)) if transformers else None
        psi = observables_of(lifter, rows).astype(np.float64)
        table["mean"] = psi.mean(axis=0).tolist()
        table["deviation"] = psi.std(axis=0).tolist()
        table["largest"] = np.abs(psi).max(axis=0).tolist()
    with replaced_when_whole(file, text=True) as lines:
        if suffix == ".json":
            json.dump(table | {"steps": [*map(repr, transformers)]}, lines, allow_nan=False)
        else:
            csv.writer(lines, lineterminator="\n").writerows(_lines(table))


#: How the numbers of a file of `save_mesh` are to be read.
MESH_CONVENTION = (
    "Angles are in radians. Waveguides, inputs and outputs are numbered from 0.",
    "An interferometer multiplies the complex amplitudes on its waveguides (first, second) by "
    "T = S diag(exp(i theta), 1) S diag(exp(i phi), 1), S = [[1, i], [i, 1]] / sqrt(2): phase phi "
    "on the first waveguide, an even splitter, phase theta on the first waveguide, an even "
    "splitter. Light meets the interferometers in the order of the lists.",
    "Then the waveguides of 'outputs' are read, in this order, times exp(i output_phases). Light "
    "on all others is lost.",
    "Input j of input_mesh has the amplitude psi_j / port_scales_j, psi_j the observables; the "
    "last input has the amplitude 1, for the intercept.",
    "Output k of input_mesh, times attenuations_k, goes to waveguide k of output_mesh. Its other "
    "waveguides are dark.",
    "The reading of class c, in the order of 'classes', is gain times the real part of output c of "
    "output_mesh. It is the logit of class c less the mean of all logits: the product of row c of "
    "'matrix' and the input amplitudes.",
)


def save_mesh(mesh, file):
    r"""Write all settings of an optical circuit to a JSON file.

    The file has "convention" (how to read it, in words), "classes", "port_scales", "input_mesh",
    "attenuations", "output_mesh", "gain" and "matrix". Each mesh has "n_waveguides", "first",
    "second", "theta", "phi", "outputs" and "output_phases". Numbers are those of `StudentMesh`,
    and its docstring has the formulas. Steps before the matrix are not in the file.

    Parameters
    ----------
    mesh : StudentMesh
        What `to_mesh` returns.
    file : str or Path
        Its suffix must be ".json". An existing file is replaced only when the new one is complete.

    See Also
    --------
    save_matrix : The matrix itself, with the names of observables and classes.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier
    >>> from sklearn_koopman.deployment import save_mesh, to_mesh
    >>> X, y = load_iris(return_X_y=True)
    >>> mesh = to_mesh(EDMDClassifier().fit(X, y), X)
    >>> with TemporaryDirectory() as folder:
    ...     save_mesh(mesh, Path(folder) / "mesh.json")
    ...     settings = json.loads((Path(folder) / "mesh.json").read_text())
    >>> len(settings["input_mesh"]["theta"]), len(settings["attenuations"])
    (7, 2)
    """
    if not isinstance(mesh, StudentMesh):
        raise TypeError(f"mesh={mesh!r}: must be the result of to_mesh(student, X).")
    if Path(file).suffix.lower() != ".json":
        raise ValueError(f"file={str(file)!r}: its suffix must be .json.")
    circuit = mesh.circuit
    settings = {
        "convention": [*MESH_CONVENTION],
        "classes": mesh.classes_.tolist(),
        "port_scales": mesh.port_scales.tolist(),
        "input_mesh": _mesh_settings(circuit.input_mesh),
        "attenuations": circuit.attenuations.tolist(),
        "output_mesh": _mesh_settings(circuit.output_mesh),
        "gain": circuit.gain,
        "matrix": mesh.matrix.tolist(),
    }
    with replaced_when_whole(file, text=True) as content:
        json.dump(settings, content, allow_nan=False, indent=1)


def _mesh_settings(mesh):
    names = "first", "second", "theta", "phi", "outputs", "output_phases"
    return {"n_waveguides": mesh.n_modes} | {
        name: getattr(mesh, name).tolist() for name in names
    }


def _output_names(student):
    """Return the classes, or the numbers of the targets."""
    classes = getattr(student, "classes_", range(len(student.coef_)))
    return [str(each) for each in classes]


def _lines(table):
    """Return a table as the lines of a CSV file."""
    scales = [name for name in ("mean", "deviation", "largest") if name in table]
    columns = [table["observables"], *table["matrix"], *(table[name] for name in scales)]
    yield ["observable", *table["outputs"], *scales]
    yield from zip(*columns, strict=True)
    yield ["intercept", *table["intercept"], *([""] * len(scales))]
