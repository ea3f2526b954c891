"""Compile the kernel of the exact solver; all else about the package is in pyproject.toml."""

import Cython  # noqa: F401  setuptools compiles with it, and does not say that it is not there
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel


class WheelOfTheStableInterface(bdist_wheel):
    """One wheel for all versions of Python from the oldest supported one on."""

    def finalize_options(self):
        """Tag the wheel."""
        self.py_limited_api = "cp311"
        super().finalize_options()


kernel = Extension(
    "sklearn_koopman.rows._kernel",
    sources=["sklearn_koopman/rows/_kernel.pyx", "sklearn_koopman/rows/_kernel_arithmetic.c"],
    depends=[
        "sklearn_koopman/rows/_kernel_arithmetic.h",
        "sklearn_koopman/rows/_kernel_template.h",
    ],
    include_dirs=["sklearn_koopman/rows"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    extra_compile_args=["-O3", "-g0"],
    py_limited_api=True,
    # Without a compiler for it the package does the same in numpy.
    optional=True,
)
setup(
    ext_modules=[kernel],
    cmdclass={"bdist_wheel": WheelOfTheStableInterface},
    options={"build_ext": {"cython_c_in_temp": True}},  # not beside the sources
)
