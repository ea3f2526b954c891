"""How the package is built: folders are floors, and public names stay where they were."""

import ast
import importlib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sklearn_koopman"

# Each folder, or module beside the folders, imports only from the floors below its own. The other
# modules beside the folders are on the ground. Their names begin with "_".
FLOORS = [
    ["lifting", "teachers", "datasets", "meshes"],
    ["rows", "microcontrollers"],
    ["linear"],
    ["students"],
    ["tensor_trains", "_streaming"],
    ["classification", "regression", "trees", "networks", "selection", "solvers"],
    ["pipeline", "_versions"],
    ["inspection", "deployment"],
    ["search", "audit"],
    ["__main__"],
]
FLOOR_OF = {name: number for number, floor in enumerate(FLOORS, start=1) for name in floor}
MOST_PRIVATE_IMPORTS = 0
MOST_PRIVATE_IMPORTS_OF_TESTS = 15

# The names that were public before each idea got its folder.
PUBLIC = {
    "sklearn_koopman": """
        ActiveSubspace DelayLifter DistilledTreeClassifier EDMDClassifier EDMDClassifierCV
        KoopmanDistilledClassifier KoopmanDistilledClassifierCV MonomialLifter
        ObservableSelector OpticalLifter OrthogonalPolynomialLifter RBFLifter
        SquaredProjectionLifter TensorTrainClassifier TransferSet
    """,
    "sklearn_koopman.classification": """
        CompressedStudent EDMDClassifier EDMDClassifierCV KoopmanDistilledClassifier
        KoopmanDistilledClassifierCV TensorTrainClassifier TransferSet
    """,
    "sklearn_koopman.datasets": """
        fetch_fashion_mnist fetch_mnist make_yin_yang
    """,
    "sklearn_koopman.deployment": """
        Hardware HardwareDisplay SimulatedChip detach_teacher hardware_curve load_student
        quantise_matrix quantise_student register_onnx_converters save_student to_module
        to_onnx unit_levels
    """,
    "sklearn_koopman.inspection": """
        AccuracyCostDisplay Cost DistillationReport FidelityCertificate SpanSpectrum
        SpanSpectrumDisplay UncountableError certificate_sample_size cost disagreement_bound
        distillation_report fidelity_certificate fidelity_score span_report span_spectrum
    """,
    "sklearn_koopman.lifting": """
        DelayLifter MonomialLifter OpticalLifter OrthogonalPolynomialLifter
        ProductKernelLifter RBFLifter SquaredProjectionLifter
    """,
    "sklearn_koopman.networks": """
        LinearizedNetworkClassifier drop_span low_rank_span pruned_span
    """,
    "sklearn_koopman.pipeline": """
        Pipeline make_pipeline
    """,
    "sklearn_koopman.selection": """
        ActiveSubspace ObservableSelector principal_squares
    """,
    "sklearn_koopman.solvers": """
        DiagonalMoments DistillationProblem EnlargedRows GramMoments LinearProbes RidgePath
        RowBlocks Scale TriangularMoments accumulated aligned_with as_numpy by_rows
        correlation exact_device float_rows forward_selection is_dask lifting_there merged
        minimise minimise_path noise_penalty of_parts row_blocks solve_gram
        solve_triangular_factor threads_for train_minibatches with_even_ridge
    """,
    "sklearn_koopman.teachers": """
        OnnxTeacher TorchTeacher as_teacher
    """,
    "sklearn_koopman.trees": """
        DistilledTreeClassifier SizedTree
    """,
}  # fmt: skip


def name_of(file):
    """Return the name of the module in a file, as a tuple: lifting, _base."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


FILES = {
    name_of(file): file
    for file in sorted(PACKAGE.rglob("*"))
    if file.suffix == ".py" or file.suffix == ".pyx"  # .pyx files import nothing of the package
}


def imported_by(name):
    """Return the names of the package's modules that a module imports, at its head or later."""
    file = FILES[name]
    if file.suffix == ".pyx":
        return set()
    package = name if file.name == "__init__.py" else name[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("sklearn_koopman") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            base += tuple(node.module.split(".")) if node.module else ()
            names = {alias.name for alias in node.names} - {"__version__"}
            inside = {(*base, name) for name in names} & FILES.keys()
            found |= inside
            if len(inside) < len(names):  # the other names are in the module itself
                found.add(base)
        elif isinstance(node, ast.ImportFrom):
            assert not node.module.startswith("sklearn_koopman")
    return found - {name}


IMPORTS = {name: imported_by(name) for name in FILES}
ARROWS = sorted(
    (importer, imported)
    for importer, all_imported in IMPORTS.items()
    for imported in all_imported
    if importer and importer[:1] != imported[:1]  # the package itself imports from everywhere
)


def floor(name):
    """Return the number of the floor of a module; 0 is the ground."""
    return FLOOR_OF.get(name[0], 0)


def test_every_folder_has_a_floor():
    names = {name[0] for name in FILES if name}
    assert names >= FLOOR_OF.keys()
    assert {name for name in names if not name.startswith("_")} <= FLOOR_OF.keys()


@pytest.mark.parametrize("folder", FLOOR_OF)
def test_arrows_lead_down(folder):
    upwards = [
        f"{'.'.join(importer)} -> {'.'.join(imported)}"
        for importer, imported in ARROWS
        if importer[0] == folder and (not imported or floor(imported) >= floor(importer))
    ]
    assert not upwards


def test_the_ground_rests_on_nothing():
    upwards = [arrow for arrow in ARROWS if floor(arrow[0]) == 0 and floor(arrow[1]) > 0]
    assert not upwards


def test_no_modules_import_each_other_in_a_circle():
    """A module that imports from the `__init__` of its own folder would be a circle, too."""
    TopologicalSorter(IMPORTS).prepare()


def test_few_modules_are_imported_past_the_front_door_of_their_folder():
    private = [
        f"{'.'.join(importer)} -> {'.'.join(imported)}"
        for importer, imported in ARROWS
        if len(imported) > 1 and imported[-1].startswith("_")
    ]
    assert len(private) <= MOST_PRIVATE_IMPORTS, private


def private_modules_of(file):
    """Return the private modules that a test imports, at its head or later."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            base = tuple(node.module.split("."))
            found |= {base, *((*base, alias.name) for alias in node.names)}
    return sorted(
        ".".join(name)
        for name in found
        if name[0] == PACKAGE.name and name[1:] in FILES and name[-1].startswith("_")
    )


def test_few_private_modules_are_imported_by_tests():
    """Each import has its reason beside it. A folder's private parts come from one place."""
    tests = Path(__file__).parent
    private = [
        f"{file.relative_to(tests)} -> {module}"
        for file in sorted(tests.rglob("*.py"))
        if file.name != "kernel.py"  # fuzz/kernel.py calls the kernel, which is not public
        for module in private_modules_of(file)
    ]
    assert len(private) <= MOST_PRIVATE_IMPORTS_OF_TESTS, private


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_where_they_were(module):
    there = importlib.import_module(module)
    missing = [name for name in PUBLIC[module].split() if not hasattr(there, name)]
    assert not missing
