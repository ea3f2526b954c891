"""Pooled responses of small filters: observables of neighbourhoods."""

from copy import copy
from dataclasses import replace

import numpy as np
from sklearn.utils import gen_even_slices
from sklearn.utils.validation import check_is_fitted, validate_data

from .._memory import check_fits_in_memory
from .._threads import ThreadPool
from .._validation import (
    DTYPES,
    check_boolean,
    check_choice,
    check_integer,
    check_random_state,
    check_real,
    invalid_parameter,
    is_integer,
)
from .._warnings import warn_user
from ._base import Dictionary
from ._chosen import ChosenColumns
from ._filtering._filters import LEARNT, drawn_patches, given_filters, is_module, learnt_filters
from ._filtering._mirror import MirroredResponses
from ._filtering._responses import NONLINEARITIES, Places, Responses, signs_of
from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers

# Default sizes of filters and grids, if rows are large enough.
FILTER_SIZE, GRID = 5, 4
# Patches with less than this share of the mean variance are not used: they are empty background.
FLAT = 1e-8
# Sizes that may be None.
OPTIONAL = ("filter_size", "grid")


class ConvolutionalLifter(Dictionary):
    r"""Lift images or series to pooled responses of small filters.

    Each filter :math:`w_j` is applied to every patch :math:`p_i` of a row,

    .. math:: r_{ji} = \left\langle w_j,
              \frac{p_i - \bar p_i}{\sqrt{\operatorname{var} p_i + c}} \right\rangle + b_j ,

    and an observable is the mean of a function of its responses in a cell C of a grid, or the
    root of that mean,

    .. math:: \psi_{jC} = \Big( \frac{1}{|C|} \sum_{i \in C} f(r_{ji}) \Big)^{1/2} .

    The functions are

    - "threshold": two observables, from :math:`\max(r - t, 0)` and of :math:`\max(-r - t, 0)`;
    - "proportion": two observables, the shares of places where :math:`r > t` and where
      :math:`-r > t`;
    - "intensity": :math:`r^2`, what a detector sees after a lens and a mask;
    - "magnitude": :math:`|r|`.

    Filters are given, or found without labels [1]_. So a student is a convolution, one function and
    one matrix after it.

    Parameters
    ----------
    input_shape : tuple of int, default=None
        Shape of a row before it was flattened: ``(height, width)`` or ``(channels, height, width)``
        of an image, ``(length,)`` of a series, and with ``kind="series"`` ``(channels, length)`` of
        a series of several channels. None: a series of one channel.
    kind : {"auto", "image", "series"}, default="auto"
        "auto": an `input_shape` of two or three numbers is that of an image.
    n_filters : int, default=64
        Number of filters to find. Filters that are given are all used.
    filters : {"kmeans", "random", "pca"}, array-like or torch.nn.Module, default="kmeans"
        "kmeans" are the centres of whitened patches
        (:class:`~sklearn.cluster.MiniBatchKMeans`), "random" are whitened patches, "pca" are the
        principal components of patches. An array of shape (n_filters, channels, height, width), or
        (n_filters, channels, length) for series, is used as it is. A module gives its first
        convolution, with the offsets: the filters of a trained network.
    filter_size : int or tuple of int, default=None
        Height and width, or length, of the filters to find. None: 5, or less if the rows are
        smaller.
    stride : int or tuple of int, default=1
        Distance from one patch to the next.
    dilation : int or tuple of int, default=1
        Distance from one number that a filter sees to the next: with 2 it sees every other number,
        and reaches twice as far. Several lifters in a union see several scales.
    padding : int or tuple of int, default=0
        Number of zeros that are added at each edge: rows above and below an image and columns left
        and right of it, or numbers before and after a series. It helps where objects reach the
        edge.
    normalization : {"auto", "contrast", "brightness", "none"}, default="auto"
        "contrast" is the formula above. "brightness" subtracts the mean and does not divide. "none"
        takes patches as they are. "auto" is "contrast" for filters that are found, and "none" for
        filters that are given.
    contrast_floor : float > 0, default=0.01
        c, in units of the mean variance of patches. It keeps patches of little contrast from being
        blown up.
    whitening : float >= 0 or None, default=0.1
        What is added to the variances of the patches before whitening, in units of their mean.
        None: patches are not whitened. "pca" and filters that are given do not use it.
    nonlinearity : {"threshold", "proportion", "intensity", "magnitude"}, default="threshold"
    threshold : float >= 0, default=0.25
        The t above. Filters that are found are scaled so that their responses have a mean square
        of 1.
    grid : int or tuple of int, default=None
        Number of cells, down and across an image or along a series. Cells have the same size, or
        sizes that differ by one where the places do not divide evenly. None: 4, or less if there
        are fewer places.
    root : bool, default=True
        Whether to take the root of each mean.
    mirror : bool, default=False
        Whether each mean is taken over the image and its mirror image, left and right exchanged (a
        series: run backwards), so that both have the same observables. Use it where the class does
        not depend on the side: for photographs, not for digits.
    n_patches : int, default=20000
        Number of patches from which filters and contrasts are found.
    random_state : int, RandomState instance or None, default=None
        Seeds the choice of patches, and of filters from them.

    Attributes
    ----------
    filters_ : ndarray of shape (n_filters, channels, height, width)
        The filters; a series counts as an image that is one pixel high. Whitening and the
        subtraction of the mean are part of them.
    offsets_ : ndarray of shape (n_filters,)
        The b above.
    contrast_ : float or None
        The c above; None where patches are not divided.
    normalization_ : {"contrast", "brightness", "none"}
        What "auto" stands for.
    input_shape_ : tuple of int
        Channels, height and width of a row.
    grid_ : tuple of int
        Cells, down and across.
    n_output_features_ : int
        Number of observables: filters times cells, times two for "threshold" and "proportion".
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        If X has feature names that are all strings.

    See Also
    --------
    DelayLifter : The patches of a series.
    OpticalLifter : Intensities of mixtures of all features.

    Notes
    -----
    The observables of a filter follow each other: the cells row by row, for positive responses and
    then for negative ones. "f3-_0_2" is filter 3, negative responses, top row of the grid, third
    cell.

    For products of observables, put a PCA and a :class:`MonomialLifter` after this lifter.

    A module in `filters` is copied with the estimator. Students that are saved or detached from
    their teacher leave it out, as `filters_` has what is needed. The padding and the stride of its
    convolution are not used.

    Students that read the rows more than once lift them once, and keep the observables in memory
    or in a temporary file.

    References
    ----------
    .. [1] A. Coates, H. Lee and A. Y. Ng, "An analysis of single-layer networks in unsupervised
       feature learning", AISTATS (2011); A. Coates and A. Y. Ng, "The importance of encoding
       versus training with sparse coding and vector quantization", ICML (2011).
    .. [2] L. Thiry, M. Arbel, E. Belilovsky and E. Oyallon, "The unreasonable effectiveness of
       patches in deep convolutional kernels methods", ICLR (2021), arXiv:2101.07528.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_koopman import ConvolutionalLifter, EDMDClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> lifter = ConvolutionalLifter((8, 8), n_filters=16, filter_size=3, grid=2, random_state=0)
    >>> student = EDMDClassifier(lifter=lifter, ridge=1e-3).fit(X[:1000], y[:1000])
    >>> student.coef_.shape
    (10, 128)
    >>> student.score(X[1000:], y[1000:]) > 0.9
    True
    """

    _fewer_observables = "Lower n_filters or grid"

    def __init__(
        self,
        input_shape=None,
        *,
        kind="auto",
        n_filters=64,
        filters="kmeans",
        filter_size=None,
        stride=1,
        dilation=1,
        padding=0,
        normalization="auto",
        contrast_floor=0.01,
        whitening=0.1,
        nonlinearity="threshold",
        threshold=0.25,
        grid=None,
        root=True,
        mirror=False,
        n_patches=20_000,
        random_state=None,
    ):
        self.input_shape = input_shape
        self.kind = kind
        self.n_filters = n_filters
        self.filters = filters
        self.filter_size = filter_size
        self.stride = stride
        self.dilation = dilation
        self.padding = padding
        self.normalization = normalization
        self.contrast_floor = contrast_floor
        self.whitening = whitening
        self.nonlinearity = nonlinearity
        self.threshold = threshold
        self.grid = grid
        self.root = root
        self.mirror = mirror
        self.n_patches = n_patches
        self.random_state = random_state

    def _check_parameters(self):
        check_choice(self, "kind", ("auto", "image", "series"))
        self._check_input_shape()
        check_integer(self, "n_filters", minimum=1)
        if isinstance(self.filters, str):
            check_choice(self, "filters", LEARNT)
        elif not is_module(self.filters) and np.ndim(self.filters) == 0:
            kinds = ", ".join(map(repr, LEARNT))
            raise invalid_parameter(
                self, "filters", f"a str among {{{kinds}}}, an array or a torch module"
            )
        for name in ("filter_size", "stride", "dilation", "padding", "grid"):
            self._pair(name)
        check_choice(self, "normalization", ("auto", "contrast", "brightness", "none"))
        check_real(self, "contrast_floor", low=0.0, inclusive="neither")
        check_real(self, "whitening", low=0.0, inclusive="left", optional=True)
        check_choice(self, "nonlinearity", NONLINEARITIES)
        check_real(self, "threshold", low=0.0, inclusive="left")
        check_boolean(self, "root")
        check_boolean(self, "mirror")
        check_integer(self, "n_patches", minimum=1)

    def _check_input_shape(self):
        lengths = {"auto": (1, 2, 3), "image": (2, 3), "series": (1, 2)}[self.kind]
        shape = self.input_shape
        if shape is None and self.kind != "image":
            return
        is_shape = isinstance(shape, tuple | list) and len(shape) in lengths
        if not is_shape or not all(is_integer(n) and n >= 1 for n in shape):
            raise invalid_parameter(
                self,
                "input_shape",
                f"a tuple of {' or '.join(map(str, lengths))} positive ints for "
                f"kind={self.kind!r}",
            )

    @property
    def _n_axes(self):
        """Number of axes along which the filters move."""
        if self.input_shape is None or self.kind == "series":
            return 1
        return min(len(self.input_shape), 2)

    def _pair(self, name):
        """Return a parameter for down and across. A series has only the second."""
        value, n_axes = getattr(self, name), self._n_axes
        if value is None and name in OPTIONAL:
            return None
        least, kind = (0, "an int >= 0") if name == "padding" else (1, "a positive int")
        values = [value] * n_axes if is_integer(value) else value
        is_valid = isinstance(values, tuple | list) and len(values) == n_axes
        if not is_valid or not all(is_integer(n) and n >= least for n in values):
            optional = " or None" if name in OPTIONAL else ""
            raise invalid_parameter(
                self, name, f"{kind}, or a tuple of {n_axes} of them{optional}"
            )
        return (*(least,) * (2 - n_axes), *map(int, values))

    def _steps(self, grid):
        """Return the positions of filters on rows, in the form that `Places` takes."""
        return self._pair("stride"), grid, self._pair("dilation"), self._pair("padding")

    def _fit(self, X):
        draw = check_random_state(self.random_state)
        image = self._image(X.shape[1])
        given = None
        if not isinstance(self.filters, str):
            given = given_filters(self.filters, self._n_axes)
        places = self._places(image, None if given is None else given[0])
        n_numbers = places.patch_size * (self.n_filters + self.n_patches)
        check_fits_in_memory(
            8 * n_numbers,
            f"Finding n_filters={self.n_filters} of n_patches={self.n_patches} patches",
            "Lower them, or filter_size.",
        )
        normalization = self.normalization
        if normalization == "auto":
            normalization = "contrast" if given is None else "none"
        patches = contrast = None
        if given is None or normalization == "contrast":
            patches, contrast = self._normalized_patches(X, places, normalization, draw)
        filters, offsets = self._learnt(patches, places, draw) if given is None else given
        if normalization != "none":
            # A patch minus its mean, times a filter, is the patch times the filter minus its mean.
            filters = filters - filters.mean(axis=(1, 2, 3), keepdims=True)
        self.filters_ = filters.astype(X.dtype)
        self.offsets_ = offsets.astype(X.dtype)
        self.contrast_ = contrast
        self.normalization_ = normalization
        self.input_shape_ = image
        self.grid_ = places.grid
        self._set_n_output_features()

    def _warn_of_channels_last(self, shape):
        """Warn of a shape that is likely to be height, width and channels, as photos have it."""
        if self._n_axes < 2 or len(shape) < 3:
            return
        first, second, last = shape
        if last in (1, 3, 4) and min(first, second) > last:
            warn_user(
                f"input_shape={shape} are {first} channels of {second} x {last} pixels. In images "
                f"of {last} channel(s), channels come first: input_shape={(last, first, second)}, "
                "and images.transpose(0, 3, 1, 2) before they are flattened."
            )

    def _image(self, n_features):
        """Return channels, height and width of a row."""
        shape = tuple(self.input_shape or (n_features,))
        if np.prod(shape, dtype=object) != n_features:
            raise ValueError(
                f"input_shape={self.input_shape} has {np.prod(shape, dtype=object)} numbers, "
                f"but X has {n_features} feature(s)."
            )
        self._warn_of_channels_last(shape)
        sizes = shape[-self._n_axes :]
        channels = shape[: -self._n_axes] or (1,)
        return (*map(int, channels), *(1,) * (2 - len(sizes)), *map(int, sizes))

    def _places(self, image, given):
        """Return the positions of the filters. Raise ValueError if there is no room for them."""
        if given is not None:
            kernel = given.shape[2:]
            if given.shape[1] != image[0]:
                raise ValueError(
                    f"filters are for {given.shape[1]} channel(s), but input_shape="
                    f"{self.input_shape} has {image[0]}."
                )
        else:
            least = tuple(min(FILTER_SIZE, size) for size in image[1:])
            kernel = self._pair("filter_size") or least
        places = Places(image, kernel, *self._steps((1, 1)))
        if min(places.shape) < 1:
            is_dilated = places.reach != kernel
            what = f", dilated to {_times(places.reach)}," if is_dilated else ""
            raise ValueError(
                f"Filters of {_times(kernel)}{what} are larger than rows of "
                f"{_times(places.padded[1:])}, {int(np.prod(image))} feature(s): lower filter_size"
                f"{' or dilation' if is_dilated else ''}."
            )
        grid = self._pair("grid") or tuple(min(GRID, n) for n in places.shape)
        if any(n > size for n, size in zip(grid, places.shape, strict=True)):
            raise ValueError(
                f"A grid of {_times(grid)} has more cells than filters have places, "
                f"{_times(places.shape)}: lower grid."
            )
        return replace(places, grid=grid)

    def _normalized_patches(self, X, places, normalization, draw):
        """Return normalised patches that are not flat, and the c of their contrast."""
        patches = drawn_patches(X, places, self.n_patches, draw)
        variances = patches.var(axis=1)
        mean = variances.mean()
        is_structured = variances > FLAT * mean
        if is_structured.any():
            patches, variances = patches[is_structured], variances[is_structured]
        if normalization != "none":
            patches -= patches.mean(axis=1, keepdims=True)
        if normalization != "contrast":
            return patches, None
        contrast = float(self.contrast_floor * mean) or 1.0
        return patches / np.sqrt(variances + contrast)[:, None], contrast

    def _learnt(self, patches, places, draw):
        """Return filters found in patches, with responses of mean square 1 on these patches."""
        n_filters = int(self.n_filters)
        most, what = len(patches), "patches that are not flat"
        if self.filters == "pca":
            most, what = places.patch_size, "numbers of a patch"
        if n_filters > most:
            warn_user(
                f"n_filters={n_filters} is more than the {most} {what}: {most} are taken."
            )
            n_filters = most
        filters, offsets = learnt_filters(
            patches, self.filters, n_filters, self.whitening, draw
        )
        sizes = np.sqrt(np.square(patches @ filters.T + offsets).mean(axis=0))
        scales = 1 / np.where(sizes > 0, sizes, 1.0)
        filters = (filters * scales[:, None]).reshape(-1, places.image[0], *places.kernel)
        return filters, offsets * scales

    def _set_n_output_features(self):
        n_signs = signs_of(self.nonlinearity)
        self.n_output_features_ = len(self.filters_) * n_signs * int(np.prod(self.grid_))

    @property
    def _responses(self):
        responses = Responses(
            Places(self.input_shape_, self.filters_.shape[2:], *self._steps(self.grid_)),
            self.filters_,
            self.offsets_,
            self.contrast_,
            self.normalization_ != "none",
            self.nonlinearity,
            float(self.threshold),
            bool(self.root),
        )
        if not self.mirror:
            return responses
        return MirroredResponses(replace(responses, root=False), responses.root)

    def _lift(self, X):
        lifted = np.empty((len(X), self.n_output_features_), X.dtype)
        responses, pool = self._responses, ThreadPool()

        def lift_share(share):
            for rows in share:
                responses.write(X[rows], lifted[rows])

        pool.map_shares(lift_share, list(gen_even_slices(len(X), min(pool.size, len(X)))))
        return lifted

    def to_function(self, dtype):
        """Return convolution, function and pooling as a plain function of rows."""
        check_is_fitted(self)
        responses = self._responses

        def function(rows):
            lifted = np.empty((len(rows), self.n_output_features_), rows.dtype)
            responses.write(rows, lifted)
            return lifted

        return function

    def patches(self, X):
        """Return what the filters see: the patches of rows, scaled by their contrasts.

        Parameters
        ----------
        X : array-like of shape (n_samples, `n_features_in_`)

        Returns
        -------
        patches : ndarray of shape (n_samples, n_places, patch_size)
            Patches. Places are numbered line by line. The product of a patch and a filter, plus the
            offset of the filter, is a response.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        responses = self._responses
        places = responses.places
        check_fits_in_memory(
            len(X) * places.n_places * (places.patch_size + 1) * X.itemsize,
            f"{places.n_places} patches of {len(X)} sample(s)",
            "Take fewer rows at once.",
        )
        return responses.patches(X)

    def cell_outlines(self):
        """Return the borders of the grid's cells on a row.

        Returns
        -------
        down, across : ndarray of shape (n_cells + 1,)
            Positions in pixels from the upper left corner: the beginning of each cell, and the end
            of the last one. Filters see pixels beyond these borders.
        """
        check_is_fitted(self)
        return self._responses.places.outlines()

    def _observable_names(self, names):
        signs = ("+", "-") if signs_of(self.nonlinearity) == 2 else ("",)
        cells = [
            "_".join(map(str, cell)) for cell in np.ndindex(self.grid_[2 - self._n_axes :])
        ]
        return [
            f"f{j}{sign}_{cell}"
            for j in range(len(self.filters_))
            for sign in signs
            for cell in cells
        ]

    def to_layer(self):
        """Return convolution, function and pooling as a torch layer."""
        check_is_fitted(self)
        layers = torch_layers()
        if self.mirror:
            return layers.MirroredResponses(self._responses)
        return layers.PooledResponses(self._responses)

    def add_to_graph(self, nodes, rows):
        """Add convolution, function and pooling to an ONNX graph."""
        check_is_fitted(self)
        return self._responses.add_to_graph(nodes, rows)

    def add_to_program(self, program, rows):
        """Add convolution, function and pooling to a program for microcontrollers."""
        check_is_fitted(self)
        return self._responses.add_to_program(program, rows)

    def operations(self):
        """Return the operations: a filter at each place, contrasts, squares, a factor per mean."""
        check_is_fitted(self)
        places = self._responses.places
        n_responses = len(self.filters_) * places.n_places
        n_images = 2 if self.mirror else 1
        means = self.n_output_features_
        linear = self.filters_.size * places.n_places + means
        nonlinear = n_responses if self.nonlinearity == "intensity" else 0
        fitted = [self.filters_, self.offsets_]
        if self.contrast_ is not None:
            # Squares of all numbers and of the means of patches, and the scaling of patches.
            fitted.append(self.contrast_)
            linear += 2 * places.n_places
            nonlinear += int(np.prod(self.input_shape_))
            nonlinear += places.n_places * (1 + places.patch_size)
        linear, nonlinear = n_images * linear, n_images * nonlinear
        if self.mirror:
            linear += means
        return Operations.storing(*fitted, linear=linear, nonlinear=nonlinear)

    def polynomial_degree(self):
        """Return 2 for means of squares without normalisation, None for all others."""
        check_is_fitted(self)
        is_square = self.nonlinearity == "intensity" and not self.root
        return 2 if is_square and self.contrast_ is None else None

    def chosen(self, indices):
        """Return the chosen observables, with only the filters that they need."""
        check_is_fitted(self)
        per_filter = self.n_output_features_ // len(self.filters_)
        needed, place = np.unique(np.asarray(indices) // per_filter, return_inverse=True)
        part = copy(self)
        part.filters_, part.offsets_ = self.filters_[needed], self.offsets_[needed]
        part._set_n_output_features()
        if len(indices) == part.n_output_features_:
            return part
        return ChosenColumns(part, place * per_filter + np.asarray(indices) % per_filter)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_output_features_")


def _times(sizes):
    return " x ".join(map(str, sizes))
