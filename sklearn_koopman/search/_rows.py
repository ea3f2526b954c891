"""Rows of a search, and their coordinates, which candidates share."""

from copy import copy
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from ..lifting import learns_nothing
from ..rows import by_rows, fit_lifter, lifted_blocks
from ..students import TransferSet, soft_targets
from ._dictionaries import fitted_lifter

# Largest number of coordinates of made rows that are kept, because few candidates share those of
# many filters.
KEPT_BYTES = 2**28


def shifted(images, down, right):
    """Return images that are moved by some pixels, and filled with zeros.

    Parameters
    ----------
    images : ndarray of shape (n_images, ..., height, width)
    down, right : int
    """
    moved = np.zeros_like(images)
    height, width = images.shape[-2:]
    rows, columns = (
        slice(max(down, 0), height + min(down, 0)),
        slice(max(right, 0), width + min(right, 0)),
    )
    came_from = (
        slice(max(-down, 0), height - max(down, 0)),
        slice(max(-right, 0), width - max(right, 0)),
    )
    moved[..., rows, columns] = images[..., *came_from]
    return moved


def shifts(shape):
    """Return the transfer set of images that are moved by a pixel in four directions."""
    steps = (0, 1), (0, -1), (1, 0), (-1, 0)
    augment = [partial(shifted, down=down, right=right) for down, right in steps]
    return TransferSet(augment, keep_labels=True, input_shape=tuple(shape))


class Piece:
    """Some rows with their task, and the coordinates that have been computed.

    Parameters
    ----------
    task : Task
        Task of all rows, not lifted.
    rows : ndarray of int
        Indices in the order in which rows are used.
    """

    def __init__(self, task, rows):
        self.rows = rows
        self.X = task.blocks.lifted(rows)
        self.task = task.at(rows)
        self.known: dict = {}
        self.made_targets: dict = {}

    def of(self, task):
        """Return the same rows with another task."""
        other = copy(self)
        other.task = task.at(self.rows)
        return other

    def coordinates(self, name, front, n_rows):
        """Return the coordinates of the first `n_rows` rows. Only missing ones are computed."""
        known = self.known.get(name, self.X[:0])
        if len(known) < n_rows:
            new = lifted_blocks(front, self.X[len(known) : n_rows]).all_lifted()
            known = np.concatenate([known, new]) if len(known) else new
            self.known[name] = known
        return known[:n_rows]

    def made(self, name, front, transfer_set):
        """Return the coordinates of all rows, followed by those of rows made from them."""
        key = name, transfer_set
        known = self.known.get(key)
        if known is None:
            known = lifted_blocks(front, transfer_set.enlarge(self.X)).all_lifted()
            if known.nbytes <= KEPT_BYTES:
                self.known[key] = known
        return known

    def keep_only(self, names):
        """Forget the coordinates that are no longer needed."""
        for key in self.known.keys() - names:
            del self.known[key]

    def first(self, n_rows):
        """Return the task of the first `n_rows` rows."""
        return self.task.at(np.arange(n_rows))

    def enlarged(self, transfer_set, ask):
        """Return the task of all rows and of rows made from them, not lifted.

        Parameters
        ----------
        transfer_set : TransferSet
        ask : callable or None
            Function of rows and labels that returns the teacher's logits. None: made rows have the
            logits of their originals.
        """
        task, rows = self.task, transfer_set.enlarge(self.X)
        codes = rows.repeated(task.labels.codes, None if transfer_set.keep_labels else -1)
        labels = replace(task.labels, codes=codes)
        soft_logits = task.soft_logits
        if soft_logits is not None:
            if ask is None:
                soft_logits = np.tile(soft_logits, (1 + rows.n_copies, 1))
            else:
                if transfer_set not in self.made_targets:
                    self.made_targets[transfer_set] = ask(rows, labels)
                soft_logits = self.made_targets[transfer_set]
        weight = rows.repeated(task.sample_weight)
        if task.given_weight is not None and not transfer_set.keep_labels:
            # Rows without a label have no class, so no weight of a class.
            n_real = len(self.X)
            weight[n_real:] = rows.repeated(task.given_weight)[n_real:]
        return replace(
            task,
            labels=labels,
            sample_weight=weight,
            soft_logits=soft_logits,
            given_weight=None,
        )


