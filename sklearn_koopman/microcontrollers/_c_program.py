"""The two C files of a program: the order of steps, and the buffers that they read."""

from dataclasses import dataclass
from textwrap import indent

import numpy as np

from ._c_fixed import write_fixed
from ._c_float import write_float
from ._emitting import Sink
from ._fixed import Bytes, Fixed, FixedAffine, FixedBeside, FixedProducts, Renamed
from ._fixed_pooled import FixedPooled
from ._program import Affine, Beside, Input, Pooled, Products
from ._writer import FLASH, Writer

_AFFINE = (Affine, FixedAffine)
_BESIDE = (Beside, FixedBeside)
# Steps whose numbers can be computed and used one by one.
_STREAMS = (Pooled, Products, FixedPooled, FixedProducts)


@dataclass(frozen=True)
class Files:
    """The C of a program, and its size.

    Attributes
    ----------
    header, source : str
    tables : int
        Bytes of tables.
    buffers : int
        Bytes of buffers, without the row and the stack.
    table_names : tuple of str
    """

    header: str
    source: str
    tables: int
    buffers: int
    table_names: tuple[str, ...]


def write_program(steps, name, classes, *, byte_range=None, softmax=False):
    """Return the C of a program.

    Parameters
    ----------
    steps : list of Step, or of Fixed
        In order: the input first, the logits last.
    name : str
        The name of the files, and the beginning of the names in them.
    classes : sequence
        Names of the classes, for comments.
    byte_range : tuple of float, default=None
        What the bytes 0 and 255 stand for. None: rows are floats.
    softmax : bool, default=False
        Whether there is a function for probabilities too.
    """
    return _Program(steps, name, classes, byte_range, softmax).files()


