"""Responses of filters at all places of an image or series, pooled on a grid."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import gen_batches

# Responses computed at once. Fewer of them take more calls of numpy: a quarter as many half as long
# again. More of them are not faster, and leave the cache.
BLOCK_RESPONSES = 2**20

NONLINEARITIES = ("threshold", "intensity", "magnitude")


@dataclass(frozen=True)
class Places:
    """Where filters are laid on the rows, and how these places are shared among cells.

    A series is an image that is one pixel high.

    Attributes
    ----------
    image : tuple of int
        Channels, height and width of a row.
    kernel, stride, grid : tuple of int
        Height and width of the filters, of their steps, and of the grid in cells.
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    grid: tuple[int, int]

    @cached_property
    def shape(self):
        """How many places there are, down and across."""
        sizes = zip(self.image[1:], self.kernel, self.stride, strict=True)
        return tuple((size - kernel) // step + 1 for size, kernel, step in sizes)

    @cached_property
    def n_places(self):
        """How many places there are."""
        return int(np.prod(self.shape))

    @cached_property
    def n_cells(self):
        """How many cells there are."""
        return int(np.prod(self.grid))

    @cached_property
    def patch_size(self):
        """How many numbers a filter sees at a place."""
        return self.image[0] * int(np.prod(self.kernel))

    @cached_property
    def cells(self):
        """Slices of the places of each cell, down and across: sizes differ by at most one."""
        return tuple(
            [slice(i * n // n_cells, (i + 1) * n // n_cells) for i in range(n_cells)]
            for n, n_cells in zip(self.shape, self.grid, strict=True)
        )

    @cached_property
    def cell_weights(self):
        """What the sum over a cell is multiplied by for its mean, down and across."""
        down, across = (
            np.array([1 / (cell.stop - cell.start) for cell in cells]) for cells in self.cells
        )
        return np.outer(down, across)

    def windows(self, axis, images):
        """Return a view in which each place along an axis has a window, as the last axis."""
        windows = sliding_window_view(images, self.kernel[axis], axis=1 + axis)
        step = (slice(None),) * (1 + axis) + (slice(None, None, self.stride[axis]),)
        return windows[step]

    def columns(self, places):
        """Return which numbers of a row the patches at some places are.

        Parameters
        ----------
        places : ndarray of int of shape (n,)
            Counted across, line by line.

        Returns
        -------
        columns : ndarray of int of shape (n, patch_size)
        """
        channel, y, x = np.ogrid[tuple(map(slice, (self.image[0], *self.kernel)))]
        down, across = np.divmod(places, self.shape[1])
        y = y + (down * self.stride[0])[:, None, None, None]
        x = x + (across * self.stride[1])[:, None, None, None]
        columns = (channel * self.image[1] + y) * self.image[2] + x
        return columns.reshape(len(places), -1)

    def pooling_matrices(self):
        """Return the matrices whose products with places, down and across, are means of cells.

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
        What is added to the variance of a patch before it is divided by its root. None: patches
        are not divided.
    is_centred : bool
        Whether the filters do not see a constant that is added to a row.
    nonlinearity : {"threshold", "intensity", "magnitude"}
    threshold : float
    root : bool
        Whether the root of each mean is taken.
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
        """How many observables a filter has in a cell."""
        return signs_of(self.nonlinearity)

    def mean_filter(self):
        """Return the filter whose response is the mean of a patch, of the shape of `filters`."""
        return np.full((1, *self.filters.shape[1:]), 1 / self.places.patch_size)

    def write(self, X, out):
        """Write the observables of rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        out : ndarray of shape (n_samples, n_filters * n_signs * n_cells)
            In the dtype of X; the observables of a filter are successive.
        """
        n_filters, places = len(self.filters), self.places
        most = max(1, min(len(X), BLOCK_RESPONSES // (places.n_places * n_filters)))
        weights = self._weights(X.dtype)
        # Memory that is new for every block would cost more than the products.
        seen = np.empty(weights.shape[0] * places.n_places * most, X.dtype)
        found, kept = np.empty((2, n_filters * places.n_places * most), X.dtype)
        cells = out.reshape(len(X), n_filters, self.n_signs, *places.grid)
        for rows in gen_batches(len(X), most):
            shape = (*places.shape, rows.stop - rows.start)
            patches = _leading(seen, len(weights), *shape)
            responses, spare = (_leading(each, *shape, n_filters) for each in (found, kept))
            self._set_patches(patches, X[rows])
            np.matmul(
                patches.reshape(len(patches), -1).T,
                weights,
                out=responses.reshape(-1, n_filters),
            )
            for sign, values in enumerate(self._detected(responses, spare)):
                # (down, across, row, filter) -> (row, filter, down, across)
                means = self._pooled(values).transpose(2, 3, 0, 1)
                np.abs(means, out=cells[rows, :, sign])
        if self.root:
            np.sqrt(out, out=out)

    def _weights(self, dtype):
        """Return the filters as columns, and in a last row what is added to each response."""
        offsets = self.offsets
        if self.nonlinearity == "threshold":
            offsets = offsets - self.threshold
        weights = np.vstack([self.filters.reshape(len(self.filters), -1).T, offsets])
        return weights.astype(dtype, copy=False)

    def _set_patches(self, patches, X):
        """Set an axis of the numbers that filters see, and a one, behind it the places.

        Rows are the last axis, so that whole runs of numbers are copied.
        """
        places = self.places
        images = np.ascontiguousarray(X.T).reshape(*places.image, len(X))
        if self.is_centred:  # or the variance would be a small difference of large numbers
            images = images - images.mean(axis=(0, 1, 2))
        patches[-1] = 1
        windows = places.windows(1, places.windows(0, images))
        np.copyto(
            patches[:-1].reshape(places.image[0], *places.kernel, *places.shape, len(X)),
            windows.transpose(0, 4, 5, 1, 2, 3),
        )
        if self.contrast is not None:
            patches[:-1] *= 1 / self._spread(images)

    def _spread(self, images):
        """Return the root of the variance of each patch and the number that is added to it."""
        mean = self._sums(images) / self.places.patch_size
        variance = self._sums(images * images) / self.places.patch_size
        variance -= mean * mean
        np.maximum(variance, 0, out=variance)  # not below by rounding
        variance += images.dtype.type(self.contrast)
        return np.sqrt(variance, out=variance)

    def _sums(self, images):
        """Return the sums of all patches: over channels, then down, then across."""
        sums = images.sum(axis=0, keepdims=True)
        for axis in (0, 1):
            sums = self.places.windows(axis, sums).sum(axis=-1)
        return sums[0]

    def _detected(self, responses, spare):
        """Yield what is pooled, for each sign; a second sign is negative. Both are overwritten."""
        if self.nonlinearity == "threshold":
            # The responses are less by the threshold already.
            yield np.maximum(responses, 0, out=spare)
            responses += responses.dtype.type(2 * self.threshold)
            yield np.minimum(responses, 0, out=responses)
        elif self.nonlinearity == "intensity":
            yield np.square(responses, out=responses)
        else:
            yield np.abs(responses, out=responses)

    def _pooled(self, values):
        """Return the mean of each cell."""
        for axis, cells in enumerate(self.places.cells):
            index = (slice(None),) * axis
            sums = [np.add.reduce(values[(*index, cell)], axis=axis) for cell in cells]
            values = np.stack(sums, axis)
        return values * self.places.cell_weights[..., None, None].astype(values.dtype)

    def add_to_graph(self, nodes, rows):
        """Add the observables to an ONNX graph, see `SupportsOnnx`."""
        n_filters, n_features = len(self.filters), int(np.prod(self.places.image))
        if self.is_centred:
            total = nodes.add("ReduceSum", rows, np.array([1]), keepdims=1)
            mean = nodes.add("Mul", total, _number(nodes, 1 / n_features))
            rows = nodes.add("Sub", rows, mean)
        responses = self._add_convolution(nodes, rows, self.filters)
        if self.contrast is not None:
            responses = nodes.add("Div", responses, self._add_spread(nodes, rows))
        offsets = nodes.constant(self.offsets[:, None, None])
        responses = nodes.add("Add", responses, offsets)
        if self.nonlinearity == "threshold":
            sides = nodes.add("Concat", responses, nodes.add("Neg", responses), axis=1)
            threshold = _number(nodes, self.threshold)
            values = nodes.add("Relu", nodes.add("Sub", sides, threshold))
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

    def _add_convolution(self, nodes, rows, filters):
        """Add (n_samples, n_filters, down, across) responses to an ONNX graph."""
        places = self.places
        if nodes.constant(0.0).dtype == np.float32:
            images = nodes.add("Reshape", rows, np.array([-1, *places.image]))
            return nodes.add("Conv", images, nodes.constant(filters), strides=[*places.stride])
        # onnxruntime has no convolution in float64.
        patches = nodes.add("Gather", rows, places.columns(np.arange(places.n_places)), axis=1)
        weights = nodes.constant(filters.reshape(len(filters), -1).T)
        products = nodes.add("MatMul", patches, weights)
        responses = nodes.add("Transpose", products, perm=[0, 2, 1])
        return nodes.add("Reshape", responses, np.array([-1, len(filters), *places.shape]))

    def _add_spread(self, nodes, rows):
        """Add what `_spread` computes to an ONNX graph."""
        mean_filter = self.mean_filter()
        squares = self._add_convolution(nodes, nodes.add("Mul", rows, rows), mean_filter)
        mean = self._add_convolution(nodes, rows, mean_filter)
        variance = nodes.add("Relu", nodes.add("Sub", squares, nodes.add("Mul", mean, mean)))
        return nodes.add("Sqrt", nodes.add("Add", variance, _number(nodes, self.contrast)))


def _number(nodes, value):
    return nodes.constant([value])


def signs_of(nonlinearity):
    """Return how many observables a filter has in a cell."""
    return 2 if nonlinearity == "threshold" else 1


def _leading(numbers, *shape):
    """Return the first of some numbers in this shape."""
    return numbers[: np.prod(shape)].reshape(shape)
