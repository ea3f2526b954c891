"""One run of the search: the plan, its rounds, and the last fits."""

from bisect import bisect_right
from dataclasses import replace
from functools import cached_property, partial
from math import prod
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator

from .._fitting import store_fitted
from .._progress import progress
from .._validation import check_random_state
from .._warnings import warn_user
from ..classification import (
    SCORINGS,
    KoopmanDistilledClassifier,
    make_splits,
    scoring_of,
)
from ..lifting import ConvolutionalLifter, learns_nothing
from ..selection import ObservableSelector
from ..students import koopman_attributes
from ._costs import UNITS, cost_of
from ._dictionaries import fitted_lifter, joined
from ._halving import (
    KEPT,
    best_at_prices,
    frontier,
    in_turns,
    price_ladder,
    rows_of_rounds,
    survivors,
)
from ._rows import Piece, Split, asking
from ._space import choices, given_space, space_of_images, space_of_rows
from ._trials import Candidate, Settings, solved

# One row in this many is held out if cv is None.
HELD_OUT = 6
# Shares of the time that may have passed when each round ends (the last rounds last), and when the
# trials of transfer sets end. The last fits take the rest.
SHARES = (0.35, 0.55, 0.7, 0.8)
# Tolerances of minimisation in the last round, and in earlier ones.
LAST_TOL, FIRST_TOL = 5e-4, 2e-3
# Largest number of rows for the choice of single observables.
ROWS_TO_CHOOSE_BY = 20_000
# Number of rows that fronts are fitted to if only their sizes matter, and of patches for filters.
FEW_ROWS, FEW_PATCHES = 500, 2000
# Number of rows of coordinates that lifters are fitted to if only their sizes matter.
DRAWN_ROWS = 1000


class Clock:
    """The passed share of the user's time."""

    def __init__(self, limit):
        self.start, self.limit = perf_counter(), limit

    def is_over(self, share):
        """Whether more than a share of the time has passed."""
        return self.limit is not None and perf_counter() - self.start > share * self.limit


