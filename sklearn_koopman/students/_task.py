"""The task of a solver."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..rows import LiftedRows, RowBlocks
from ._labels import Labels


@dataclass(frozen=True)
class Passed:
    """The steps between the rows that distances are measured in and their observables.

    These rows are what entered the pipeline if that is known, and otherwise what `fit` received.

    Attributes
    ----------
    steps : list of fitted transformers
    n_features : int or None
        Number of features of a row that enters the first step. None if rows are not numbers.
    """

    steps: list
    n_features: int | None

    @classmethod
    def by(cls, X, lifter):
        """Return the steps that a student's rows pass, including its own fitted lifter."""
        steps = [] if lifter is None else [lifter]
        if isinstance(X, LiftedRows):
            entered, before = X.X, X.lifter
            if X.origin is not None:
                entered, before = X.origin.entered, X.origin.lifter
            steps = [before, *steps]
            X = entered
        shape: tuple = getattr(X, "shape", ())
        return cls(steps, shape[1] if len(shape) == 2 else None)


@dataclass(frozen=True)
class Task:
    """All that a solver needs: lifted rows, labels, weights and soft targets.

    Attributes
    ----------
    blocks : RowBlocks
    labels : Labels
    sample_weight : ndarray of shape (n_samples,)
        Weights of the rows, times the weights of their classes.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
    lifter : fitted transformer or None
    teacher : Teacher or None
        The fitted teacher that gave the soft targets.
    dtype : numpy.dtype
        Dtype of X, and so of the coefficients.
    soft_logits_from : callable or None
        Returns the `SoftTargets` of all rows from a teacher that is fitted only on some of them (a
        mask). None if the soft targets do not depend on the fit.
    n_rows_made_of : int or None
        For a transfer set: number of rows of a stream, including these, from which others were
        made.
    given_weight : ndarray of shape (n_samples,), or None
        Weights of the rows without the weights of classes. None: `sample_weight`.
    passed : Passed or None
        Steps that the rows have passed.
    raised : callable or None
        Applies the weights of classes to a teacher's logits, (n_rows, n_classes). None leaves them
        as they are.
    """

    blocks: RowBlocks
    labels: Labels
    sample_weight: np.ndarray
    soft_logits: np.ndarray | None
    lifter: object
    teacher: object
    dtype: np.dtype
    soft_logits_from: Callable | None = None
    n_rows_made_of: int | None = None
    given_weight: np.ndarray | None = None
    passed: Passed | None = None
    raised: Callable | None = None

    @property
    def n_targets(self):
        """Number of outputs for a row: the logits of the classes."""
        return len(self.labels.classes)

    @property
    def fitted(self):
        """Attributes that are fitted before a solver starts, by name."""
        known = {
            "lifter_": self.lifter,
            "teacher_": self.teacher,
            "_stream_n_rows": self.n_rows_made_of,
        }
        return {
            "classes_": self.labels.classes,
            **{name: value for name, value in known.items() if value is not None},
        }

    def at(self, rows):
        """Return the task for some rows, given by their indices."""
        return replace(
            self,
            blocks=self.blocks.at(rows),
            labels=replace(self.labels, codes=self.labels.codes[rows]),
            sample_weight=self.sample_weight[rows],
            soft_logits=None if self.soft_logits is None else self.soft_logits[rows],
            soft_logits_from=None,
            given_weight=None if self.given_weight is None else self.given_weight[rows],
        )
