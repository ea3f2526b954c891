"""Students that learn from more rows than they were given."""

from collections.abc import Callable
from typing import Any

from scipy.sparse import issparse

from ..lifting import takes_floats_alone
from ..rows import LiftedRows, as_floats, as_given, is_dask
from ._lifted_rows import LiftedEstimator
from ._transfer import check_transfer_set


class TransferringStudent(LiftedEstimator):
    """Base of the students that have the parameter `transfer_set`, beside another base.

    Classifiers that choose by folds do not have it: what is made of a row must stay in its fold.
    """

    # What every subclass has.
    teacher: Any
    transfer_set: Any
    _wants_soft_targets: Callable

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse &= self.transfer_set is None
        return tags

    def _rows_to_learn_from(self, X, raw_X, soft_labels, teacher_X, n_before):
        if self.transfer_set is None:
            return X, True
        check_transfer_set(self.transfer_set)
        learns_softly = self._wants_soft_targets(soft_labels)
        if not (learns_softly or self.transfer_set.keep_labels):
            if self.teacher is None:
                raise ValueError(
                    "transfer_set makes rows that have neither labels nor a teacher: give a "
                    "teacher=, or TransferSet(..., keep_labels=True)."
                )
            return X, True  # soft_weight=0: the objective has no term for rows without labels
        if learns_softly and soft_labels is not None:
            raise ValueError(
                "soft_labels are those of the rows of X, and transfer_set makes more rows, which "
                "only a teacher can label: give a teacher= instead of soft_labels=."
            )
        entered = X.origin.entered if isinstance(X, LiftedRows) else raw_X
        if learns_softly and teacher_X is not None and teacher_X is not entered:
            raise ValueError(
                "transfer_set makes rows like those of X, but the teacher sees other ones, "
                "teacher_X. Put the steps before the classifier into a "
                "sklearn_koopman.pipeline.make_pipeline or into its lifter=, so that both start "
                "from the same rows."
            )
        if is_dask(X):
            raise TypeError(
                "transfer_set takes no dask arrays. Make the rows with dask, X.map_blocks(...), "
                "and pass them with their originals; or hand chunks in memory to partial_fit."
            )
        if isinstance(X, LiftedRows):
            of_floats = takes_floats_alone(X.origin.lifter)
            X = as_floats(X.origin.entered) if of_floats else as_given(X.origin.entered)
        if issparse(X):
            raise TypeError(
                "transfer_set takes no sparse X. Make rows of what X is made of, texts say: put "
                "the step that makes X into a sklearn_koopman.pipeline.make_pipeline. Or make "
                "sparse rows yourself, and fit all of them: scipy.sparse.vstack([X, made]), with "
                "unlabeled_value= in the y of those that are made."
            )
        rows = self.transfer_set.enlarge(X, n_before=n_before)
        return rows, self.transfer_set.keep_labels