class Search:
    """A run of the search.

    Parameters
    ----------
    search : KoopmanSearchCV
        Search with the parameters.
    task : Task
        Task of all rows, not lifted.
    prices : list of float or None
    pairs : list of (float, float)
        Soft weights and temperatures.
    ridges : list of float
        From the largest down.
    transfer_sets : list of TransferSet
    clock : Clock
    sees_X : bool
        Whether the teacher sees the rows that students see.
    """

    def __init__(self, search, task, *, prices, pairs, ridges, transfer_sets, clock, sees_X):
        self.search, self.task, self.clock = search, task, clock
        self.pairs, self.ridges, self.transfer_sets = pairs, ridges, transfer_sets
        self.scoring = scoring_of(search, SCORINGS)
        self.random = check_random_state(search.random_state)
        self.seed = self.random.randint(2**31 - 1)
        self.cut: list[str] = []
        self.splits = self.make_splits(sees_X)
        self.rows = self.splits[0].train.X
        self.row_counts = rows_of_rounds(len(self.rows))
        self.stubs: dict = {}
        self.space = self.make_space()
        for split in self.splits:
            split.unfitted = self.space.fronts
        self.candidates, self.prices = self.plan(prices)

    def make_splits(self, sees_X):
        """Return the splits, with training rows in the order in which rounds use them."""
        task = self.task
        counts = task.sample_weight > 0
        if self.search.cv is None:
            pairs = [held_out_split(task.labels.codes, self.random)]
        else:
            pairs = make_splits(self.search.cv, task)
        teacher, splits = task.teacher, []
        ask = None
        if task.soft_logits is not None and sees_X and teacher is not None and teacher.is_fixed:
            search = self.search
            floor = search._probability_floor
            ask = asking(teacher, search.teacher_output, floor, task.raised)
        for train, test in pairs:
            train = train[counts[train]]
            if len(rows_of_rounds(len(train))) > 1:
                train = self.random.permutation(train)
            of_split = task
            if task.soft_logits_from is not None:
                may_learn = np.zeros(len(counts), dtype=bool)
                may_learn[train] = True
                of_split = replace(task, soft_logits=task.soft_logits_from(may_learn).logits)
            splits.append(Split(of_split, train, test, {}, ask))
        return splits

    def make_space(self):
        """Return the space of dictionaries in all sizes."""
        search = self.search
        n_rows, n_features = self.rows.shape
        # More observables than rows help little.
        most_observables = min(search.max_observables, max(n_rows, FEW_ROWS))
        if not isinstance(search.dictionaries, str):
            return given_space(search.dictionaries)
        if search.input_shape is None:
            return space_of_rows(n_rows, n_features, most_observables, self.seed)
        shape = search.input_shape
        if prod(shape) != n_features:
            raise ValueError(
                f"input_shape={shape} has {prod(shape)} numbers, but X has {n_features} "
                "feature(s)."
            )
        are_positive = bool(self.rows.min() >= 0)
        return space_of_images(
            n_rows, shape, most_observables, self.seed, are_positive=are_positive
        )

    def plan(self, prices):
        """Return the candidates, the cheapest first, and the prices of the search."""
        more = choices(self.space, self.select, *self.rows.shape)
        families = [*self.space.families, *more]
        families = [family for family in families if family.sizes]
        costs: dict = {}

        def cost(family, size):
            key = family.name, size
            if key not in costs:
                costs[key] = self.priced(family.dictionary(size))
            return costs[key].cost

        ends = [
            cost(family, size)
            for family in families
            for size in family.sizes[:: len(family.sizes) - 1 or 1]
        ]
        if prices is None or len(prices) == 1:
            prices = price_ladder(min(ends), prices[0] if prices else max(ends))
        chosen = {}
        for family in families:
            for price in prices:
                prices_of = partial(cost, family)
                n_affordable = bisect_right(family.sizes, price, key=prices_of)
                if n_affordable:
                    key = family.name, family.sizes[n_affordable - 1]
                    chosen[key] = costs[key]
        if not chosen:
            raise ValueError(
                f"budget={self.search.budget!r} pays for no candidate: the cheapest costs "
                f"{min(ends):g} {UNITS.get(self.search.cost, self.search.cost)}."
            )
        candidates = sorted(chosen.values(), key=lambda each: (each.cost, each.dictionary.name))
        return candidates, prices

    def priced(self, dictionary):
        """Return a candidate with its cost, which depends only on the sizes of its parts."""
        parts = dictionary.parts
        fronts = {part.front: self.stub(part.front) for part in parts}
        lifters = [
            fitted_lifter(part, self.drawn_coordinates(part, fronts[part.front]))
            for part in parts
        ]
        lifter = joined(parts, fronts, lifters)
        n_observables = lifter.transform(self.rows[:1]).shape[1]
        n_classes = len(self.task.labels.classes)
        matrix = {
            "coef_": np.ones((n_classes, n_observables), self.task.dtype),
            "intercept_": np.ones(n_classes, self.task.dtype),
        }
        student = self.student(lifter, Settings(0.0, 1.0, 1.0), matrix)
        cost = cost_of(self.search.cost, student, self.rows[:1], self.search.c_settings)
        return Candidate(dictionary, cost, n_observables)

    def drawn_coordinates(self, part, front):
        """Return random coordinates for the lifter of a part, in the width that it takes."""
        if part.lifter is None:
            return None
        width = part.width or front.transform(self.rows[:1]).shape[1]
        n_rows = 1 if learns_nothing(part.lifter) else DRAWN_ROWS
        drawn = np.random.default_rng(0).normal(size=(n_rows, width))
        return drawn.astype(self.rows.dtype)

    def stub(self, name):
        """Return a transformer to coordinates, fitted to few rows (users' own to all rows)."""
        if not isinstance(self.search.dictionaries, str):
            return self.splits[0].front(name)
        if name not in self.stubs:
            front = clone(self.space.fronts[name])
            if isinstance(front, ConvolutionalLifter) and isinstance(front.filters, str):
                front.set_params(filters="random", n_patches=FEW_PATCHES)
            self.stubs[name] = front.fit(self.rows[:FEW_ROWS])
        return self.stubs[name]

    def select(self, front, width, lifter):
        """Return the selector of single observables of the first coordinates of a front."""
        split = self.splits[0]
        n_rows = min(len(self.rows), ROWS_TO_CHOOSE_BY)
        coordinates = split.train.coordinates(front, split.front(front), n_rows)[:, :width]
        task = split.train.first(n_rows)
        targets = task.labels.codes
        if task.soft_logits is not None:
            targets = task.soft_logits - task.soft_logits.mean(axis=1, keepdims=True)
        selector = ObservableSelector(lifter, unlabeled_value=-1)
        return selector.fit(coordinates, targets, sample_weight=task.sample_weight)

    def run(self):
        """Run all rounds, and return the fitted attributes."""
        alive = self.candidates
        n_rounds = len(self.row_counts)
        shares, kept = SHARES[-n_rounds - 1 :], KEPT[-n_rounds:]
        for number, n_rows in enumerate(self.row_counts):
            is_last = number == n_rounds - 1
            tol = LAST_TOL if is_last else FIRST_TOL
            tried: list[Candidate] = []
            costs = [candidate.cost for candidate in alive]
            planned = [alive[i] for i in in_turns(costs, self.prices)]
            for candidate in self.watched(planned, f"round {number + 1}, {n_rows} rows"):
                if tried and self.clock.is_over(shares[number]):
                    self.cut.append(f"{candidate.dictionary.name} (round {number + 1})")
                    continue
                pairs, ridges = self.settings(candidate, number)
                self.try_out(candidate, number, pairs, ridges, tol)
                tried.append(candidate)
            tried.sort(key=self.candidates.index)
            alive = self.chosen(tried, partial(survivors, n_kept=kept[number]))
            for split in self.splits:
                split.keep_only([candidate.dictionary for candidate in alive])
        for candidate in self.watched(alive, "transfer sets"):
            for transfer_set in self.transfer_sets:
                if self.clock.is_over(shares[-1]):
                    self.cut.append(f"{candidate.dictionary.name} (transfer set)")
                    continue
                found = candidate.latest.settings
                pair = found.soft_weight, found.temperature
                ridges = self.ridges_below(found.ridge)
                self.try_out(candidate, n_rounds - 1, [pair], ridges, LAST_TOL, transfer_set)
        if self.cut:
            warn_user(
                f"time={self.search.time} ended the search before all was tried. Left out: "
                f"{'; '.join(self.cut)}. Raise time or lower budget."
            )
        return self.fitted()

    def watched(self, candidates, title):
        """Yield the candidates, and show the progress."""
        with progress(title, len(candidates), "candidate") as steps:
            for candidate in candidates:
                yield candidate
                steps.done(f"{title}: {candidate.dictionary.name}")

    def try_out(self, candidate, number, pairs, ridges, tol, transfer_set=None):
        """Fit a candidate in all splits, and score it."""
        candidate.try_out(
            self.splits,
            self.row_counts[number],
            pairs,
            ridges,
            tol=tol,
            scoring=self.scoring,
            number=number,
            transfer_set=transfer_set,
        )

    def settings(self, candidate, number):
        """Return pairs and ridges of a round: first two large ridges, then all pairs, then few."""
        if len(self.row_counts) == 1:
            return self.pairs, self.ridges
        if number == 0:
            return self.pairs[:1], self.ridges[:2]
        found = candidate.latest.settings
        ridges = self.ridges_below(found.ridge)
        if number == 1:
            return self.pairs, ridges
        return [(found.soft_weight, found.temperature)], ridges

    def ridges_below(self, ridge):
        """Return a ridge and the next smaller one, because more rows need less penalty."""
        place = self.ridges.index(ridge)
        return self.ridges[place : place + 2]

    def chosen(self, candidates, choose):
        """Return the candidates that a function of costs, scores and prices chooses."""
        costs = [candidate.cost for candidate in candidates]
        scores = [candidate.latest.score for candidate in candidates]
        return [candidates[i] for i in choose(costs, scores, prices=self.prices)]

    def fitted(self):
        """Fit the best candidate at each price to all rows, and return the fitted attributes."""
        judged = [candidate for candidate in self.candidates if candidate.found]
        winners = self.chosen(judged, best_at_prices)
        students = [
            self.last_fit(winner, winner.latest.settings)
            for winner in self.watched(winners, "last fits")
        ]
        scores = np.array([winner.latest.score for winner in winners])
        costs = np.array([winner.cost for winner in winners])
        best = int(np.argmax(scores))
        (twin,) = map(self.twin, self.watched([winners[best]], "without a teacher"))
        table = self.table()
        latest = np.flatnonzero(table["is_latest"])
        on_frontier = frontier(table["cost"][latest], table["score"][latest])
        of_best = vars(students[best])
        of_matrix = ("lifter_", "coef_", "intercept_", "_constant_observable")
        return {
            **{name: of_best[name] for name in of_matrix},
            "best_estimator_": students[best],
            "best_score_": float(scores[best]),
            "best_cost_": float(costs[best]),
            "best_candidate_": winners[best].dictionary.name,
            "no_teacher_": None if twin is None else twin[0],
            "no_teacher_score_": None if twin is None else twin[1],
            "results_": table,
            "frontier_": latest[on_frontier].tolist(),
            "frontier_estimators_": students,
            "frontier_costs_": costs,
            "frontier_scores_": scores,
            "prices_": self.prices,
            "cut_": self.cut,
        }

    def table(self):
        """Return all scored candidates as columns of a table."""
        rows = [
            {
                "candidate": candidate.dictionary.name,
                "round": found.round,
                "n_rows": found.n_rows,
                "cost": candidate.cost,
                "n_observables": candidate.n_observables,
                "score": found.score,
                "soft_weight": found.settings.soft_weight,
                "temperature": found.settings.temperature,
                "ridge": found.settings.ridge,
                "transfer_set": self.number_of(found.settings.transfer_set),
                "is_latest": found is candidate.latest,
            }
            for candidate in self.candidates
            for found in candidate.found
        ]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def number_of(self, transfer_set):
        """Return the number of a transfer set, or -1 for none."""
        return -1 if transfer_set is None else self.transfer_sets.index(transfer_set)

    def last_fit(self, candidate, settings):
        """Return a candidate's student, fitted to all rows."""
        split = self.splits[0]
        coordinates, task = split.all_rows(
            candidate.dictionary, self.task, self.other_rows, settings.transfer_set
        )
        task = replace(task, blocks=candidate.observed(0, coordinates))
        pair = settings.soft_weight, settings.temperature
        scale, (solution,) = solved(
            task, [pair], [settings.ridge], candidate.starts.get(0), self.search.tol
        )
        if not solution.converged:
            warn_user(
                f"The last fit of {candidate.dictionary.name} stopped at a gradient of "
                f"{solution.gradient_norm:.1e}, above tol={self.search.tol}: raise tol, or leave "
                "the smallest of ridges out.",
                ConvergenceWarning,
            )
        lifter = joined(candidate.dictionary.parts, split.fitted, candidate.lifters[0])
        fitted = {
            **koopman_attributes(solution.coef, solution.intercept, scale, self.task.dtype),
            "n_iter_": max(solution.n_iter, 1),
            "objective_": solution.objective,
            "gradient_norm_": solution.gradient_norm,
        }
        return self.student(lifter, settings, fitted)

    @cached_property
    def other_rows(self):
        """The rows with weight that are not training rows of the first split, as a piece."""
        split = self.splits[0]
        are_others = self.task.sample_weight > 0
        are_others[split.train.rows] = False
        others = np.flatnonzero(are_others)
        is_held_out = np.array_equal(others, np.sort(split.test.rows))
        return split.test if is_held_out else Piece(self.task, others)

    def twin(self, winner):
        """Return the best candidate's student without a teacher, and its score, or None."""
        if self.task.soft_logits is None or not self.task.labels.were_given:
            return None
        found = winner.latest
        transfer_set = found.settings.transfer_set
        if transfer_set is not None and not transfer_set.keep_labels:
            transfer_set = None
        alone = Candidate(
            winner.dictionary, winner.cost, winner.n_observables, lifters=winner.lifters
        )
        place = self.ridges.index(found.settings.ridge)
        ridges = self.ridges[
            max(place - 1, 0) : place + 1
        ]  # learning from labels alone needs more penalty
        self.try_out(alone, found.round, [(0.0, 1.0)], ridges, LAST_TOL, transfer_set)
        return self.last_fit(alone, alone.latest.settings), alone.latest.score

    def student(self, lifter, settings, fitted):
        """Return a fitted student: a matrix after a lifter.

        Parameters
        ----------
        lifter : fitted transformer
        settings : Settings
        fitted : dict of str to object
            Fitted attributes of the matrix.
        """
        search, labels = self.search, self.task.labels
        is_soft = settings.soft_weight > 0
        student = KoopmanDistilledClassifier(
            search.teacher if is_soft else None,
            soft_weight=settings.soft_weight,
            temperature=settings.temperature,
            ridge=settings.ridge,
            lifter=FrozenEstimator(lifter),
            transfer_set=settings.transfer_set,
            tol=search.tol,
            teacher_output=search.teacher_output,
            teacher_classes=search.teacher_classes,
            class_weight=search.class_weight,
            unlabeled_value=search.unlabeled_value,
        )
        store_fitted(student, {"lifter_": lifter, "classes_": labels.classes} | fitted)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(search, name):
                setattr(student, name, getattr(search, name))
        return student


def held_out_split(codes, random):
    """Return training rows, and held-out rows: one in six of each class.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
    random : RandomState

    Returns
    -------
    train, test : ndarray of int
    """
    order = random.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    is_test = np.zeros(len(codes), dtype=bool)
    is_test[order[HELD_OUT // 2 :: HELD_OUT]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
