"""Local features: the functions of single variables in a product dictionary."""

from dataclasses import dataclass

import numpy as np
from scipy.special import eval_legendre

from ._forms._operations import Operations
from ._forms._torch_layers import torch_layers

FEATURE_MAPS = ("monomial", "legendre", "trigonometric")


@dataclass(frozen=True)
class LocalFeatures:
    r"""The functions of one variable whose products are the observables of a product dictionary.

    For a variable that is shifted and scaled to :math:`t`, they are

    - "monomial": :math:`1, t, \dots, t^q`;
    - "legendre": the Legendre polynomials :math:`P_0(t), \dots, P_q(t)`, t within [-1, 1];
    - "trigonometric": :math:`\cos(a k t), \sin(a k t)` for k = 1, ..., q.

    Attributes
    ----------
    kind : {"monomial", "legendre", "trigonometric"}
    degree : int
        The q above.
    frequency : float
        The a above.
    shift : ndarray of shape (n_variables,)
    scale : ndarray of shape (n_variables,)
        ``t = (x - shift) / scale``.

    References
    ----------
    .. [1] E. M. Stoudenmire and D. J. Schwab, "Supervised learning with tensor networks",
       NeurIPS 29 (2016), section 3: cosine and sine of a pixel.
    .. [2] S. Klus and P. Gelß, "Tensor-based algorithms for image classification", Algorithms 12,
       240 (2019): the same with a free frequency.
    """

    kind: str
    degree: int
    frequency: float
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def from_rows(cls, X, sample_weight, *, kind, degree, frequency):
        """Return features whose scaling is learned from some rows.

        "legendre" maps the range of each variable to [-1, 1]. The others subtract the means of the
        variables, and divide all variables by the largest of their standard deviations. So the
        leading coordinates of a PCA stay the leading ones, and pixels that hardly differ from the
        background stay small.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_variables)
        sample_weight : ndarray of shape (n_samples,)
        kind, degree, frequency
            As above.
        """
        if kind == "legendre":
            seen = X[sample_weight > 0] if not sample_weight.all() else X
            low, high = (extreme.astype(np.float64) for extreme in (seen.min(0), seen.max(0)))
            shift, scale = low / 2 + high / 2, high / 2 - low / 2
        else:
            share = sample_weight / sample_weight.sum()
            shift = share @ X.astype(np.float64)
            spread = np.sqrt(share @ np.square(X - shift))
            scale = np.full(len(shift), spread.max())
        return cls(kind, degree, frequency, shift, np.where(scale > 0, scale, 1.0))

    @property
    def n_features(self):
        """Number of functions of each variable."""
        return 2 * self.degree if self.kind == "trigonometric" else self.degree + 1

    def scaled(self, X):
        """Return the scaled variables of rows, one row per variable, in the dtype of X."""
        T = X.T - self.shift.astype(X.dtype)[:, None]
        T /= self.scale.astype(X.dtype)[:, None]
        return np.clip(T, -1.0, 1.0, out=T) if self.kind == "legendre" else T

    def of_scaled(self, T):
        """Return the features of scaled variables.

        Parameters
        ----------
        T : ndarray of shape (n_variables, n_samples)

        Returns
        -------
        features : ndarray of shape (n_variables, n_features, n_samples)
        """
        features = np.empty((len(T), self.n_features, T.shape[1]), T.dtype)
        if self.kind == "trigonometric":
            for k in range(self.degree):
                angle = (k + 1) * self.frequency * T
                np.cos(angle, out=features[:, 2 * k])
                np.sin(angle, out=features[:, 2 * k + 1])
            return features
        features[:, 0] = 1.0
        for k in range(1, self.n_features):
            if self.kind == "legendre":
                features[:, k] = eval_legendre(k, T)
            else:
                np.multiply(features[:, k - 1], T, out=features[:, k])
        return features

    def to_layer(self):
        """Return the features as a torch layer: (n_samples, n_variables, n_features)."""
        return torch_layers().LocalFeatureLayer(self)

    def add_to_graph(self, nodes, rows):
        """Add the features to an ONNX graph: (n_samples, n_variables, n_features)."""
        t = nodes.add_scaled(rows, self.shift, self.scale)
        last = np.array([2])
        features = [nodes.add("Unsqueeze", each, last) for each in self._added(nodes, t)]
        return nodes.add("Concat", *features, axis=2)

    def _added(self, nodes, t):
        """Add the features of scaled variables, one by one."""
        if self.kind == "trigonometric":
            angles = [
                nodes.add("Mul", t, nodes.constant([k * self.frequency]))
                for k in range(1, self.degree + 1)
            ]
            return [nodes.add(wave, angle) for angle in angles for wave in ("Cos", "Sin")]
        if self.kind == "legendre":
            t = nodes.add("Clip", t, nodes.constant(-1.0), nodes.constant(1.0))
        # The constant 1 for every variable.
        one = nodes.add("Exp", nodes.add("Mul", t, nodes.constant([0.0])))
        if self.kind == "legendre":
            return [one, *nodes.add_polynomials(t, "legendre", self.degree)]
        powers = [one, t]
        for _ in range(1, self.degree):
            powers.append(nodes.add("Mul", powers[-1], t))
        return powers

    def add_to_program(self, program, rows):
        """Add the features to a program, one vector of all variables for each function.

        The constant function is None.
        """
        t = program.scaled(rows, 1 / self.scale, -self.shift / self.scale)
        if self.kind == "trigonometric":
            angles = [program.scaled(t, k * self.frequency) for k in range(1, self.degree + 1)]
            return [
                program.function(angle, wave) for angle in angles for wave in ("cos", "sin")
            ]
        if self.kind == "legendre":
            t = program.function(t, "clip")
        features = [None, t]
        for k in range(1, self.degree):
            raised = program.product(features[-1], t)
            if self.kind == "legendre":  # (k + 1) P_{k+1} = (2 k + 1) t P_k - k P_{k-1}
                drop = k / (k + 1)
                raised = program.scaled(raised, (2 * k + 1) / (k + 1), -drop if k == 1 else 0.0)
                if k > 1:
                    raised = program.sum(raised, program.scaled(features[-2], -drop))
            features.append(raised)
        return features

    def operations(self):
        """Return the operations of shifting and scaling variables, and of their powers."""
        p = len(self.shift)
        return Operations.storing(
            self.shift, self.scale, linear=p, nonlinear=p * (self.degree - 1)
        )

    def __call__(self, X):
        """Return the features of rows, shape (n_variables, n_features, n_samples)."""
        return self.of_scaled(self.scaled(X))
