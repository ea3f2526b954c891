r"""Matrices of few bits, rounded such that their products with real rows change least.

If a row k of a matrix is replaced by :math:`q`, its products with rows of covariance H change by

.. math:: (k - q)^T H (k - q)

on average (the intercept corrects a constant change). Plain rounding takes the nearest level of
each entry. With error feedback the entries are rounded one after the other. The remaining entries
compensate the error of each one as well as least squares can. This is GPTQ [1]_, which goes back to
[2]_. There it is an approximation for one layer of many; here the layer is the whole model. Then
coordinate descent moves one entry after the other to the level that is best given all others.

Rows do not matter equally: if a student has probabilities, a change of the logits costs more where
the student is less sure. So H has the weight

.. math:: 1 - \sum_c p_{ic}^2

for row i, plus the mean of this weight over all rows. The weight is the trace of the second
derivatives of the row's cross-entropy. The mean is added because a change that is not small can
make a sure row unsure.

.. [1] E. Frantar, S. Ashkboos, T. Hoefler and D. Alistarh, "GPTQ: accurate post-training
   quantization for generative pre-trained transformers", arXiv:2210.17323 (2022).
.. [2] B. Hassibi and D. G. Stork, "Second order derivatives for network pruning: optimal brain
   surgeon", NeurIPS 5, 164-171 (1993).
"""

from copy import deepcopy

import numpy as np
from scipy.linalg import lapack
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.pipeline import make_pipeline
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_array

from .._progress import showing_progress, watched
from .._validation import flat_rows, is_integer
from ..lifting import ConvolutionalLifter, taking_arrays
from ..rows import GramMoments, accumulated, lifted_blocks
from ..students import split_student
from ._detach import detach_teacher

# Full scales to try, relative to the largest entry. It can be better to clip a few entries.
_SCALES = np.linspace(0.1, 1.0, 19)
# Smallest variance of every direction, relative to the mean variance.
_DAMPING = 1e-3
# Largest number of passes of coordinate descent, which usually ends earlier.
_MAX_SWEEPS = 50
# Number of rows whose patches are processed together.
_PATCHED_ROWS = 128


def unit_levels(bits, kind="uniform"):
    """Return the values that a number of some bits can have, from -1 to 1.

    Parameters
    ----------
    bits : int
        At least 2: one of them is the sign.
    kind : {"uniform", "logarithmic"}, default="uniform"
        Equal steps, or zero and powers of two [1]_.

    Returns
    -------
    levels : ndarray of shape (2 ** bits - 1,)
        In ascending order, symmetric about zero, which is one of them.

    References
    ----------
    .. [1] D. Miyashita, E. H. Lee and B. Murmann, "Convolutional neural networks using
       logarithmic data representation", arXiv:1603.01025 (2016).

    Examples
    --------
    >>> from sklearn_koopman.deployment import unit_levels
    >>> unit_levels(3, "logarithmic")
    array([-1.  , -0.5 , -0.25,  0.  ,  0.25,  0.5 ,  1.  ])
    """
    check_bits(bits)
    n_positive = 2 ** (int(bits) - 1) - 1
    check_rounding(levels=kind)
    if kind == "uniform":
        positive = np.arange(1, n_positive + 1) / n_positive
    else:
        positive = 2.0 ** np.arange(1 - n_positive, 1)
    return np.concatenate([-positive[::-1], [0.0], positive])


def check_bits(bits, name="bits"):
    """Raise ValueError for an invalid number of bits."""
    if not is_integer(bits) or not 2 <= bits <= 16:
        raise ValueError(
            f"{name}={bits!r}: must be an int in the range [2, 16]; one of them is the sign."
        )


def check_rounding(levels="uniform", scale="row", feedback=True):
    """Raise ValueError for invalid parameters of rounding; see `quantise_matrix`."""
    if not (isinstance(levels, str) and levels in ("uniform", "logarithmic")):
        raise ValueError(f"levels={levels!r}: must be 'uniform' or 'logarithmic'.")
    if not (isinstance(scale, str) and scale in ("row", "matrix")):
        raise ValueError(f"scale={scale!r}: must be 'row' or 'matrix'.")
    if not isinstance(feedback, bool | np.bool_):
        raise ValueError(f"feedback={feedback!r}: must be a bool.")


