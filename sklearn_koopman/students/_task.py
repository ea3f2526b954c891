"""What is handed to the solvers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..rows import LiftedRows, RowBlocks
from ._targets import Labels


@dataclass(frozen=True)
class Passed:
    """The steps between the rows that distances are measured in and their observables.

    These rows are what entered the pipeline if that is known, and otherwise what `fit` received.

    Attributes
    ----------
    steps : list of fitted transformers
    n_features : int or None
        Of a row that enters the first; None where rows are not numbers.
    """

    steps: list
    n_features: int | None

    @classmethod
    def by(cls, X, lifter):
        """Return what the rows that a student was given pass, with its own fitted lifter."""
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
        What rows count, times what their classes do.
    soft_logits : ndarray of shape (n_samples, n_classes), or None
    lifter : fitted transformer or None
    teacher : Teacher or None
        The teacher that was asked, fitted.
    dtype : numpy.dtype
        That of X, and so of the coefficients.
    soft_logits_from : callable or None
        Returns the `SoftTargets` of all rows by a teacher that is fitted on some of them (a mask)
        only; None where they do not depend on that.
    n_rows_made_of : int or None
        Of a transfer set: how many rows of a stream others have been made of, with these.
    given_weight : ndarray of shape (n_samples,), or None
        What rows count, whatever their classes; None is `sample_weight`.
    passed : Passed or None
        What the rows have passed.
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
        """How many numbers a row is mapped to: the logits of the classes."""
        return len(self.labels.classes)

    @property
    def fitted(self):
        """What is fitted before a solver starts, by the names of a student's attributes."""
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
        """Return the task of some rows, given by their indices."""
        return replace(
            self,
            blocks=self.blocks.at(rows),
            labels=replace(self.labels, codes=self.labels.codes[rows]),
            sample_weight=self.sample_weight[rows],
            soft_logits=None if self.soft_logits is None else self.soft_logits[rows],
            soft_logits_from=None,
            given_weight=None if self.given_weight is None else self.given_weight[rows],
        )
