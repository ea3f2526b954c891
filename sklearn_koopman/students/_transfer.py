"""Additional rows that the teacher labels."""

import sys
from functools import partial
from inspect import signature
from math import prod
from threading import Lock

import numpy as np
from sklearn.base import BaseEstimator

from .._devices import seeded_torch
from .._validation import (
    check_boolean,
    check_integer,
    check_random_state,
    invalid_parameter,
    is_integer,
)
from ..rows import EnlargedRows, GivenRows, as_given

# torch has one generator of random numbers for all threads.
_ONE_AT_A_TIME = Lock()


class TransferSet(BaseEstimator):
    r"""More rows for a student to learn from: made from those of X, labelled by the teacher.

    A teacher can label any number of inputs, so a student need not stop at the training set [1]_.
    Pass this to a student as `transfer_set=`. It makes shifted, deformed, mixed or synthetic rows
    from the X that `fit` receives, or from the training rows of each fold in a cross-validation. It
    helps if there are about as many observables as rows, or if the teacher knows something that the
    dictionary does not (a shifted digit is the same digit). It helps little if the student is too
    small for the rows that there are.

    Rows are made block by block, and made again when they are needed again. Kept are the teacher's
    outputs, and the narrowest form of the rows on their way through the student's `lifter`, such as
    PCA coordinates. The lifter is fitted only on the rows of X. So is a teacher that is an
    estimator.

    Parameters
    ----------
    augment : callable, torch.nn.Module, or list of these
        Makes one row from each row of a block: ``augment(X)`` or, if it has a parameter `rng`,
        ``augment(X, rng=rng)`` with a :class:`numpy.random.Generator`. It must take all its random
        numbers from `rng`, as rows are made more than once. X has the shape
        ``(n_rows, n_features)``, or ``(n_rows, *input_shape)``, and cannot be changed in place. If
        the `lifter`, or the first step of the pipeline, takes texts, images or data frames, X has
        that form. A torch module, such as torchvision's v2 transforms, gets rows one by one, as
        tensors of shape `input_shape`, and torch is seeded for it. In a list, each makes its own
        copies.
    n_copies : int, default=1
        Number of rows that `augment`, or each one in the list, makes from every row.
    keep_labels : bool, default=False
        Whether a made row has the label of its original as well as the teacher's soft targets.
    input_shape : tuple of int, default=None
        Shape in which `augment` gets a row, such as (28, 28). None leaves rows as they are.
    random_state : int, RandomState instance or None, default=0
        Seeds `rng` and torch, block by block. `partial_fit` draws new numbers for each chunk: those
        of `fit` for the same rows, if chunks are multiples of 1,024 rows. None takes another seed
        in every fit. All passes of one fit see the same rows.

    See Also
    --------
    KoopmanDistilledClassifier : Has a parameter `transfer_set`, as has `EDMDClassifier`.

    Notes
    -----
    A made row has the sample weight of its original. A student without a teacher
    (``soft_weight=0``) cannot use rows without labels, so none are made.

    References
    ----------
    .. [1] C. Bucila, R. Caruana and A. Niculescu-Mizil, "Model compression", Proc. 12th ACM SIGKDD
       (2006), section 2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter, TransferSet
    >>> def jitter(X, rng):
    ...     return X + rng.normal(scale=0.1, size=X.shape)
    >>> X, y = load_iris(return_X_y=True)
    >>> student = KoopmanDistilledClassifier(
    ...     RandomForestClassifier(random_state=0),
    ...     lifter=MonomialLifter(degree=2),
    ...     transfer_set=TransferSet(jitter, n_copies=4),
    ... ).fit(X, y)
    >>> round(student.score(X, y), 2)
    0.98
    """

    def __init__(
        self, augment, *, n_copies=1, keep_labels=False, input_shape=None, random_state=0
    ):
        self.augment = augment
        self.n_copies = n_copies
        self.keep_labels = keep_labels
        self.input_shape = input_shape
        self.random_state = random_state

    def enlarge(self, X, *, n_before=0):
        """Return the rows of X, followed by the rows that are made from them.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        n_before : int, default=0
            Number of rows of a stream that came before these. New rows get new random numbers.

        Returns
        -------
        rows : EnlargedRows
            Rows that can be read by slices and arrays of indices: ``rows[:]`` is the enlarged set.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_koopman import TransferSet
        >>> rows = TransferSet([np.negative, np.square]).enlarge(np.array([[2.0], [3.0]]))
        >>> rows[:].ravel()
        array([ 2.,  3., -2., -3.,  4.,  9.])
        """
        X = X if isinstance(X, GivenRows) else as_given(X)
        augmenters = self.augment if isinstance(self.augment, list | tuple) else [self.augment]
        if not augmenters or not all(map(callable, augmenters)):
            raise invalid_parameter(
                self,
                "augment",
                "a callable that makes rows from rows, or a list of such callables",
            )
        n_copies = check_integer(self, "n_copies", minimum=1)
        check_boolean(self, "keep_labels")
        shape = X.shape[1:] if self.input_shape is None else self.input_shape
        if not (isinstance(shape, tuple | list) and all(map(is_integer, shape))):
            raise invalid_parameter(self, "input_shape", "a tuple of int or None")
        if prod(shape) != prod(X.shape[1:]):
            raise ValueError(
                f"input_shape={self.input_shape!r} has {prod(shape)} numbers, but a row of X has "
                f"{prod(X.shape[1:])}."
            )
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        makers = [
            partial(_made, augment, _calling(augment), shape)
            for augment in augmenters
            for _ in range(n_copies)
        ]
        return EnlargedRows(X, makers, seed, n_before)