@showing_progress(None)
def quantise_matrix(matrix, bits, *, gram=None, levels="uniform", scale="row", feedback=True):
    """Round a matrix to few bits.

    Every row, or the matrix, has a full scale. 19 scales between a tenth of the largest entry and
    this entry itself are tried, and the one that changes products least is taken.

    Parameters
    ----------
    matrix : array-like of shape (n_outputs, n_inputs)
    bits : int
        From 2 to 16.
    gram : array-like of shape (n_inputs, n_inputs), default=None
        Second moments of the rows that the matrix is multiplied by. None: the identity.
    levels : {"uniform", "logarithmic"}, default="uniform"
        See `unit_levels`.
    scale : {"row", "matrix"}, default="row"
        Whether each row has its own full scale, or the matrix has one.
    feedback : bool, default=True
        Whether later entries make up for the error of earlier ones (GPTQ [1]_, which goes back to
        [2]_), and coordinate descent follows. False takes the nearest level of each entry.

    Returns
    -------
    rounded : ndarray of shape (n_outputs, n_inputs), float64

    References
    ----------
    .. [1] E. Frantar, S. Ashkboos, T. Hoefler and D. Alistarh, "GPTQ: accurate post-training
       quantization for generative pre-trained transformers", arXiv:2210.17323 (2022).
    .. [2] B. Hassibi and D. G. Stork, "Second order derivatives for network pruning: optimal
       brain surgeon", NeurIPS 5, 164-171 (1993).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.deployment import quantise_matrix
    >>> quantise_matrix([[0.24, 0.9, -0.37]], bits=3, scale="row").round(2)
    array([[ 0.3,  0.9, -0.3]])
    """
    return _rounded(matrix, bits, gram, levels, scale, feedback)[0]


def levels_of_matrix(matrix, bits, gram):
    """Return the integers of a matrix that is rounded to few bits, and their unit in each row."""
    rounded, scale = _rounded(matrix, bits, gram)
    unit = scale / (2 ** (bits - 1) - 1)
    return np.rint(rounded / unit[:, None]).astype(np.int64), unit


def _rounded(matrix, bits, gram=None, levels="uniform", scale="row", feedback=True):
    """Return the rounded matrix, and the full scale of each row."""
    matrix = check_array(matrix, dtype=np.float64, input_name="matrix")
    n_inputs = matrix.shape[1]
    gram = np.eye(n_inputs) if gram is None else check_array(gram, dtype=np.float64)
    if gram.shape != (n_inputs, n_inputs):
        raise ValueError(f"gram has shape {gram.shape}, must be ({n_inputs}, {n_inputs}).")
    check_rounding(levels, scale, feedback)
    steps = unit_levels(bits, levels)
    largest = np.abs(matrix).max(axis=1)
    if scale == "matrix":
        largest = np.full(len(matrix), largest.max())
    # All candidates at once: (n_scales, n_outputs) rows.
    scales = np.outer(_SCALES, np.where(largest > 0, largest, 1.0))
    rows = np.tile(matrix, (len(_SCALES), 1))
    if feedback:
        rounded = round_with_feedback(rows, steps, scales.ravel(), gram)
    else:
        rounded = _nearest(rows, steps, scales.reshape(-1, 1))
    error = rows - rounded
    cost = np.einsum("ij,ij->i", error @ gram, error).reshape(scales.shape)
    if scale == "matrix":
        cost[:] = cost.sum(axis=1, keepdims=True)
    best = cost.argmin(axis=0), np.arange(len(matrix))
    rounded = rounded.reshape(*scales.shape, -1)[best]
    if feedback:
        rounded = descend_to_levels(matrix, rounded, steps, scales[best], gram)
    return rounded, scales[best]


