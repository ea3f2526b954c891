"""The leading terms of a student: the ones that explain the variance of its logits."""

import numpy as np

from .._axes import axes_to_draw_on
from ..inspection import formula


def leading_terms(found, n_shown=12):
    """Return the terms of a formula that explain most of the variance, with their shares.

    Parameters
    ----------
    found : Formula
        A formula that was made with rows.
    n_shown : int, default=12

    Returns
    -------
    terms : list of (str, float)
        Terms in descending order of their shares, without the constant.
    """
    order = np.argsort(-np.abs(found.total_shares), kind="stable").tolist()
    order = [i for i in order if found.terms[i]][:n_shown]
    names = found.term_names
    return [(names[i], float(found.total_shares[i])) for i in order]


class LeadingTermsDisplay:
    """The terms of a student's formula that explain most of the variance of its logits.

    Parameters
    ----------
    formula : Formula
        A formula that was made with rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    bars_ : matplotlib artist

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_koopman import EDMDClassifier, MonomialLifter
    >>> from sklearn_koopman.audit import LeadingTermsDisplay
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> X, y = load_iris(return_X_y=True)
    >>> student = make_pipeline(StandardScaler(), MonomialLifter(2), EDMDClassifier()).fit(X, y)
    >>> display = LeadingTermsDisplay.from_estimator(student, X, n_shown=3)
    >>> len(display.bars_)
    3
    """

    def __init__(self, formula):
        self.formula = formula

    @classmethod
    def from_estimator(cls, student, X, *, of="coordinates", n_shown=12, ax=None):
        """Draw the leading terms of a student.

        Parameters
        ----------
        student, X, of
            As for `sklearn_koopman.inspection.formula`.
        n_shown : int, default=12
            Number of terms.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : LeadingTermsDisplay
        """
        return cls(formula(student, X, of=of)).plot(ax, n_shown=n_shown)

    def plot(self, ax=None, *, n_shown=12):
        """Draw a bar for each term.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        n_shown : int, default=12

        Returns
        -------
        display : LeadingTermsDisplay
        """
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        terms = leading_terms(self.formula, n_shown)
        places = np.arange(len(terms))
        self.bars_ = self.ax_.barh(places, [share for _, share in terms])
        self.ax_.set(
            yticks=places,
            yticklabels=[name for name, _ in terms],
            xlabel="share of the variance of the logits",
        )
        self.ax_.invert_yaxis()
        return self