class _Program:
    def __init__(self, steps, name, classes, byte_range, softmax):
        self.steps, self.name, self.classes = steps, name, [str(each) for each in classes]
        self.byte_range, self.softmax = byte_range, softmax
        self.is_fixed = isinstance(steps[0], Fixed)
        self.number = "int16_t" if self.is_fixed else "float"
        self.sum = "int32_t" if self.is_fixed else "float"
        self.row = "float" if byte_range is None else "uint8_t"
        self.writer = Writer()
        self.calls = []
        self.name_of = {step: f"step_{i}" for i, step in enumerate(steps)}
        self.readers: dict = {step: [] for step in steps}
        for step in steps:
            for source in step.sources:
                self.readers[source].append(step)
        self.places = {}  # of a step: (buffer or None, text, C type)
        self.pending = {}  # of a buffer: steps that still read it

    def files(self):
        """Return the files."""
        n = len(self.classes)
        for number, step in enumerate(self.steps):
            if step not in self.places:
                self._write(step)
            self._release(number)
        buffers = self.writer.declared_buffers()
        last = self.steps[-1]
        text, _ = self.places[last][1:]
        source = self._source(buffers, text, n)
        header = self._header(n, last)
        writer = self.writer
        return Files(
            header, source, writer.table_bytes, writer.buffer_bytes, tuple(writer.table_names)
        )

    def _function(self):
        return write_fixed if self.is_fixed else write_float

    def _write(self, step):
        """Write a step, and remember where its numbers are."""
        name = self.name_of[step]
        if isinstance(step, (Bytes, Input)):
            self._write_input(step, name)
        elif isinstance(step, Renamed):
            self.places[step] = self.places[step.sources[0]]
        elif isinstance(step, _AFFINE):
            self._write_affine(step, name)
        elif isinstance(step, _BESIDE):
            self._write_beside(step)
        elif not step.sources:  # rows that are encoded
            buffer = self._new_buffer(self.number, step.size)
            self._function()(step, self.writer, name, Sink(self.number), ["float"])
            self.calls.append(f"{name}(row, {buffer.name});")
            self.places[step] = buffer, buffer.name, self.number
        elif self._streams_into(step) is None:
            self._write_vector(step, name)

    def _write_input(self, step, name):
        self.places[step] = None, "row", self.row
        if self.row == "uint8_t" and not self.is_fixed:
            # First of all, bytes become real numbers.
            low, high = self.byte_range
            buffer = self._new_buffer("float", step.size)
            factor, offset = (np.float32(each) for each in ((high - low) / 255, low))
            self.calls.append(
                f"for (uint16_t i = 0; i < {step.size}; i++)\n"
                f"    {buffer.name}[i] = (float)row[i] * {factor:.9e}f + {offset:.9e}f;"
            )
            self.places[step] = buffer, buffer.name, "float"

    def _write_vector(self, step, name):
        buffer = self._new_buffer(self.number, step.size)
        sources = [self.places[source] for source in step.sources]
        ctypes = [ctype for _, _, ctype in sources]
        self._function()(step, self.writer, name, Sink(self.number), ctypes)
        texts = ", ".join(text for _, text, _ in sources)
        self.calls.append(f"{name}({texts}, {buffer.name});")
        self.places[step] = buffer, buffer.name, self.number

    def _streams_into(self, step):
        """Return the matrix that can use the numbers of a step one by one, or None.

        It must be the only step that reads them.
        """
        if not isinstance(step, _STREAMS):
            return None
        readers = self.readers[step]
        while len(readers) == 1 and isinstance(readers[0], Renamed):
            readers = self.readers[readers[0]]
        is_one = len(readers) == 1 and isinstance(readers[0], _AFFINE)
        return readers[0] if is_one else None

    def _write_affine(self, step, name):
        is_last = step is self.steps[-1]
        sums = self._new_buffer(self.sum, step.size)
        out_type = self.sum if is_last else self.number
        in_place = is_last or not self.is_fixed
        out = sums if in_place else self._new_buffer(self.number, step.size)
        self._function()(step, self.writer, name, Sink(out_type), [])
        self.calls.append(f"{name}_start({sums.name});")
        source = step.sources[0]
        while isinstance(source, Renamed):
            source = source.sources[0]
        if self._streams_into(source) is step:
            inputs = [self.places[each] for each in source.sources]
            stream = self.name_of[source]
            ctypes = [ctype for _, _, ctype in inputs]
            self._function()(source, self.writer, stream, Sink(self.sum, name), ctypes)
            texts = ", ".join(text for _, text, _ in inputs)
            self.calls.append(f"{stream}({texts}, {sums.name});")
        else:
            text = self.places[source][1]
            self.calls.append(
                f"for (uint16_t i = 0; i < {source.size}; i++)\n"
                f"    {name}_add(i, {text}[i], {sums.name});"
            )
        if self.is_fixed:
            self.calls.append(f"{name}_finish({sums.name}, {out.name});")
        if out is not sums:
            self.writer.release(sums)
        self.places[step] = out, out.name, out_type

    def _write_beside(self, step):
        buffer = self._new_buffer(self.number, step.size)
        at = 0
        for source in step.sources:
            text = self.places[source][1]
            self.calls.append(
                f"for (uint16_t i = 0; i < {source.size}; i++)\n"
                f"    {buffer.name}[{at} + i] = {text}[i];"
            )
            at += source.size
        self.places[step] = buffer, buffer.name, self.number

    def _new_buffer(self, ctype, size):
        return self.writer.buffer(ctype, size)

    def _release(self, number):
        """Free the buffers that no later step reads."""
        later = set(self.steps[number + 1 :])
        held = {self.places[self.steps[-1]][0]} if self.steps[-1] in self.places else set()
        for step in self.steps[: number + 1]:
            if step in self.places and self._is_read_by(step, later):
                held.add(self.places[step][0])
        for step in self.steps[: number + 1]:
            buffer = self.places.get(step, (None,))[0]
            if buffer is not None and buffer not in held and buffer not in self.writer._free:
                self.writer.release(buffer)

    def _is_read_by(self, step, later):
        """Whether a later step reads one; the matrix reads the sources of a streamed step."""
        return any(
            reader in later or (reader not in self.places and self._is_read_by(reader, later))
            for reader in self.readers[step]
        )

    def _source(self, buffers, logits, n_classes):
        name, writer = self.name, self.writer
        is_regular = self.softmax or writer.needs_math
        parts = [
            f"/* {name}.c: see {name}.h. */",
            "\n".join([f'#include "{name}.h"', *(["#include <math.h>"] if is_regular else [])]),
            FLASH.strip(),
        ]
        if self.is_fixed:
            parts.append(
                "/* Numbers below zero are shifted as all compilers for such parts do it. */\n"
                f"typedef char {name}_shifts[(-1 >> 1) == -1 ? 1 : -1];"
            )
        parts += [*writer.tables, *writer.helpers(), *writer.functions]
        calls = indent("\n".join([*buffers, "", *self.calls]), "    ")
        copy = (
            f"    for (uint16_t i = 0; i < {n_classes}; i++)\n        logits[i] = {logits}[i];"
        )
        head = f"void {name}_logits(const {self.row} *row, {self.sum} *logits)"
        parts.append(f"{head}\n{{\n{calls}\n{copy}\n}}")
        parts.append(
            f"int {name}_predict(const {self.row} *row)\n{{\n"
            f"    {self.sum} logits[{n_classes}];\n"
            "    int best = 0;\n\n"
            f"    {name}_logits(row, logits);\n"
            f"    for (int i = 1; i < {n_classes}; i++)\n"
            "        if (logits[i] > logits[best])\n"
            "            best = i;\n"
            "    return best;\n}"
        )
        if self.softmax:
            parts.append(self._softmax(n_classes))
        return "\n\n".join(parts) + "\n"

    def _softmax(self, n_classes):
        name = self.name
        scale = f"{name.upper()}_LOGIT_UNIT * (float)" if self.is_fixed else ""
        return (
            f"void {name}_probabilities(const {self.row} *row, float *probabilities)\n{{\n"
            f"    {self.sum} logits[{n_classes}], most;\n"
            "    float sum = 0.0f;\n\n"
            f"    {name}_logits(row, logits);\n"
            "    most = logits[0];\n"
            f"    for (int i = 1; i < {n_classes}; i++)\n"
            "        if (logits[i] > most)\n"
            "            most = logits[i];\n"
            f"    for (int i = 0; i < {n_classes}; i++) {{\n"
            f"        probabilities[i] = expf({scale}(logits[i] - most));\n"
            "        sum += probabilities[i];\n"
            "    }\n"
            f"    for (int i = 0; i < {n_classes}; i++)\n"
            "        probabilities[i] /= sum;\n}"
        )

    def _header(self, n_classes, last):
        name, upper = self.name, self.name.upper()
        writer = self.writer
        n_features = self.steps[0].size
        row = f"A row of {n_features} floats"
        if self.row == "uint8_t":
            low, high = self.byte_range
            row = f"A row of {n_features} bytes; 0 stands for {low:g}, 255 for {high:g}"
        kind = "integers" if self.is_fixed else "float"
        note = ""
        if self.is_fixed and self.row == "float":
            # A fused multiplication and addition would round the row differently.
            note = (
                "\n   Compile with -std=c99 or -ffp-contract=off: then integers are those of the "
                "twin in\n   Python, to the last bit.\n"
            )
        classes = "; ".join(
            f"{i}: {label}".replace("*/", "* /") for i, label in enumerate(self.classes)
        )
        unit = ""
        if self.is_fixed:
            unit = (
                f"\n/* One step of a logit. */\n#define {upper}_LOGIT_UNIT "
                f"{np.float32(last.scale[0]):.9e}f\n"
            )
        probabilities = ""
        if self.softmax:
            probabilities = (
                "\n/* Writes the probabilities of the classes. */\n"
                f"void {name}_probabilities(const {self.row} *row, float *probabilities);\n"
            )
        return f"""\
/* {name}.h: a student of sklearn_koopman, in {kind}.

   Tables: {writer.table_bytes} bytes of flash. Buffers: {writer.buffer_bytes} bytes of memory,
   static: the functions must not be called by two threads at once.
{note}
   Classes: {classes}. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#define {upper}_N_FEATURES {n_features}
#define {upper}_N_CLASSES {n_classes}
{unit}
/* {row}. Returns the number of the class. */
int {name}_predict(const {self.row} *row);

/* Writes the logits of the classes. */
void {name}_logits(const {self.row} *row, {self.sum} *logits);
{probabilities}
#endif
"""