@showing_progress(None)
def quantise_student(
    estimator,
    X,
    *,
    bits=4,
    reducer_bits=None,
    filter_bits=None,
    levels="uniform",
    scale="row",
    feedback=True,
):
    """Return a student whose matrix has few bits.

    Its numbers are still floats, but with few different values. So it predicts with the rounded
    matrix, and :func:`~sklearn_koopman.inspection.cost` counts the bytes of floats. `to_c` packs
    the numbers into few bits.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier with a Koopman matrix, or a pipeline or search that ends in one.
    X : array-like of shape (n_samples, n_features)
        Rows like those to be classified, without labels, such as the training rows. Their
        observables, and the student's confidence on them, determine which errors matter.
    bits : int or None, default=4
        Bits of an entry of the Koopman matrix. The intercept is not rounded, and makes up for the
        change of the (weighted) mean. None leaves the matrix as it is.
    reducer_bits : int, default=None
        Bits of an entry of the components of PCA. The matrix is rounded after that, by the new
        observables. None leaves the components as they are.
    filter_bits : int, default=None
        Bits of a number of the filters of :class:`~sklearn_koopman.ConvolutionalLifter`. They are
        rounded by the patches that they see, and their offsets make up for the change of the mean.
        The matrix is rounded after that, by the new observables. None leaves the filters as they
        are.
    levels, scale, feedback
        As for `quantise_matrix`.

    Returns
    -------
    estimator : estimator
        A copy, without the teacher.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.deployment import quantise_student
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> student = make_pipeline(PCA(10), MonomialLifter(2), EDMDClassifier())
    >>> rounded = quantise_student(student.fit(X, y), X, bits=4)
    >>> [len(np.unique(row)) <= 15 for row in rounded[-1].coef_[:2]]
    [True, True]
    """
    settings = {"levels": levels, "scale": scale, "feedback": feedback}
    check_rounding(**settings)
    for name, number in (
        ("bits", bits),
        ("reducer_bits", reducer_bits),
        ("filter_bits", filter_bits),
    ):
        if number is not None:
            check_bits(number, name)
    transformers, classifier = split_student(estimator)
    coef = np.asarray(classifier.coef_, dtype=np.float64)
    weight = row_weights(estimator, X)
    mean, gram = observable_moments(transformers, X, weight)
    rounded = deepcopy(detach_teacher(estimator))
    transformers, classifier = split_student(rounded)
    rounded_mean = mean
    if filter_bits is not None:
        _quantise_filters(transformers, X, weight, filter_bits, settings)
    if reducer_bits is not None:
        _quantise_reducers(transformers, X, weight, reducer_bits, settings)
    if filter_bits is not None or reducer_bits is not None:
        rounded_mean, gram = observable_moments(transformers, X, weight)
    new = coef if bits is None else quantise_matrix(coef, bits, gram=gram, **settings)
    dtype = classifier.coef_.dtype
    intercept = classifier.intercept_ + coef @ mean - new @ rounded_mean
    classifier.coef_, classifier.intercept_ = new.astype(dtype), intercept.astype(dtype)
    return rounded


def row_weights(estimator, X):
    """Return for each row how much a change of the logits matters."""
    if not hasattr(estimator, "predict_proba"):
        return np.ones(len(X))
    probabilities = estimator.predict_proba(X).astype(np.float64)
    curvature = 1 - np.square(probabilities).sum(axis=1)
    # Add the mean. The scale does not matter.
    return curvature + curvature.mean() if curvature.any() else np.ones(len(X))


def observable_moments(transformers, X, weight):
    """Return the weighted mean and covariance of the observables of rows."""
    X = flat_rows(X)
    lifter = make_pipeline(*map(taking_arrays, transformers)) if transformers else None
    blocks = lifted_blocks(lifter, X)
    moments = accumulated(GramMoments(blocks.n_observables), blocks, weight)
    return moments.mean, moments.gram / moments.weight


def convolutions_in(transformers, purpose):
    """Return the indices of the convolutions in a list of transformers; raise if there is none."""
    places = [i for i, step in enumerate(transformers) if isinstance(step, ConvolutionalLifter)]
    if not places:
        raise ValueError(
            f"{purpose} needs a ConvolutionalLifter as a step of the student, and there is none. "
            "Leave it out."
        )
    return places


