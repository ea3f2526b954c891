"""The C of a program: tables, functions, buffers, and their sizes in bytes."""

from textwrap import dedent, indent

import numpy as np

SIZES = {
    "uint8_t": 1,
    "int8_t": 1,
    "uint16_t": 2,
    "int16_t": 2,
    "uint32_t": 4,
    "int32_t": 4,
    "float": 4,
}
# On AVR, flash and memory are read by different instructions.
FLASH = """
/* Tables stay in flash: on AVR they are read by other instructions. */
#ifdef __AVR__
#include <avr/pgmspace.h>
#define TABLE PROGMEM
#define READ_1(at) pgm_read_byte(at)
#define READ_2(at) pgm_read_word(at)
#define READ_4(at) pgm_read_dword(at)
#define READ_F(at) pgm_read_float(at)
#else
#define TABLE
#define READ_1(at) (*(at))
#define READ_2(at) (*(at))
#define READ_4(at) (*(at))
#define READ_F(at) (*(at))
#endif
"""
HELPERS = {
    "weight": """
        /* A number of some bits of a packed table. */
        static int32_t weight(const uint8_t *table, uint32_t bit, uint8_t bits)
        {
            const uint8_t *at = table + (bit >> 3);
            uint16_t two = (uint16_t)(READ_1(at) | (uint16_t)READ_1(at + 1) << 8);

            two = (uint16_t)(two >> (bit & 7)) & (uint16_t)((1u << bits) - 1u);
            return (int32_t)two - (int32_t)((1u << (bits - 1)) - 1u);
        }
        """,
    "rescaled": """
        /* A sum in other units, rounded to the nearest. */
        static int64_t rescaled(int32_t sum, int32_t multiplier, uint8_t shift)
        {
            int64_t half = shift > 0 ? (int64_t)1 << (shift - 1) : 0;

            return ((int64_t)sum * multiplier + half) >> shift;
        }
        """,
    "limited": """
        static int16_t limited(int64_t x, int16_t top)
        {
            return (int16_t)(x > top ? top : x < -top ? -top : x);
        }
        """,
    "root": """
        /* The integer part of a root. */
        static uint16_t root(uint32_t x)
        {
            uint32_t found = 0, bit = (uint32_t)1 << 30;

            while (bit > x)
                bit >>= 2;
            while (bit != 0) {
                if (x >= found + bit) {
                    x -= found + bit;
                    found = (found >> 1) + bit;
                } else {
                    found >>= 1;
                }
                bit >>= 2;
            }
            return (uint16_t)found;
        }
        """,
}
NUMBERS_A_LINE = 16


class Writer:
    """The parts of a program that are written so far.

    Attributes
    ----------
    table_bytes, buffer_bytes : int
    """

    def __init__(self):
        self.table_bytes = self.buffer_bytes = 0
        self.needs_math = False
        self.tables, self.functions, self.buffers = [], [], []
        self.table_names, self._helpers = [], []
        self._free = []

    def table(self, name, numbers, ctype=None):
        """Add a table; return a function from the text of an index to that of its number."""
        numbers = np.ravel(numbers)
        ctype = ctype or smallest_type(numbers)
        texts = [_literal(number, ctype) for number in numbers]
        lines = [
            ", ".join(texts[at : at + NUMBERS_A_LINE])
            for at in range(0, len(texts), NUMBERS_A_LINE)
        ]
        body = ",\n    ".join(lines)
        self.tables.append(
            f"static const {ctype} {name}[{len(texts)}] TABLE = {{\n    {body}\n}};"
        )
        self.table_names.append(name)
        self.table_bytes += SIZES[ctype] * len(texts)
        read = "F" if ctype == "float" else SIZES[ctype]
        return lambda index: f"({ctype})READ_{read}(&{name}[{index}])"

    def constant_or_table(self, name, numbers, ctype=None):
        """Add a table, or nothing if all numbers are the same one."""
        numbers = np.ravel(numbers)
        if (numbers == numbers[0]).all():
            ctype = ctype or smallest_type(numbers)
            literal = _literal(numbers[0], ctype)
            return lambda index: literal
        return self.table(name, numbers, ctype)

    def helper(self, *names):
        """Add functions that several steps use."""
        for name in names:
            if name not in self._helpers:
                self._helpers.append(name)

    def function(self, head, body, comment=None):
        """Add a function."""
        text = f"static void {head}\n{{\n{indent(dedent(body).strip(), '    ')}\n}}"
        self.functions.append(f"/* {comment} */\n{text}" if comment else text)

    def static(self, ctype, name, size):
        """Return the declaration of a static array, which is counted."""
        self.buffer_bytes += SIZES[ctype] * size
        return f"static {ctype} {name}[{size}];"

    def buffer(self, ctype, size):
        """Return a buffer for so many numbers: a free one if there is one."""
        free = [each for each in self._free if each.ctype == ctype]
        if free:
            # The smallest that is large enough, or else the largest.
            found = min(free, key=lambda each: (each.size < size, abs(each.size - size)))
            self._free.remove(found)
            found.size = max(found.size, size)
        else:
            found = Buffer(f"buffer_{len(self.buffers)}", ctype, size)
            self.buffers.append(found)
        return found

    def release(self, buffer):
        """Let others use a buffer."""
        self._free.append(buffer)

    def declared_buffers(self):
        """Return the declarations of all buffers, which are counted."""
        return [self.static(each.ctype, each.name, each.size) for each in self.buffers]

    def helpers(self):
        """Return the functions that steps use."""
        return [dedent(HELPERS[name]).strip() for name in HELPERS if name in self._helpers]


class Buffer:
    """Numbers that one step writes and others read."""

    def __init__(self, name, ctype, size):
        self.name, self.ctype, self.size = name, ctype, size


def smallest_type(numbers):
    """Return the smallest type of C that holds some integers, signed or not."""
    low, high = int(np.min(numbers)), int(np.max(numbers))
    for bits in (8, 16, 32):
        # In C a product of signed and unsigned numbers of 32 bits is unsigned.
        if bits < 32 and low >= 0 and high < 2**bits:
            return f"uint{bits}_t"
        if low >= -(2 ** (bits - 1)) and high < 2 ** (bits - 1):
            return f"int{bits}_t"
    raise ValueError(f"Numbers from {low} to {high} do not fit into 32 bits.")


def _literal(number, ctype):
    if ctype == "float":
        text = np.format_float_scientific(np.float32(number), unique=True, trim="0")
        return f"{text}f"
    number = int(number)
    if ctype == "int32_t" and number == -(2**31):
        return "(-2147483647 - 1)"
    suffix = {"uint32_t": "u", "int32_t": ""}.get(ctype, "")
    wide = "l" if ctype in ("int32_t", "uint32_t") else ""
    return f"{number}{suffix}{wide}"