class Split:
    """Training rows and held-out rows, and their transformers to coordinates.

    Parameters
    ----------
    task : Task
        Task of all rows. Soft targets come from a teacher that has learned from training rows.
    train, test : ndarray of int
    fronts : dict of str to transformer
        Unfitted.
    ask : callable or None
        As for `Piece.enlarged`.
    """

    def __init__(self, task, train, test, fronts, ask):
        self.train, self.test = Piece(task, train), Piece(task, test)
        self.unfitted, self.fitted, self.ask = fronts, {}, ask

    def front(self, name):
        """Return a transformer to coordinates, fitted to the training rows."""
        if name not in self.fitted:
            self.fitted[name] = _fitted(self.unfitted[name], self.train)
        return self.fitted[name]

    def lifters(self, dictionary):
        """Return the lifters of all parts, fitted to the coordinates of all training rows."""
        fitted = []
        for part in dictionary.parts:
            learns = not (part.lifter is None or learns_nothing(part.lifter))
            n_rows = len(self.train.X) if learns else 1
            coordinates = self.train.coordinates(part.front, self.front(part.front), n_rows)
            fitted.append(fitted_lifter(part, part.of(coordinates)))
        return fitted

    def training(self, dictionary, n_rows, transfer_set=None):
        """Return the coordinates of training rows for each part of a dictionary, and their task."""
        if transfer_set is None:
            return self._first(self.train, dictionary, n_rows), self.train.first(n_rows)
        return self._made(self.train, dictionary, transfer_set)

    def held_out(self, dictionary):
        """Return the coordinates and the task of held-out rows."""
        n_rows = len(self.test.X)
        return self._first(self.test, dictionary, n_rows), self.test.task

    def all_rows(self, dictionary, task, others, transfer_set=None):
        """Return the coordinates and the task of training rows and others together.

        Parameters
        ----------
        dictionary : Dictionary
        task : Task
            Task of all rows, with the soft targets of a teacher that has learned from all rows.
        others : Piece
            All rows that are not training rows.
        transfer_set : TransferSet, default=None
        """
        parts = []
        for piece in (self.train.of(task), others.of(task)):
            if transfer_set is None:
                n_rows = len(piece.X)
                parts.append((self._first(piece, dictionary, n_rows), piece.first(n_rows)))
            else:
                parts.append(self._made(piece, dictionary, transfer_set))
        (first, of_first), (second, of_second) = parts
        coordinates = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
        return coordinates, _together(of_first, of_second)

    def keep_only(self, dictionaries):
        """Forget the coordinates that no dictionary needs."""
        names = {name for dictionary in dictionaries for name in dictionary.fronts}
        for piece in (self.train, self.test):
            piece.keep_only(names)

    def _first(self, piece, dictionary, n_rows):
        return [piece.coordinates(name, self.front(name), n_rows) for name in dictionary.fronts]

    def _made(self, piece, dictionary, transfer_set):
        coordinates = [
            piece.made(name, self.front(name), transfer_set) for name in dictionary.fronts
        ]
        return coordinates, piece.enlarged(transfer_set, self.ask)


def asking(teacher, kind, floor, raised=None):
    """Return a function that asks a fixed teacher about made rows.

    Parameters
    ----------
    teacher : Teacher
    kind : str
        Kind of its outputs, see `teacher_output`.
    floor : float or None
        The smallest probability.
    raised : callable, default=None
        See `Task`.
    """

    def ask(rows, labels):
        targets = soft_targets(
            teacher,
            rows,
            labels,
            None,
            n_samples=len(rows),
            teacher_X=None,
            kind=kind,
            floor=floor,
        )
        logits = by_rows(np.asarray, targets.logits)
        return logits if raised is None else raised(logits)

    return ask


def _fitted(front, piece):
    task = piece.task
    if has_fit_parameter(front, "sample_weight"):
        return clone(front).fit(piece.X, sample_weight=task.sample_weight)
    return fit_lifter(front, piece.X, task.labels.codes, task.labels.is_labelled)


def _together(first, second):
    """Return the task of the rows of two tasks."""
    labels = replace(
        first.labels, codes=np.concatenate([first.labels.codes, second.labels.codes])
    )
    soft_logits = first.soft_logits
    if soft_logits is not None:
        soft_logits = np.concatenate([soft_logits, second.soft_logits])
    weight = np.concatenate([first.sample_weight, second.sample_weight])
    return replace(
        first, labels=labels, sample_weight=weight, soft_logits=soft_logits, given_weight=None
    )
