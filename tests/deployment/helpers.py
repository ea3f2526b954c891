"""Students to deploy, fitted to scikit-learn's digits."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline as sklearn_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_koopman import (
    ConvolutionalLifter,
    EDMDClassifier,
    EDMDClassifierCV,
    KoopmanDistilledClassifier,
    KoopmanDistilledClassifierCV,
    MonomialLifter,
    ObservableSelector,
    OpticalLifter,
    OrthogonalPolynomialLifter,
    RBFLifter,
)
from sklearn_koopman.lifting import DelayLifter
from sklearn_koopman.pipeline import make_pipeline

X, y = load_digits(return_X_y=True)
X = np.ascontiguousarray(X / 16, dtype=np.float32)
names = np.array(list("abcdefghij"))[y]
TEACHER = FrozenEstimator(LogisticRegression(max_iter=300).fit(X, y))

UNION = FeatureUnion(
    [
        ("products", MonomialLifter(2)),
        ("rows", "passthrough"),
        ("nothing", "drop"),
        ("bumps", RBFLifter(20, random_state=0)),
    ],
    transformer_weights={"bumps": 2.0},
)

FILTERS = ConvolutionalLifter((8, 8), n_filters=6, filter_size=3, grid=2, random_state=0)
INTENSITIES = ConvolutionalLifter(
    (8, 8), n_filters=12, filter_size=3, grid=2, nonlinearity="intensity", random_state=0
)

STUDENTS = {
    "pipeline": make_pipeline(PCA(8), MonomialLifter(3), KoopmanDistilledClassifier(TEACHER)),
    "lifter inside": KoopmanDistilledClassifier(
        TEACHER,
        lifter=sklearn_pipeline(
            StandardScaler(), PCA(8), MonomialLifter((2, 3), include_bias=False)
        ),
    ),
    "whitened": EDMDClassifier(lifter=sklearn_pipeline(PCA(8, whiten=True), MonomialLifter(2))),
    "both": sklearn_pipeline(PCA(8), EDMDClassifier(lifter=MonomialLifter(3))),
    "interactions": make_pipeline(
        "passthrough",
        FrozenEstimator(PCA(8).fit(X)),
        sklearn_pipeline(MonomialLifter(3, interaction_only=True), EDMDClassifier()),
    ),
    "one degree": make_pipeline(PCA(8), MonomialLifter((2, 2)), EDMDClassifierCV()),
    "hermite": make_pipeline(PCA(8), OrthogonalPolynomialLifter(3), EDMDClassifier()),
    "legendre": EDMDClassifier(
        lifter=sklearn_pipeline(PCA(8), OrthogonalPolynomialLifter(2, family="legendre"))
    ),
    # Gaussians are nearly dependent: with a small ridge, large coefficients magnify rounding.
    "gaussians": EDMDClassifier(
        ridge=1e-2, lifter=sklearn_pipeline(PCA(8), RBFLifter(60, random_state=0))
    ),
    "windows": make_pipeline(DelayLifter(2, state_size=8), EDMDClassifier()),
    "union": sklearn_pipeline(PCA(8), EDMDClassifier(ridge=1e-2, lifter=UNION)),
    "chosen monomials": make_pipeline(
        PCA(8),
        ObservableSelector(MonomialLifter(3), max_observables=60),
        KoopmanDistilledClassifier(TEACHER),
    ),
    "chosen polynomials": EDMDClassifier(
        lifter=sklearn_pipeline(
            PCA(8), ObservableSelector(OrthogonalPolynomialLifter(3), max_observables=60)
        )
    ),
    "chosen of a union": EDMDClassifier(
        lifter=sklearn_pipeline(PCA(8), ObservableSelector(UNION, max_observables=40))
    ),
    "filters": make_pipeline(FILTERS, KoopmanDistilledClassifier(TEACHER)),
    "intensities of filters": EDMDClassifier(lifter=INTENSITIES),
    "products of filters": make_pipeline(
        FILTERS, PCA(8, random_state=0), MonomialLifter(2), EDMDClassifier()
    ),
    "chosen of filters": make_pipeline(
        ObservableSelector(FILTERS, max_observables=20), KoopmanDistilledClassifier(TEACHER)
    ),
    "filters and pixels": EDMDClassifier(
        lifter=FeatureUnion([("filters", FILTERS), ("pixels", "passthrough")])
    ),
    "linear": KoopmanDistilledClassifier(soft_weight=0.0),
    **{
        nonlinearity: EDMDClassifier(
            lifter=sklearn_pipeline(
                PCA(8, whiten=True),
                OpticalLifter(60, nonlinearity=nonlinearity, random_state=0),
            )
        )
        for nonlinearity in ("intensity", "cosine", "saturable_absorption")
    },
    "search": GridSearchCV(
        make_pipeline(PCA(8), EDMDClassifier(lifter=MonomialLifter(2))),
        {"edmdclassifier__ridge": [1e-3]},
        cv=2,
    ),
    "cross-validated": KoopmanDistilledClassifierCV(
        TEACHER,
        ridges=[1e-3],
        temperatures=[2.0],
        soft_weights=[0.5],
        cv=2,
        lifter=sklearn_pipeline(PCA(8), MonomialLifter(2)),
    ),
}
