"""Matrices as meshes of Mach-Zehnder interferometers: plain arrays, no estimators.

`as_circuit` finds the phases of a matrix, `MeshErrors` has the errors of a chip, and
`recalibrated` adjusts the phases of such a chip.
"""

from ._circuit import Circuit, as_circuit
from ._decomposition import LAYOUTS as LAYOUTS, square_mesh, wide_mesh
from ._errors import FabricatedCircuit, MeshErrors
from ._mesh import Mesh
from ._recalibration import recalibrated

__all__ = [
    "Circuit",
    "FabricatedCircuit",
    "Mesh",
    "MeshErrors",
    "as_circuit",
    "recalibrated",
    "square_mesh",
    "wide_mesh",
]
