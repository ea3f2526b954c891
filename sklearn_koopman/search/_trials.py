"""Trials of candidates: fits to some rows with several settings, scored on held-out rows."""

from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from ..classification import SharedPaths, held_out_scores
from ..linear import check_finite_moments
from ..rows import DiagonalMoments, lifted_blocks, row_blocks
from ._dictionaries import Dictionary

# Largest number of steps of each fit, far more than are needed.
MOST_STEPS = 300
# Number of digits of scores that matter.
DIGITS = 12


@dataclass(frozen=True)
class Settings:
    """Settings of a student besides its observables.

    Attributes
    ----------
    soft_weight, temperature, ridge : float
    transfer_set : TransferSet or None
    """

    soft_weight: float
    temperature: float
    ridge: float
    transfer_set: Any = None


@dataclass(frozen=True)
class Found:
    """A student with its score.

    Attributes
    ----------
    settings : Settings
    score : float
        Mean over the splits.
    n_rows : int
        Training rows.
    round : int
    """

    settings: Settings
    score: float
    n_rows: int
    round: int


@dataclass
class Candidate:
    """A dictionary with its cost and its scores.

    Attributes
    ----------
    dictionary : Dictionary
    cost : float
    n_observables : int
    found : list of Found
        The best students of each round, and of each transfer set.
    lifters : dict
        Lifters in each split, by its number.
    starts : dict
        Coefficients and intercepts of the last fit in each split, by its number.
    """

    dictionary: Dictionary
    cost: float
    n_observables: int
    found: list[Found] = field(default_factory=list)
    lifters: dict = field(default_factory=dict)
    starts: dict = field(default_factory=dict)

    @property
    def latest(self):
        """The latest student: for transfer sets, the best of them."""
        last = self.found[-1].round
        return max(
            (each for each in self.found if each.round == last), key=lambda each: each.score
        )

    def observed(self, number, coordinates):
        """Return rows of a split as blocks of observables, given their coordinates."""
        parts = self.dictionary.parts
        lifted = []
        for part, lifter, Z in zip(parts, self.lifters[number], coordinates, strict=True):
            blocks = (
                row_blocks(part.of(Z)) if lifter is None else lifted_blocks(lifter, part.of(Z))
            )
            if len(parts) == 1:
                return blocks
            lifted.append(blocks.all_lifted())
        return row_blocks(np.hstack(lifted))

    def try_out(
        self, splits, n_rows, pairs, ridges, *, tol, scoring, number, transfer_set=None
    ):
        """Fit the student with all settings, and store the best one.

        Parameters
        ----------
        splits : list of Split
        n_rows : int
            Number of training rows in the first split. Other splits use the same share.
        pairs : list of (float, float)
            Soft weights and temperatures.
        ridges : list of float
            From the largest down.
        tol : float
        scoring : callable
        number : int
            Number of the round.
        transfer_set : TransferSet, default=None
        """
        tried = [
            Settings(soft_weight, temperature, ridge, transfer_set)
            for (soft_weight, temperature), ridge in product(pairs, ridges)
        ]
        scores, of_splits = [], []
        for k, split in enumerate(splits):
            if k not in self.lifters:
                self.lifters[k] = split.lifters(self.dictionary)
            n_here = -(-n_rows * len(split.train.X) // len(splits[0].train.X))
            coordinates, task = split.training(self.dictionary, n_here, transfer_set)
            task = replace(task, blocks=self.observed(k, coordinates))
            scale, solutions = solved(task, pairs, ridges, self.starts.get(k), tol)
            models = [scale.unscale(each.coef, each.intercept) for each in solutions]
            coef = np.array([each.T for each, _ in models])
            intercept = np.array([each for _, each in models])
            coordinates, held_out = split.held_out(self.dictionary)
            held_out = replace(held_out, blocks=self.observed(k, coordinates))
            rows = np.arange(len(held_out.sample_weight))
            scores.append(held_out_scores(held_out, rows, coef, intercept, scoring))
            of_splits.append((coef, intercept))
        # Sums of weights in another order count as the same score.
        means = np.mean(np.array(scores), axis=0).round(DIGITS)
        best = int(np.argmax(means))
        for k, (coef, intercept) in enumerate(of_splits):
            self.starts[k] = coef[best], intercept[best]
        self.found.append(Found(tried[best], float(means[best]), n_rows, number))


def solved(task, pairs, ridges, start, tol):
    """Return the scale of the observables, and the minimiser for each setting.

    Parameters
    ----------
    task : Task
    pairs : list of (float, float)
        Soft weights and temperatures.
    ridges : list of float
        From the largest down.
    start : tuple of (coef, intercept), or None
        Coefficients of one student for observables without standardisation, (n_classes,
        n_observables).
    tol : float

    Returns
    -------
    scale : Scale
    solutions : list of Solution
        Solutions for all ridges of each pair.
    """
    n_observables, n_classes = task.blocks.n_observables, len(task.labels.classes)
    moments = task.blocks.map_reduce(
        DiagonalMoments.update, DiagonalMoments(n_observables), task.sample_weight
    )
    scale = moments.scale
    check_finite_moments(scale)
    shared = SharedPaths(task, scale, max_iter=MOST_STEPS, tol=tol)
    if start is None:
        at = np.zeros((n_observables, n_classes)), np.zeros(n_classes)
    else:
        at = scale.rescale(start[0].T, start[1])
    solutions = []
    for soft_weight, temperature in pairs:
        path = [*shared.path(soft_weight, temperature, ridges, *at)]
        at = path[0].coef, path[0].intercept
        solutions += path
    return scale, solutions
