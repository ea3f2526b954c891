"""Emulated boards: their sizes, and how C is compiled for them and run."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._harness import AVR_MAIN, CORTEX_LINKER, CORTEX_MAIN, STUB

# Compilers and emulators of Debian.
PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "avr-gcc": "gcc-avr avr-libc",
    "simavr": "simavr",
}
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic")
# Of AVR: what pointers of 16 bits reach, less interrupt vectors and what of the C library is there;
# the largest array of its compiler; and the largest count of rows of its harness.
NEAR_BYTES = 2**16 - 2**10
LARGEST_ARRAY = 2**15 - 1
MOST_AVR_ROWS = 255
# Seconds for a row: an emulator that takes longer hangs.
MOST_SECONDS = 60


class MissingToolError(OSError):
    """A compiler or an emulator is not installed."""


@dataclass(frozen=True)
class Board:
    """A board that is emulated.

    Attributes
    ----------
    name : str
    core : str
    flash, ram : int
        Bytes of the board.
    machine : str
        Its name in the emulator.
    flags : tuple of str
        Options of the compiler.
    instructions_per_tick : float
        Instructions for each tick of its timer, in the emulator.
    """

    name: str
    core: str
    flash: int
    ram: int
    machine: str
    flags: tuple[str, ...]
    instructions_per_tick: float

    @property
    def tools(self):
        """The programs that compile for it and emulate it."""
        if self.is_avr:
            return "avr-gcc", "avr-nm", "avr-size", "simavr"
        names = ("gcc", "nm", "size")
        return (*(f"arm-none-eabi-{name}" for name in names), "qemu-system-arm")

    @property
    def is_avr(self):
        """Whether it is one of eight bits."""
        return self.core == "AVR"

    def check_tools(self):
        """Raise MissingToolError if a tool is not installed; it says how to get it."""
        missing = [tool for tool in self.tools if shutil.which(tool) is None]
        if missing:
            packages = [PACKAGES[tool] for tool in self.tools if tool in PACKAGES]
            raise MissingToolError(
                f"{', '.join(missing)} of board {self.name!r} not found. On Debian and Ubuntu: "
                f"apt-get install {' '.join(packages)}"
            )

    @property
    def room_for_tables(self):
        """Bytes of flash that tables may take: AVR reads those that 16 bits can address."""
        return min(self.flash, NEAR_BYTES) if self.is_avr else self.flash

    def most_rows(self, tables, row_bytes):
        """Return how many rows can be run; on AVR they are part of the program."""
        if not self.is_avr:
            return None
        room = min(LARGEST_ARRAY, self.room_for_tables - tables)
        return max(min(room // row_bytes, MOST_AVR_ROWS), 0)

    def check_room(self, tables, buffers):
        """Raise ValueError for tables and buffers that the board has no room for."""
        for kind, taken, there, remedy in (
            (
                "flash for tables",
                tables,
                self.room_for_tables,
                "Lower bits, or take fewer observables",
            ),
            (
                "memory",
                buffers,
                self.ram,
                "Take fewer observables, or bytes for rows (byte_range=)",
            ),
        ):
            if taken > there:
                raise ValueError(
                    f"The student takes {taken:,} bytes of {kind}, and board {self.name!r} "
                    f"({self.machine}) has {there:,}. {remedy}."
                )


_CORTEX = ("-mthumb", "-ffreestanding", "-ffunction-sections", "-fdata-sections")

#: The boards that are known, by name.
BOARDS = {
    board.name: board
    for board in (
        Board(
            "cortex-m0plus",
            "Cortex-M0+",
            2**18,
            2**14,
            "microbit",
            ("-mcpu=cortex-m0plus", *_CORTEX),
            62.5,  # 16 MHz, and an instruction a nanosecond
        ),
        Board(
            "cortex-m3",
            "Cortex-M3",
            2**22,
            2**22,
            "mps2-an385",
            ("-mcpu=cortex-m3", *_CORTEX),
            40.0,
        ),
        Board(
            "cortex-m4",
            "Cortex-M4F",
            2**22,
            2**22,
            "mps2-an386",
            ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", *_CORTEX),
            40.0,
        ),
        Board("avr", "AVR", 2**17, 2**14, "atmega1284p", ("-mmcu=atmega1284p",), 1.0),
    )
}


def board_named(board):
    """Return a board; raise ValueError for one that is not known."""
    if isinstance(board, Board):
        return board
    if not isinstance(board, str) or board not in BOARDS:
        raise ValueError(f"board={board!r}: must be one of {', '.join(map(repr, BOARDS))}.")
    return BOARDS[board]


@dataclass(frozen=True)
class Built:
    """A program for a board, and the share of a student in it.

    Attributes
    ----------
    file : Path
        The program.
    flash : int
        Bytes of code and tables that the student adds, and of what it needs of libraries.
    tables, buffers : int
        Bytes of its constant and of its static arrays in the object file. The compiler may make
        very small tables a part of the code.
    memory : int
        Bytes of all static memory: buffers and the row.
    """

    file: Path
    flash: int
    tables: int
    buffers: int
    memory: int


def build(board, student, folder, *, rows=None, optimise="-O2"):
    """Compile a student for a board.

    Parameters
    ----------
    board : Board
    student : CStudent
    folder : Path
        Where all files are written.
    rows : ndarray, default=None
        For AVR: the rows to run, as bytes or float32.
    optimise : str, default="-O2"
        Option of the compiler.
    """
    board.check_tools()
    student.write(folder)
    names = {
        "name": student.name,
        "upper": student.name.upper(),
        "row": "float" if student.byte_range is None else "uint8_t",
        "logit": "int32_t" if student.number == "integer" else "float",
    }
    compiler, nm, size, _ = board.tools
    if board.is_avr:
        text = ",\n".join(
            "    {" + ", ".join(_number(x) for x in row) + "}" for row in np.atleast_2d(rows)
        )
        main = AVR_MAIN.format(rows=text, n_rows=len(rows), **names)
        link = []
    else:
        fpu = "str r1, [r0]" if "-mfloat-abi=hard" in board.flags else ""
        main = CORTEX_MAIN.format(fpu=fpu, **names)
        linker = CORTEX_LINKER.format(flash=board.flash, ram=board.ram)
        (folder / "board.ld").write_text(linker)
        link = ["-nostartfiles", "-T", "board.ld", "--specs=nano.specs"]
    (folder / "main.c").write_text(main)
    (folder / "stub.c").write_text(STUB.format(**names))
    flags = [*board.flags, optimise]
    _run([compiler, *WARNINGS, *flags, "-c", f"{student.name}.c", "-o", "student.o"], folder)
    for kind in ("main", "stub"):
        _run([compiler, *flags, "-std=gnu99", "-c", f"{kind}.c", "-o", f"{kind}.o"], folder)
    sizes = {}
    for kind in ("student", "stub"):
        libraries = ["-Wl,--gc-sections", f"-Wl,-Map={kind}.map", "-lm"]
        parts = ["main.o", f"{kind}.o", *libraries, "-o", f"{kind}.elf"]
        _run([compiler, *flags, *link, *parts], folder)
        sizes[kind] = _sections([size, f"{kind}.elf"], folder)
    symbols = _run([nm, "-S", "student.o"], folder).split("\n")
    found = [line.split() for line in symbols if len(line.split()) == 4]
    by_kind = dict.fromkeys("rbd", 0)
    for _, bytes_, kind, name in found:
        # On AVR tables are in the section of the code.
        is_table = board.is_avr and kind.lower() == "t" and name in student.table_names
        if is_table or kind.lower() in by_kind:
            by_kind["r" if is_table else kind.lower()] += int(bytes_, 16)
    student_size, stub_size = sizes["student"], sizes["stub"]
    return Built(
        folder / "student.elf",
        student_size[0] + student_size[1] - stub_size[0] - stub_size[1],
        by_kind["r"],
        by_kind["b"],
        student_size[1] + student_size[2],
    )


def run(board, built, rows, *, counts=True):
    """Run a program on the emulated board.

    Parameters
    ----------
    board : Board
    built : Built
    rows : ndarray of uint8 or float32 of shape (n_rows, n_features)
    counts : bool, default=True
        Whether instructions are counted, which is slower. AVR always counts.

    Returns
    -------
    words : ndarray of uint32 of shape (n_rows, n_classes)
        The bits of the logits.
    instructions : ndarray of shape (n_rows,)
        For AVR these are cycles.
    stack : int
        Bytes of the stack that were used.
    """
    folder, n_rows = built.file.parent, len(rows)
    limit = MOST_SECONDS * (1 + n_rows)
    if board.is_avr:
        command = ["simavr", "-m", board.machine, "-f", "16000000", built.file.name]
        text = _run(command, folder, timeout=limit, both=True)
        sent = list(_hexadecimal(text))
        table = np.array(sent[:-1], np.uint32).reshape(n_rows, -1)
        return table[:, 1:], table[:, 0].astype(float), sent[-1]
    (folder / "rows.bin").write_bytes(np.ascontiguousarray(rows).tobytes())
    command = ["qemu-system-arm", "-M", board.machine, "-nographic", "-monitor", "none"]
    command += ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    command += ["-icount", "shift=0"] if counts else []
    _run([*command, "-kernel", built.file.name], folder, timeout=limit)
    words = np.frombuffer((folder / "logits.bin").read_bytes(), np.uint32)
    found = np.frombuffer((folder / "counts.bin").read_bytes(), np.uint32)
    ticks = found[:-1] * board.instructions_per_tick
    return words.reshape(n_rows, -1), ticks, int(found[-1])


def _number(number):
    return f"{number!r}f" if isinstance(number, float) else str(int(number))


def _hexadecimal(text):
    """Yield the numbers that a board has sent, one in each line."""
    for line in text.split("\n"):
        # simavr adds colours, and a dot for the end of a line.
        word = "".join(
            c for c in line.replace("\x1b[32m", "").replace("\x1b[0m", "") if c != "."
        )
        if len(word.strip()) == 8 and set(word.strip()) <= set("0123456789abcdef"):
            yield int(word.strip(), 16)


def _sections(command, folder):
    """Return the bytes of code, of data and of zeros."""
    return [int(word) for word in _run(command, folder).split("\n")[1].split()[:3]]


def _run(command, folder, timeout=600, both=False):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command))} failed:\n{done.stderr[-4000:]}\n{done.stdout[-2000:]}"
        )
    return done.stdout + done.stderr if both else done.stdout
