"""Who is handed rows, and in which form: the interface between blocks of rows and what sums them.

A plain function is handed blocks of lifted rows, arrays (n_rows, n_observables) in memory, and so
is the ``update`` of a plain total. Other forms go to those who declare that they take them:

========== ======================================== ===============================================
form       what it is                               who gets it
========== ======================================== ===============================================
tiles      array (n_tiles, n_tile_rows,             a `BlockFunction` that ``takes_tiles``, in a
           n_observables)                           sum over rows that are kept in tiles
factors    `Factors`: rows that are not lifted      a `BlockFunction` or `Total` that
                                                    ``takes_factors``, where observables are
                                                    products and there is the kernel
sparse     compressed sparse rows (CSR)             a `BlockFunction` or `Total` that
                                                    ``takes_sparse``, where rows are kept so
tensors    blocks on a torch device                 a `DeviceFunction`, in a sum over rows there
========== ======================================== ===============================================
"""

from abc import ABC, abstractmethod


class Consumer:
    """What `BlockFunction` and `Total` have in common: the forms of rows that they take."""

    @property
    def takes_tiles(self) -> bool:
        """Whether it takes rows in tiles, as they are kept, from a sum."""
        return False

    @property
    def takes_factors(self) -> bool:
        """Whether it takes `Factors` where the observables are products."""
        return False

    @property
    def takes_sparse(self) -> bool:
        """Whether it takes rows as CSR where they are wide and sparse."""
        return False

    @property
    def block_rows(self) -> int | None:
        """Rows of a block that it likes best; None leaves that to the blocks."""
        return None


class BlockFunction(Consumer, ABC):
    """A function of blocks of rows that takes them in other forms than plain functions do."""

    @abstractmethod
    def __call__(self, psi, *aligned):
        """Return what a plain function would return of the block."""


class DeviceFunction(BlockFunction):
    """A function that can be summed over rows on a torch device."""

    @abstractmethod
    def on_device(self, place):
        """Return the same function of tensors.

        Parameters
        ----------
        place : callable
            Maps an array to its tensor on the device.

        Returns
        -------
        function : callable
            Takes a block, the rows of the aligned arrays that belong to it, and what it has to
            fill, if there is something: all are tensors there, and so is what it returns.
        """


class Total(Consumer, ABC):
    """A total of rows that joins others of its kind, so that each thread or worker has its own."""

    @property
    @abstractmethod
    def is_small(self) -> bool:
        """Whether every thread may well have a total of its own."""

    @property
    @abstractmethod
    def blank(self):
        """What makes totals of the same kind that have seen no rows; it can be pickled."""

    @abstractmethod
    def merge(self, other):
        """Take in a total of other rows, which is left as it is; return self."""


class MadeRows(ABC):
    """An array aligned with rows that makes its rows when they are asked for."""

    @abstractmethod
    def __getitem__(self, rows):
        """Return some rows: a slice, or an array of indices."""

    @abstractmethod
    def part(self, rows):
        """Return an array of some of the rows, not made yet."""


_PLAIN = Consumer()
_DECLARED = (
    "takes_factors",
    "takes_tiles",
    "takes_sparse",
    "block_rows",
    "on_device",
    "is_small",
)


def consumer_of(given):
    """Return the consumer that a function or total is; plain ones take nothing but blocks.

    Raises TypeError for what has names of the interface without declaring it: it would be taken
    for a plain one without a word.
    """
    if isinstance(given, Consumer):
        return given
    undeclared = [name for name in _DECLARED if hasattr(given, name)]
    if undeclared:
        raise TypeError(
            f"{given!r} has {', '.join(undeclared)}, but does not declare what rows it takes: "
            "let its class inherit from sklearn_koopman.rows.BlockFunction, DeviceFunction or "
            "Total."
        )
    return _PLAIN
