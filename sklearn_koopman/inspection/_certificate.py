"""A bound on how often a student may disagree with its teacher, as a number to quote."""

from dataclasses import asdict, dataclass
from math import ceil, log, log1p
from numbers import Real

import numpy as np
from scipy.special import betaincc, betaincinv

from .._validation import is_integer
from ._fidelity import choices

# Floats represent all integers up to this one.
_EXACT = 2**53


def disagreement_bound(n_disagreements, n_samples, delta=0.05):
    r"""Return the exact upper confidence bound on a probability (Clopper-Pearson).

    With k events in n independent trials the bound is the largest p for which k events or
    fewer still have probability delta, a quantile of a beta distribution:

    .. math:: \sum_{i=0}^{k} \binom{n}{i} p^i (1 - p)^{n - i} = \delta .

    Parameters
    ----------
    n_disagreements : int
        k, from 0 to `n_samples`.
    n_samples : int
        n, at least 1.
    delta : float, default=0.05
        Probability that the bound is wrong, at most, in (0, 1).

    Returns
    -------
    bound : float
        For a fraction of at least ``1 - delta`` of all samples, the bound is not below the true
        probability.

    References
    ----------
    .. [1] C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated
       in the case of the binomial", Biometrika 26, 404-413 (1934).

    Examples
    --------
    >>> from sklearn_koopman.inspection import disagreement_bound
    >>> round(disagreement_bound(0, 299), 4)
    0.01
    """
    _check_count("n_samples", n_samples, 1)
    _check_count("n_disagreements", n_disagreements, 0, n_samples)
    _check_probability("delta", delta)
    if n_disagreements == n_samples:
        return 1.0
    return float(betaincinv(n_disagreements + 1, n_samples - n_disagreements, 1 - delta))


def certificate_sample_size(eps, delta=0.05, *, n_disagreements=0):
    """Return how many fresh samples certify a disagreement of at most `eps`.

    Parameters
    ----------
    eps : float
        Disagreement to certify, in (0, 1).
    delta : float, default=0.05
        Largest probability that the certificate is wrong, in (0, 1).
    n_disagreements : int, default=0
        Number of disagreements among the samples to allow for.

    Returns
    -------
    n_samples : int
        The smallest number with ``disagreement_bound(n_disagreements, n_samples, delta) <= eps``.

    Examples
    --------
    >>> from sklearn_koopman.inspection import certificate_sample_size
    >>> certificate_sample_size(0.01), certificate_sample_size(0.01, n_disagreements=3)
    (299, 773)
    """
    _check_probability("eps", eps)
    _check_probability("delta", delta)
    _check_count("n_disagreements", n_disagreements, 0, _EXACT)
    if n_disagreements == 0:
        return ceil(log(delta) / log1p(-eps))
    low, high = n_disagreements, 2 * (n_disagreements + 1)
    while _at_most(n_disagreements, high, eps) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most(n_disagreements, middle, eps) > delta:
            low = middle
        else:
            high = middle
    return high


def _at_most(k, n, p):
    """Return the probability of k events or fewer in n trials.

    `scipy.special.bdtr` would count in 32 bits.
    """
    return betaincc(float(k + 1), float(n - k), p)


@dataclass(frozen=True)
class Disagreement:
    """Disagreement on the samples for which the teacher chooses one class.

    Attributes
    ----------
    label : object
        The class, or the number of its column if scores were given.
    n_samples : int
    n_disagreements : int
    disagreement : float
        Fraction of these samples.
    bound : float
        Upper bound on the probability.
    """

    label: object
    n_samples: int
    n_disagreements: int
    disagreement: float
    bound: float