def check_transfer_set(transfer_set):
    """Raise TypeError for anything but a transfer set."""
    if not isinstance(transfer_set, TransferSet):
        raise TypeError(
            f"transfer_set={transfer_set!r} is not a TransferSet: pass TransferSet(augment), where "
            "augment makes a block of rows from a block of rows."
        )


def _made(augment, call, shape, X, rng):
    """Return the rows that an augmenter makes from a block, in the form of the block."""
    if not isinstance(X, np.ndarray):
        return _made_frame(augment, call(X, rng), X)
    made = np.asarray(call(X.reshape(len(X), *shape), rng))
    if made.shape != (len(X), *shape):
        raise ValueError(
            f"augment {augment!r} returned an array of shape {made.shape} for one of shape "
            f"{(len(X), *shape)}: it must make one row from each row. For several, use n_copies= "
            "or a list."
        )
    made = made.reshape(X.shape)
    if X.dtype.kind != "f":  # whole numbers may become floats, and texts may become longer
        return made
    made = made.astype(X.dtype, copy=False)
    if not np.isfinite(made).all() and np.isfinite(X).all():
        raise ValueError(f"augment {augment!r} returned NaN or infinity.")
    return made


def _made_frame(augment, made, X):
    """Return the block that an augmenter makes from a data frame, if it has the same form."""
    if type(made) is not type(X) or made.shape != X.shape:
        raise ValueError(
            f"augment {augment!r} returned a {type(made).__name__} of shape {np.shape(made)} for a "
            f"{type(X).__name__} of shape {X.shape}: it must make one row from each row, in the "
            "same form. For several, use n_copies= or a list."
        )
    return made


def _calling(augment):
    """Return ``call(X, rng)`` for an augmenter of any kind."""
    torch = sys.modules.get("torch")  # no module can exist before torch has been imported
    if torch is not None and isinstance(augment, torch.nn.Module):
        return partial(_call_module, torch, augment)
    try:
        takes_rng = "rng" in signature(augment).parameters
    except ValueError:  # a function in C without a signature
        takes_rng = False
    if takes_rng:
        return lambda X, rng: augment(X, rng=rng)
    return lambda X, rng: augment(X)


def _call_module(torch, module, X, rng):
    """Apply a torch transform to each row, as it would treat all rows of a batch alike."""
    with _ONE_AT_A_TIME, seeded_torch(int(rng.integers(2**63))), torch.no_grad():
        return torch.stack([module(torch.tensor(row)) for row in X]).numpy()
