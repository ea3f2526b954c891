"""Consumers of rows: the interface between blocks of rows and functions that sum over them.

A plain function gets blocks of lifted rows, which are arrays (n_rows, n_observables) in memory. So
does the ``update`` of a plain total. Consumers that declare it get other forms:

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
    """Base of `BlockFunction` and `Total`: the forms of rows that they take."""

    @property
    def takes_tiles(self) -> bool:
        """Whether it takes rows in the tiles in which they are kept."""
        return False

    @property
    def takes_factors(self) -> bool:
        """Whether it takes `Factors` if the observables are products."""
        return False

    @property
    def takes_sparse(self) -> bool:
        """Whether it takes rows as CSR if they are wide and sparse."""
        return False

    @property
    def block_rows(self) -> int | None:
        """Best number of rows in a block. None leaves it to the blocks."""
        return None


class BlockFunction(Consumer, ABC):
    """A function of blocks of rows that takes other forms than plain functions do."""

    @abstractmethod
    def __call__(self, psi, *aligned):
        """Return what a plain function would return for the block."""


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
            Function of a block, its rows of the aligned arrays, and the array to fill, if there is
            one. All arguments and results are tensors on the device.
        """


class Total(Consumer, ABC):
    """A total of rows that can be merged with others, so each thread or worker has its own."""

    @property
    @abstractmethod
    def is_small(self) -> bool:
        """Whether it is small enough for a total of its own in every thread."""

    @property
    @abstractmethod
    def blank(self):
        """A function that makes empty totals of the same kind. It can be pickled."""

    @abstractmethod
    def merge(self, other):
        """Add a total of other rows, which does not change. Return self."""


class MadeRows(ABC):
    """An array aligned with rows that makes its rows when they are read."""

    @abstractmethod
    def __getitem__(self, rows):
        """Return some rows: a slice, or an array of indices."""

    @abstractmethod
    def part(self, rows):
        """Return an array of some of the rows without making them yet."""


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
    """Return a function or total as a consumer. Plain ones take only blocks.

    Raises TypeError for an object with names of the interface that does not inherit from it: it
    would silently count as a plain one.
    """
    if isinstance(given, Consumer):
        return given
    undeclared = [name for name in _DECLARED if hasattr(given, name)]
    if undeclared:
        raise TypeError(
            f"{given!r} has {', '.join(undeclared)}, but does not declare which rows it takes: let "
            "its class inherit from sklearn_koopman.rows.BlockFunction, DeviceFunction or Total."
        )
    return _PLAIN
