"""Compile the kernels; all else about the package is in pyproject.toml."""

import Cython  # noqa: F401  setuptools compiles with it, and does not say that it is not there
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel


class WheelOfTheStableInterface(bdist_wheel):
    """One wheel for all versions of Python from the oldest supported one on."""

    def finalize_options(self):
        """Tag the wheel."""
        self.py_limited_api = "cp311"
        super().finalize_options()


# Without a compiler for them the package does the same in numpy.
settings = {
    "define_macros": [("Py_LIMITED_API", "0x030B0000")],
    # Roots of vectors are vectors only without errno, which nobody reads.
    "extra_compile_args": ["-O3", "-g0", "-fno-math-errno"],
    "py_limited_api": True,
    "optional": True,
}
HEADERS = ["sklearn_koopman/_each_width.h", "sklearn_koopman/_widths.h"]


def kernel(folder, name):
    """Return a kernel in a folder of the package: its door in Cython, and what computes in C."""
    path = f"sklearn_koopman/{folder}/{name}"
    return Extension(
        path.replace("/", "."),
        sources=[f"{path}.pyx", f"{path}_arithmetic.c"],
        depends=[f"{path}_arithmetic.h", f"{path}_template.h", *HEADERS],
        include_dirs=[f"sklearn_koopman/{folder}", "sklearn_koopman"],
        **settings,
    )


kernels = [kernel("rows", "_kernel"), kernel("lifting/_filtering", "_pooling")]
setup(
    ext_modules=kernels,
    cmdclass={"bdist_wheel": WheelOfTheStableInterface},
    options={"build_ext": {"cython_c_in_temp": True}},  # not beside the sources
)
