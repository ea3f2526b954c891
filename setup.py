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
kernels = [
    Extension(
        "sklearn_koopman.rows._kernel",
        sources=[
            "sklearn_koopman/rows/_kernel.pyx",
            "sklearn_koopman/rows/_kernel_arithmetic.c",
        ],
        depends=[
            "sklearn_koopman/rows/_kernel_arithmetic.h",
            "sklearn_koopman/rows/_kernel_template.h",
        ],
        include_dirs=["sklearn_koopman/rows"],
        **settings,
    ),
    Extension(
        "sklearn_koopman.lifting._pooling",
        sources=[
            "sklearn_koopman/lifting/_pooling.pyx",
            "sklearn_koopman/lifting/_pooling_arithmetic.c",
        ],
        depends=[
            "sklearn_koopman/lifting/_pooling_arithmetic.h",
            "sklearn_koopman/lifting/_pooling_template.h",
        ],
        include_dirs=["sklearn_koopman/lifting"],
        **settings,
    ),
]
setup(
    ext_modules=kernels,
    cmdclass={"bdist_wheel": WheelOfTheStableInterface},
    options={"build_ext": {"cython_c_in_temp": True}},  # not beside the sources
)
