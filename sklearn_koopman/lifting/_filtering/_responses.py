"""Responses of filters at all places of an image or series, pooled on a grid."""

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import gen_batches

try:
    from . import _pooling  # type: ignore[attr-defined]
except ImportError:  # the kernel has not been compiled
    _pooling = None

# Number of responses that are computed at once without the kernel. A quarter of it is as fast;
# fewer take too many calls of numpy.
BLOCK_RESPONSES = 2**20

NONLINEARITIES = ("threshold", "proportion", "intensity", "magnitude")
TWO_SIDED = ("threshold", "proportion")


@dataclass(frozen=True)
class Places:
    """Places of filters on the rows, and the cells that these places belong to.

    A series is an image that is one pixel high.

    Attributes
    ----------
    image : tuple of int
        Channels, height and width of a row.
    kernel, stride, grid : tuple of int
        Height and width of the filters, of their steps, and of the grid in cells.
    dilation : tuple of int
        Distance from one number that a filter sees to the next.
    padding : tuple of int
        Number of lines of zeros above and below, and of columns left and right.
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    grid: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @cached_property
    def reach(self):
        """Height and width of the area that a filter covers, between its outermost numbers."""
        pairs = zip(self.kernel, self.dilation, strict=True)
        return tuple((kernel - 1) * dilation + 1 for kernel, dilation in pairs)

    @cached_property
    def padded(self):
        """Channels, height and width of a row with the zeros around it."""
        sizes = zip(self.image[1:], self.padding, strict=True)
        return (self.image[0], *(size + 2 * padding for size, padding in sizes))

    @cached_property
    def shape(self):
        """Number of places, down and across."""
        sizes = zip(self.padded[1:], self.reach, self.stride, strict=True)
        return tuple((size - reach) // step + 1 for size, reach, step in sizes)

    @cached_property
    def n_places(self):
        """Number of places."""
        return int(np.prod(self.shape))

    @cached_property
    def n_cells(self):
        """Number of cells."""
        return int(np.prod(self.grid))

    @cached_property
    def patch_size(self):
        """Number of values that a filter sees at a place."""
        return self.image[0] * int(np.prod(self.kernel))

    @cached_property
    def edges(self):
        """Positions where cells begin, and where the last one ends, down and across.

        Sizes of cells differ by at most one.
        """
        return tuple(
            np.array([i * n // n_cells for i in range(n_cells + 1)], np.intp)
            for n, n_cells in zip(self.shape, self.grid, strict=True)
        )

    @property
    def cell_numbers(self):
        """The cell of each line of places, and of each column."""
        return tuple(np.repeat(np.arange(len(e) - 1), np.diff(e)) for e in self.edges)

    @property
    def cells(self):
        """Slices of the places of each cell, down and across."""
        return [[slice(*ends) for ends in pairwise(edges)] for edges in self.edges]

    @cached_property
    def cell_weights(self):
        """Factors that turn the sum over a cell into its mean, down and across."""
        down, across = (1 / np.diff(edges) for edges in self.edges)
        return np.outer(down, across)

    def outlines(self):
        """Return where cells begin, and where the last one ends, in pixels, down and across.

        A place is in the middle of the area that its filter sees. The border is between two places.
        """
        axes = zip(self.edges, self.reach, self.stride, self.padding, strict=True)
        return [edges * step + (reach - step) / 2 - zeros for edges, reach, step, zeros in axes]

    def steps(self, axis):
        """Return the positions on an image of each number of a filter, down or across."""
        n_places, step = self.shape[axis], self.stride[axis]
        last = (n_places - 1) * step + 1
        starts = range(0, self.reach[axis], self.dilation[axis])
        return [slice(i, i + last, step) for i in starts]

    def columns(self, places):
        """Return the indices of a padded row's numbers in the patches at some places.

        Parameters
        ----------
        places : ndarray of int of shape (n,)
            Places, numbered line by line.

        Returns
        -------
        columns : ndarray of int of shape (n, patch_size)
        """
        channel, y, x = np.ogrid[tuple(map(slice, (self.image[0], *self.kernel)))]
        down, across = np.divmod(places, self.shape[1])
        y = y * self.dilation[0] + (down * self.stride[0])[:, None, None, None]
        x = x * self.dilation[1] + (across * self.stride[1])[:, None, None, None]
        columns = (channel * self.padded[1] + y) * self.padded[2] + x
        return columns.reshape(len(places), -1)

    def sources(self):
        """Return the index in the row of each number of the padded row, or -1 for zeros."""
        numbers = np.arange(np.prod(self.image)).reshape(self.image)
        down, across = self.padding
        around = [(0, 0), (down, down), (across, across)]
        return np.pad(numbers, around, constant_values=-1).ravel()

    def pooling_matrices(self):
        """Return matrices that turn values at places, down and across, into means of cells.

        Returns
        -------
        down, across : ndarray of shape (n_cells, n_places)
        """
        matrices = []
        for n, cells in zip(self.shape, self.cells, strict=True):
            matrix = np.zeros((len(cells), n))
            for weights, places in zip(matrix, cells, strict=True):
                weights[places] = 1 / (places.stop - places.start)
            matrices.append(matrix)
        return matrices


@dataclass(frozen=True)
class Responses:
    """Pooled functions of the responses of filters.

    Attributes
    ----------
    places : Places
    filters : ndarray of shape (n_filters, channels, height, width)
    offsets : ndarray of shape (n_filters,)
    contrast : float or None
        Number that is added to the variance of a patch before the patch is divided by the root.
        None: patches are not divided.
    is_centred : bool
        Whether a constant that is added to a row does not change the responses.
    nonlinearity : {"threshold", "proportion", "intensity", "magnitude"}
    threshold : float
    root : bool
        Whether to take the root of each mean.
    """

    places: Places
    filters: np.ndarray
    offsets: np.ndarray
    contrast: float | None
    is_centred: bool
    nonlinearity: str
    threshold: float
    root: bool

    @property
    def n_signs(self):
        """Number of observables of a filter in a cell."""
        return signs_of(self.nonlinearity)

    def mean_filter(self):
        """Return the filter whose response is the mean of a patch, in the shape of `filters`."""
        return np.full((1, *self.filters.shape[1:]), 1 / self.places.patch_size)

    def write(self, X, out):
        """Write the observables of rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        out : ndarray of shape (n_samples, n_filters * n_signs * n_cells)
            Array in the dtype of X. The observables of a filter follow each other.
        """
        if _pooling is None:
            self._write_with_numpy(X, out)
        else:
            self._write_with_kernel(X, out)

    def _write_with_kernel(self, X, out):
        """Write the observables of rows. Patches and responses are not stored."""
        places, n_filters = self.places, len(self.filters)
        weights = self._weights(X.dtype)
        n_more = -n_filters % (_pooling.LINE_BYTES // X.itemsize)
        weights = np.ascontiguousarray(np.pad(weights, ((0, 0), (0, n_more))))
        width = places.padded[2]
        if any(places.padding):
            around = [(0, 0), (0, 0), *((n, n) for n in places.padding)]
            X = np.pad(X.reshape(-1, *places.image), around).reshape(len(X), -1)
        _pooling.lift(
            np.ascontiguousarray(X),
            weights[:-1],
            weights[-1],
            n_filters,
            (places.stride[0] * width, places.stride[1]),
            places.columns(np.zeros(1, np.intp))[0],
            *places.cell_numbers,
            places.cell_weights,
            -1.0 if self.contrast is None else self.contrast,
            2 * self.threshold,
            self.nonlinearity,
            self.is_centred,
            self.root,
            out,
        )

    def _write_with_numpy(self, X, out):
        """Write the observables of rows. BLAS multiplies patches with filters."""
        n_filters, places = len(self.filters), self.places
        lines_of_cells, _ = places.cells
        n_places = max(np.diff(places.edges[0])) * places.shape[1]
        most = max(1, min(len(X), BLOCK_RESPONSES // (n_places * n_filters)))
        weights = self._weights(X.dtype)
        cell_weights = places.cell_weights[..., None, None].astype(X.dtype)
        # New memory for every block would cost more than the products.
        seen = np.empty(weights.shape[0] * places.n_places * most, X.dtype)
        found = np.empty(n_filters * n_places * most, X.dtype)
        means = np.empty((self.n_signs, *places.grid, most, n_filters), X.dtype)
        n_cells = self.n_signs * places.n_cells
        observables = out.reshape(len(X), n_filters, n_cells)
        for rows in gen_batches(len(X), most):
            n_rows = rows.stop - rows.start
            patches = _leading(seen, len(weights), *places.shape, n_rows)
            self._set_patches(patches, X[rows])
            for down, lines in enumerate(lines_of_cells):
                within = patches[:, lines]
                responses = _leading(found, *within.shape[1:], n_filters)
                np.matmul(
                    within.reshape(len(weights), -1).T,
                    weights,
                    out=responses.reshape(-1, n_filters),
                )
                for sign, sums in enumerate(self._pooled(responses)):
                    means[sign, down, :, :n_rows] = sums
            means *= cell_weights
            # (sign, down, across, row, filter) -> (row, filter, sign, down, across), as three axes:
            # numpy copies five of them several times slower.
            by_cell = means[:, :, :, :n_rows].reshape(n_cells, n_rows, n_filters)
            observables[rows] = by_cell.transpose(1, 2, 0)
        if self.root:
            np.sqrt(out, out=out)

    def patches(self, X):
        """Return the patches of rows as filters see them, (n_samples, n_places, size)."""
        places = self.places
        patches = np.empty((places.patch_size + 1, *places.shape, len(X)), X.dtype)
        self._set_patches(patches, X)
        return patches[:-1].reshape(places.patch_size, -1, len(X)).transpose(2, 1, 0)

    def _weights(self, dtype):
        """Return the filters as columns, and the offsets of the responses in a last row."""
        offsets = self.offsets
        if self.nonlinearity in TWO_SIDED:
            offsets = offsets - self.threshold
        weights = np.vstack([self.filters.reshape(len(self.filters), -1).T, offsets])
        return weights.astype(dtype, copy=False)

    def _set_patches(self, patches, X):
        """Write the numbers that filters see, and a one, along the first axis, then the places.

        Rows are the last axis, so that whole runs of numbers are copied.
        """
        places = self.places
        images = np.ascontiguousarray(X.T).reshape(*places.image, len(X))
        if any(places.padding):
            down, across = places.padding
            images = np.pad(images, [(0, 0), (down, down), (across, across), (0, 0)])
        if (
            self.is_centred
        ):  # otherwise the variance would be a small difference of large numbers
            images = images - images.mean(axis=(0, 1, 2))
        patches[-1] = 1
        windows = sliding_window_view(images, places.reach, axis=(1, 2))
        windows = windows[..., :: places.dilation[0], :: places.dilation[1]]
        down, across = places.stride
        np.copyto(
            patches[:-1].reshape(places.image[0], *places.kernel, *places.shape, len(X)),
            windows[:, ::down, ::across].transpose(0, 4, 5, 1, 2, 3),
        )
        if self.contrast is not None:
            patches[:-1] *= 1 / self._spread(images)

    def _spread(self, images):
        """Return the root of the variance of each patch and the number that is added to it."""
        moments = np.stack([images.sum(axis=0), np.square(images).sum(axis=0)])
        for axis in (0, 1):
            index = (slice(None),) * (1 + axis)
            moments = reduce(np.add, (moments[(*index, at)] for at in self.places.steps(axis)))
        moments /= self.places.patch_size
        mean, variance = moments
        variance -= mean * mean
        np.maximum(variance, 0, out=variance)  # rounding must not make it negative
        variance += images.dtype.type(self.contrast)
        return np.sqrt(variance, out=variance)

    def _pooled(self, responses):
        """Yield sums over the cells of some lines, for each sign.

        The responses are overwritten.
        """
        if self.nonlinearity == "intensity":
            yield self._summed(np.square(responses, out=responses))
        elif self.nonlinearity == "magnitude":
            yield self._summed(np.abs(responses, out=responses))
        elif self.nonlinearity == "proportion":
            # The threshold is already subtracted from the responses.
            lowest = responses.dtype.type(-2 * self.threshold)
            yield self._summed((responses > 0).astype(responses.dtype))
            yield self._summed((responses < lowest).astype(responses.dtype))
        else:
            # The threshold is already subtracted from the responses.
            yield self._summed(np.maximum(responses, 0))
            np.subtract(responses.dtype.type(-2 * self.threshold), responses, out=responses)
            yield self._summed(np.maximum(responses, 0, out=responses))

    def _summed(self, values):
        """Return the sum over the lines and the columns of each cell."""
        sums = np.add.reduce(values, axis=0)
        _, columns_of_cells = self.places.cells
        return np.stack([np.add.reduce(sums[columns]) for columns in columns_of_cells])

    def add_to_graph(self, nodes, rows):
        """Add the observables to an ONNX graph, see `SupportsOnnx`."""
        n_filters, n_features = len(self.filters), int(np.prod(self.places.padded))
        if any(self.places.padding):
            rows = self._add_zeros(nodes, rows)
        if self.is_centred:
            total = nodes.add("ReduceSum", rows, np.array([1]), keepdims=1)
            mean = nodes.add("Mul", total, _number(nodes, 1 / n_features))
            rows = nodes.add("Sub", rows, mean)
        responses = self._add_convolution(nodes, rows, self.filters)
        if self.contrast is not None:
            responses = nodes.add("Div", responses, self._add_spread(nodes, rows))
        offsets = nodes.constant(self.offsets[:, None, None])
        responses = nodes.add("Add", responses, offsets)
        if self.nonlinearity in TWO_SIDED:
            sides = nodes.add("Concat", responses, nodes.add("Neg", responses), axis=1)
            above = nodes.add("Relu", nodes.add("Sub", sides, _number(nodes, self.threshold)))
            values = above if self.nonlinearity == "threshold" else nodes.add("Sign", above)
        elif self.nonlinearity == "intensity":
            values = nodes.add("Mul", responses, responses)
        else:
            values = nodes.add("Abs", responses)
        down, across = (nodes.constant(each) for each in self.places.pooling_matrices())
        means = nodes.add("MatMul", down, nodes.add("MatMul", values, across.T))
        if self.root:
            means = nodes.add("Sqrt", means)
        n_cells = self.places.n_cells
        means = nodes.add("Reshape", means, np.array([-1, self.n_signs, n_filters, n_cells]))
        means = nodes.add("Transpose", means, perm=[0, 2, 1, 3])
        return nodes.add("Reshape", means, np.array([-1, n_filters * self.n_signs * n_cells]))

    def add_to_program(self, program, rows):
        """Add the observables to a program, see `SupportsC`."""
        return program.pooled(rows, self)

    def _add_zeros(self, nodes, rows):
        """Add the rows with zeros around them to an ONNX graph."""
        images = nodes.add("Reshape", rows, np.array([-1, *self.places.image]))
        before = [0, 0, *self.places.padding]
        images = nodes.add("Pad", images, np.array(2 * before))
        return nodes.add("Reshape", images, np.array([-1, np.prod(self.places.padded)]))

    def _add_convolution(self, nodes, rows, filters):
        """Add (n_samples, n_filters, down, across) responses to an ONNX graph."""
        places = self.places
        if nodes.constant(0.0).dtype == np.float32:
            images = nodes.add("Reshape", rows, np.array([-1, *places.padded]))
            return nodes.add(
                "Conv",
                images,
                nodes.constant(filters),
                strides=[*places.stride],
                dilations=[*places.dilation],
            )
        # onnxruntime has no convolution in float64.
        patches = nodes.add("Gather", rows, places.columns(np.arange(places.n_places)), axis=1)
        weights = nodes.constant(filters.reshape(len(filters), -1).T)
        products = nodes.add("MatMul", patches, weights)
        responses = nodes.add("Transpose", products, perm=[0, 2, 1])
        return nodes.add("Reshape", responses, np.array([-1, len(filters), *places.shape]))

    def _add_spread(self, nodes, rows):
        """Add the results of `_spread` to an ONNX graph."""
        mean_filter = self.mean_filter()
        squares = self._add_convolution(nodes, nodes.add("Mul", rows, rows), mean_filter)
        mean = self._add_convolution(nodes, rows, mean_filter)
        variance = nodes.add("Relu", nodes.add("Sub", squares, nodes.add("Mul", mean, mean)))
        return nodes.add("Sqrt", nodes.add("Add", variance, _number(nodes, self.contrast)))


def _number(nodes, value):
    return nodes.constant([value])


def signs_of(nonlinearity):
    """Return the number of observables of a filter in a cell."""
    return 2 if nonlinearity in TWO_SIDED else 1


def _leading(numbers, *shape):
    """Return the first of some numbers in this shape."""
    return numbers[: np.prod(shape)].reshape(shape)
