"""Fractions with exact confidence intervals."""

from dataclasses import dataclass

from ..inspection import disagreement_bound


@dataclass(frozen=True)
class Proportion:
    """A fraction of rows, and a confidence interval for the fraction of all inputs.

    Attributes
    ----------
    count, n_samples : int
    low, high : float
        The interval of Clopper and Pearson.
    """

    count: int
    n_samples: int
    low: float
    high: float

    @classmethod
    def of(cls, events, delta):
        """Return the fraction of rows on which an event happened.

        Parameters
        ----------
        events : ndarray of bool
        delta : float
            Largest probability that the interval is wrong.
        """
        count, n_samples = int(events.sum()), len(events)
        high = disagreement_bound(count, n_samples, delta / 2)
        low = 1 - disagreement_bound(n_samples - count, n_samples, delta / 2)
        return cls(count, n_samples, low, high)

    @property
    def value(self):
        """The fraction."""
        return self.count / self.n_samples

    def __str__(self):
        return f"{self.value:.2%} [{self.low:.2%}, {self.high:.2%}]"
