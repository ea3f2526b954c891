"""C for microcontrollers: a student as a program of steps, in floating point or in integers.

Dictionaries add their steps to a `Program`. `fixed_program` turns it into one of integers. Its twin
in numpy computes what the C computes, to the last bit. `write_program` writes the C of both.
"""

from ._boards import BOARDS as BOARDS, Board, MissingToolError, board_named, build, run
from ._c_program import Files, write_program
from ._fixed import Settings
from ._fixing import FixedProgram, fixed_program
from ._numbers import as_bytes, from_bytes, packed
from ._program import Program
from ._sizes import most_table_bytes
from ._transformers import add_transformer

__all__ = [
    "Board",
    "Files",
    "FixedProgram",
    "MissingToolError",
    "Program",
    "Settings",
    "add_transformer",
    "as_bytes",
    "board_named",
    "build",
    "fixed_program",
    "from_bytes",
    "most_table_bytes",
    "packed",
    "run",
    "write_program",
]