@dataclass(frozen=True, repr=False)
class FidelityCertificate:
    """Result of `fidelity_certificate`. It prints as a sentence and a table.

    Attributes
    ----------
    n_samples : int
    n_disagreements : int
    disagreement : float
        Fraction of the samples.
    bound : float
        With confidence ``1 - delta`` the disagreement on all inputs is not larger.
    delta : float
    classes : list of Disagreement
        One entry for each class that the teacher chooses. All their bounds hold together with
        confidence ``1 - delta``.
    """

    n_samples: int
    n_disagreements: int
    disagreement: float
    bound: float
    delta: float
    classes: list

    def to_frame(self):
        """Return the table of classes as a pandas DataFrame, indexed by the class.

        Returns
        -------
        frame : pandas.DataFrame
            The attributes of `Disagreement` as columns.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas: pip install pandas. Without it, classes holds the same "
                "numbers.",
                name="pandas",
            ) from error
        return pd.DataFrame([asdict(each) for each in self.classes]).set_index("label")

    def __str__(self):
        sentence = (
            f"Student and teacher disagree on {self.n_disagreements:,} of {self.n_samples:,} "
            f"samples ({self.disagreement:.2%});\n"
            f"with confidence {1 - self.delta:g}, on at most {self.bound:.2%} of all inputs."
        )
        width = max(len("class"), *(len(str(each.label)) for each in self.classes))
        header = f"{'class':<{width}}  samples  disagree  at most"
        rows = [
            f"{each.label!s:<{width}}  {each.n_samples:>7,}  {each.disagreement:>8.2%}  "
            f"{each.bound:>7.2%}"
            for each in self.classes
        ]
        return "\n".join([sentence, "", header, "-" * len(header), *rows])

    __repr__ = __str__


def fidelity_certificate(y_teacher, y_student, *, delta=0.05):
    """Bound how often a student disagrees with its teacher, from fresh samples.

    This is the promise of PAC-distillation: with probability ``1 - delta`` over the samples, the
    student disagrees with the teacher on at most a fraction `bound` of all inputs. It is the bound
    of Clopper and Pearson, which is exact for all students, teachers and data.

    It holds under two conditions. The samples are drawn independently from the distribution of
    inputs that the bound is about. And nothing of the student was learned or chosen with them:
    neither its coefficients nor a hyperparameter nor the size of a tree.

    Parameters
    ----------
    y_teacher : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels of the teacher, or one score per class (logits, probabilities). The largest score is
        the choice.
    y_student : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or scores of the student.
    delta : float, default=0.05
        Largest probability that the certificate is wrong, in (0, 1).

    Returns
    -------
    certificate : FidelityCertificate
        Print it, or use its `bound`, its `classes` or `to_frame()`.

    See Also
    --------
    certificate_sample_size : Number of samples that a bound needs.
    fidelity_score : The fraction without a bound.

    Notes
    -----
    The bounds of the k classes have confidence ``1 - delta / k`` each (Bonferroni), so that the
    table holds as a whole.

    References
    ----------
    .. [1] E. Boix-Adsera, "Towards a theory of model distillation", arXiv:2403.09053 (2024), the
       definition of PAC-distillation.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_koopman.inspection import fidelity_certificate
    >>> teacher = np.repeat(["cat", "dog"], [200, 100])
    >>> student = np.repeat(["cat", "dog"], [197, 103])
    >>> print(fidelity_certificate(teacher, student))
    Student and teacher disagree on 3 of 300 samples (1.00%);
    with confidence 0.95, on at most 2.56% of all inputs.
    <BLANKLINE>
    class  samples  disagree  at most
    ---------------------------------
    cat        200     1.50%    4.32%
    dog        100     0.00%    3.62%
    """
    _check_probability("delta", delta)
    teacher, student = choices(y_teacher, y_student)
    wrong = teacher != student
    labels, codes = np.unique(teacher, return_inverse=True)
    classes = [
        Disagreement(label, *_counted(wrong[codes == code], delta / len(labels)))
        for code, label in enumerate(labels.tolist())
    ]
    n_samples, n_disagreements, disagreement, bound = _counted(wrong, delta)
    return FidelityCertificate(
        n_samples, n_disagreements, disagreement, bound, float(delta), classes
    )


def _counted(wrong, delta):
    n_samples, n_wrong = len(wrong), int(np.count_nonzero(wrong))
    bound = disagreement_bound(n_wrong, n_samples, delta)
    return n_samples, n_wrong, n_wrong / n_samples, bound


def _check_probability(name, value):
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_real and 0 < value < 1):  # nan fails too
        raise ValueError(f"{name}={value!r}: must be a float in the range (0, 1).")


def _check_count(name, value, least, most=None):
    is_valid = is_integer(value) and value >= least and (most is None or value <= most)
    if not is_valid:
        interval = f"[{least}, inf)" if most is None else f"[{least}, {most}]"
        raise ValueError(f"{name}={value!r}: must be an int in the range {interval}.")
