"""Students that learn from additional rows."""

from collections.abc import Callable
from typing import Any

from scipy.sparse import issparse

from ..lifting import takes_floats_alone
from ..rows import LiftedRows, as_floats, as_given, is_dask
from ._lifted_rows import LiftedEstimator
from ._transfer import check_transfer_set


class TransferringStudent(LiftedEstimator):
    """Second base of the students that have the parameter `transfer_set`.

    Classifiers that choose by folds do not have it: rows made from a row must stay in its fold.
    """

    # Attributes of every subclass.
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
                    "transfer_set makes rows that have neither labels nor a teacher: pass a "
                    "teacher=, or TransferSet(..., keep_labels=True)."
                )
            return X, True  # soft_weight=0: the objective has no term for rows without labels
        if learns_softly and soft_labels is not None:
            raise ValueError(
                "soft_labels belong to the rows of X, and transfer_set makes more rows, which "
                "only a teacher can label: pass a teacher= instead of soft_labels=."
            )
        entered = X.origin.entered if isinstance(X, LiftedRows) else raw_X
        if learns_softly and teacher_X is not None and teacher_X is not entered:
            raise ValueError(
                "transfer_set makes rows like those of X, but the teacher sees other rows, "
                "teacher_X. Put the steps before the classifier into a "
                "sklearn_koopman.pipeline.make_pipeline or into its lifter=, so that both start "
                "from the same rows."
            )
        if is_dask(X):
            raise TypeError(
                "transfer_set takes no dask arrays. Make the rows with dask, X.map_blocks(...), "
                "and pass them together with the originals; or pass chunks in memory to "
                "partial_fit."
            )
        if isinstance(X, LiftedRows):
            of_floats = takes_floats_alone(X.origin.lifter)
            X = as_floats(X.origin.entered) if of_floats else as_given(X.origin.entered)
        if issparse(X):
            raise TypeError(
                "transfer_set takes no sparse X. Make rows from the input that X is made from, "
                "for example texts: put the step that makes X into a "
                "sklearn_koopman.pipeline.make_pipeline. Or make sparse rows yourself, and fit "
                "all of them: scipy.sparse.vstack([X, made]), with unlabeled_value in y for the "
                "rows that are made."
            )
        rows = self.transfer_set.enlarge(X, n_before=n_before)
        return rows, self.transfer_set.keep_labels
