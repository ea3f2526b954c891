"""The student that a search, or cross-validation inside a classifier, chooses on training rows."""

from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline

from ..classification import KoopmanDistilledClassifier, KoopmanDistilledClassifierCV
from ._last_step import prefix_of, student_of, with_student

SETTINGS = "ridge", "temperature", "soft_weight"
