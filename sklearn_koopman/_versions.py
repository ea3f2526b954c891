"""Versions and settings for reports of problems."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from threadpoolctl import threadpool_info

from .rows import vector_bytes

# Required packages, and then packages of the extras.
PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "threadpoolctl"),
    *("torch", "skorch", "tqdm", "torchvision", "onnx", "onnxruntime", "skl2onnx"),
    *("skops", "dask", "distributed", "matplotlib"),
)


def show_versions():
    """Print versions, the BLAS libraries and whether the kernel is compiled, for a report.

    Optional packages are only looked up, not imported.

    Examples
    --------
    >>> import sklearn_koopman
    >>> sklearn_koopman.show_versions()
    <BLANKLINE>
    System:
               python: ...
           executable: ...
              machine: ...
    <BLANKLINE>
    Packages:
      sklearn-koopman: ...
                numpy: ...
    ...
    BLAS:
    ...
    Kernel:
             compiled: ...
    """
    from . import __version__  # it is set after the import of this module

    system = sys.version.replace("\n", " "), sys.executable, platform.platform()
    _show("System", zip(("python", "executable", "machine"), system, strict=True))
    _show("Packages", [("sklearn-koopman", __version__), *map(_installed, PACKAGES)])
    _show("BLAS", _libraries_of_blas() or [("library", "none that threadpoolctl knows")])
    _show("Kernel", _kernel())


def _show(title, lines):
    print(f"\n{title}:")
    for name, value in lines:
        print(f"{name:>17}: {value}")


def _installed(package):
    try:
        return package, version(package)
    except PackageNotFoundError:
        return package, "not installed"


def _libraries_of_blas():
    """Return name and description of each library, as numpy and scipy may have their own."""
    lines = []
    for library in threadpool_info():
        if library["user_api"] == "blas":
            parts = (
                library["version"],
                library.get("architecture"),  # MKL does not have it
                f"{library['num_threads']} thread(s)",
                library["filepath"],
            )
            lines.append((library["internal_api"], ", ".join(filter(None, parts))))
    return lines


def _kernel():
    n_bytes = vector_bytes()
    if n_bytes is None:
        return [("compiled", "not compiled: everything works, slower")]
    return [("compiled", "yes"), ("vectors", f"{n_bytes} bytes")]
