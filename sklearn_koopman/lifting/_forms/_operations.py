"""Numbers that a fitted model stores, and its multiplications."""

from dataclasses import dataclass, field

import numpy as np


class UncountableError(TypeError):
    """An estimator has a step whose operations are not known."""


@dataclass(frozen=True)
class Operations:
    """Numbers that a fitted model stores, and its multiplications for one sample.

    Attributes
    ----------
    parameters : int
        Number of fitted numbers.
    linear : int
        Number of multiplications of a variable by a parameter.
    nonlinear : int
        Number of multiplications of two variables, as in a monomial.
    bytes : int
        Memory of the parameters. Comparisons of operations ignore it, so the same operations in
        another precision are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.lifting import Operations
    >>> matrix, offset = np.ones((3, 4)), np.ones(3)
    >>> Operations.of_matrix(matrix, offset) + Operations(nonlinear=10)
    Operations(parameters=15, linear=12, nonlinear=10)
    """

    parameters: int = 0
    linear: int = 0
    nonlinear: int = 0
    bytes: int = field(default=0, compare=False, repr=False)

    @classmethod
    def storing(cls, *arrays, linear=0, nonlinear=0):
        """Return the operations of a step that stores some arrays.

        Parameters
        ----------
        *arrays : array-like
            All fitted arrays.
        linear, nonlinear : int, default=0
            Numbers of multiplications, as above.
        """
        kept = [np.asarray(array) for array in arrays]
        return cls(
            parameters=sum(array.size for array in kept),
            linear=linear,
            nonlinear=nonlinear,
            bytes=sum(array.nbytes for array in kept),
        )

    @classmethod
    def of_matrix(cls, matrix, *offsets):
        """Return the operations of a dense matrix and of offsets, which do not multiply.

        Parameters
        ----------
        matrix : array-like
            Array of any shape: each entry multiplies once. A vector of factors is a diagonal
            matrix.
        *offsets : array-like
        """
        return cls.storing(matrix, *offsets, linear=np.size(matrix))

    @property
    def multiplications(self):
        """Number of all multiplications for one sample."""
        return self.linear + self.nonlinear

    def __add__(self, other):
        return Operations(
            self.parameters + other.parameters,
            self.linear + other.linear,
            self.nonlinear + other.nonlinear,
            self.bytes + other.bytes,
        )