def _quantise_filters(transformers, X, weight, bits, settings):
    X = flat_rows(X)
    for i in convolutions_in(transformers, f"filter_bits={bits!r}"):
        lifter = transformers[i]
        mean, gram = _patch_moments(transformers[:i], lifter, X, weight)
        filters = lifter.filters_.reshape(len(lifter.filters_), -1).astype(np.float64)
        rounded = quantise_matrix(filters, bits, gram=gram, **settings)
        dtype = lifter.filters_.dtype
        lifter.offsets_ = (lifter.offsets_ + (filters - rounded) @ mean).astype(dtype)
        lifter.filters_ = rounded.reshape(lifter.filters_.shape).astype(dtype)


def _patch_moments(before, lifter, X, weight):
    """Return the weighted mean and covariance of the patches that filters see."""
    size = lifter.filters_[0].size
    total, first, second = 0.0, np.zeros(size), np.zeros((size, size))
    for rows in gen_batches(len(X), _PATCHED_ROWS):
        block = X[rows]
        for step in before:
            block = step.transform(block)
        patches = lifter.patches(block).astype(np.float64)
        weights = np.repeat(weight[rows], patches.shape[1])
        patches = patches.reshape(-1, size)
        weighted = patches * weights[:, None]
        total += weights.sum()
        first += weighted.sum(axis=0)
        second += patches.T @ weighted
    mean = first / total
    return mean, second / total - np.outer(mean, mean)


def _quantise_reducers(transformers, X, weight, bits, settings):
    reducers = [
        i for i, step in enumerate(transformers) if isinstance(step, PCA | IncrementalPCA)
    ]
    if not reducers:
        raise ValueError(
            f"reducer_bits={bits!r} needs a PCA in the student, and there is none. Leave it None."
        )
    for i in reducers:
        _, gram = observable_moments(transformers[:i], X, weight)
        pca = transformers[i]
        components = quantise_matrix(pca.components_, bits, gram=gram, **settings)
        pca.components_ = components.astype(pca.components_.dtype)


def _nearest(values, steps, scale):
    """Return the nearest levels, which are steps times scale."""
    midpoints = (steps[1:] + steps[:-1]) / 2
    return steps[np.searchsorted(midpoints, values / scale)] * scale


def round_with_feedback(rows, steps, scale, gram):
    """Round the columns of rows one after the other, in descending order of their variance."""
    variance = np.diag(gram)
    order = np.argsort(-variance, kind="stable")
    factor = _feedback_factor(gram[np.ix_(order, order)])
    left = np.asfortranarray(rows[:, order])
    rounded = np.empty_like(left)
    for j in range(left.shape[1]):
        rounded[:, j] = _nearest(left[:, j], steps, scale)
        error = (left[:, j] - rounded[:, j]) / factor[j, j]
        left[:, j + 1 :] -= np.outer(error, factor[j, j + 1 :])
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return np.ascontiguousarray(rounded[:, back])


def descend_to_levels(matrix, rounded, steps, scale, gram):
    """Move one entry after the other to the level that is best given all other entries."""
    curvature = np.diag(gram)
    rounded = rounded.T.copy()
    for _ in watched(range(_MAX_SWEEPS), "rounding", "sweep"):
        gradient = gram @ (matrix.T - rounded)
        n_moved = 0
        for j in np.flatnonzero(curvature > 0):
            level = _nearest(rounded[j] + gradient[j] / curvature[j], steps, scale)
            move = level - rounded[j]
            saves = move * (2 * gradient[j] - curvature[j] * move) > 0
            if saves.any():
                rounded[j, saves] = level[saves]
                gradient -= np.outer(gram[j], np.where(saves, move, 0))
                n_moved += 1
        if not n_moved:
            break
    return np.ascontiguousarray(rounded.T)


def _feedback_factor(gram):
    """Return U, upper triangular, with ``U.T @ U`` the inverse of the damped Gram matrix."""
    damped = np.asfortranarray(gram)
    diagonal = np.einsum("ii->i", damped)
    mean = diagonal.mean()
    diagonal += _DAMPING * mean if mean > 0 else 1.0
    factor, _ = lapack.dpotrf(damped, lower=0)
    inverse, _ = lapack.dpotri(factor, lower=0)
    factor, _ = lapack.dpotrf(inverse, lower=0, clean=1)
    return factor
