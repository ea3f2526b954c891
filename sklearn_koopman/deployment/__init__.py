"""Exports of fitted models: files, C, ONNX, torch, few bits, simulated hardware.

`__all__` is for users. The other names are the steps of rounding, which tests call one by one, and
functions that a search uses for the costs of candidates.
"""

from ._c import CStudent, tables_at_most as tables_at_most, to_c
from ._chip import SimulatedChip
from ._compiled import CompiledStudent, compile
from ._detach import detach_teacher
from ._files import load_student, save_student
from ._hardware import Hardware
from ._hardware_curve import HardwareDisplay, hardware_curve
from ._matrix_file import save_matrix, save_mesh
from ._mcu import FlashDisplay, McuReport, bench_on_mcu
from ._mesh import StudentMesh, to_mesh
from ._mesh_display import MeshDisplay
from ._module import to_module
from ._onnx import register_onnx_converters, to_onnx
from ._quantisation import (
    descend_to_levels as descend_to_levels,
    quantise_matrix,
    quantise_student,
    round_with_feedback as round_with_feedback,
    unit_levels,
)

__all__ = [
    "CStudent",
    "CompiledStudent",
    "FlashDisplay",
    "Hardware",
    "HardwareDisplay",
    "McuReport",
    "MeshDisplay",
    "SimulatedChip",
    "StudentMesh",
    "bench_on_mcu",
    "compile",
    "detach_teacher",
    "hardware_curve",
    "load_student",
    "quantise_matrix",
    "quantise_student",
    "register_onnx_converters",
    "save_matrix",
    "save_mesh",
    "save_student",
    "to_c",
    "to_mesh",
    "to_module",
    "to_onnx",
    "unit_levels",
]
