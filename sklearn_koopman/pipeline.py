"""scikit-learn's pipeline, in which students read lifted rows block by block."""

from copy import copy
from functools import wraps
from inspect import Parameter, signature

from sklearn import get_config, pipeline as _sklearn_pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from ._streaming import are_few, knowing_labels, streamed, unwrapped, with_origin
from .rows import telling_what_rows_are

__all__ = ["Pipeline", "make_pipeline"]


def _inherited(method):
    """Make a method available where scikit-learn's Pipeline has it."""

    def check(self):
        # Raises the AttributeError that names the missing method of the last step.
        getattr(super(Pipeline, self), method)
        return True

    return available_if(check)


def _streaming(method):
    """Return a method of scikit-learn's pipeline in which the student reads lifted rows."""

    @_inherited(method)
    @wraps(getattr(_sklearn_pipeline.Pipeline, method))
    def call(self, X, *args, **params):
        pipeline = self if are_few(X) else self._with_steps(streamed(self.steps, X))
        with telling_what_rows_are(X):
            return getattr(super(Pipeline, pipeline), method)(X, *args, **params)

    return call


class Pipeline(_sklearn_pipeline.Pipeline):
    """A :class:`sklearn.pipeline.Pipeline` whose last step may be a student with a teacher.

    It differs from scikit-learn's pipeline in three ways.

    - **The student lifts the rows when it reads them.** Lifters directly before a student of
      this package are fitted, but they do not transform all rows: the student lifts them block by
      block, in `fit` and in prediction. So the lifted rows are never all in memory, and monomials
      are multiplied while they are summed.
    - **The teacher sees the raw rows.** After PCA and a lifter, a student sees observables, but its
      teacher may need pixels. So if the last step takes a `teacher_X`, :meth:`fit` hands it the
      untransformed `X`: the rows that the pipeline is fitted on, or those of the fold in a
      cross-validation. A :class:`~sklearn_koopman.TransferSet` makes its rows from this `X` too,
      and the earlier steps transform them.
    - **The marker of unlabelled rows is not a class.** If the student has an `unlabeled_value`,
      steps that learn from labels see only the labelled rows. Other steps see all rows, without y.

    Parameters
    ----------
    steps : list of tuples
        List of (name of step, estimator) tuples that are chained in sequential order.

    transform_input : list of str, default=None
        Names of metadata, such as a validation set, that earlier steps transform before a step
        gets them. This needs metadata routing. If "teacher_X" is among them, the teacher sees what
        the last step sees, and `X` is not handed on.

    memory : str or object with the joblib.Memory interface, default=None
        Used to cache the fitted transformers of the pipeline. The last step is never
        cached.

    verbose : bool, default=False
        If True, the time elapsed while fitting each step is printed as it is completed.

    Attributes
    ----------
    named_steps : :class:`~sklearn.utils.Bunch`
        The steps by their names.

    classes_ : ndarray of shape (n_classes,)
        The class labels, if the last step is a classifier.

    n_features_in_ : int
        Number of features seen during :term:`fit` by the first step.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during :term:`fit` by the first step. Defined only when it
        defines them.

    See Also
    --------
    make_pipeline : A pipeline that names its steps by itself.
    sklearn.pipeline.Pipeline : The same, without teachers.

    Notes
    -----
    Which step gets `teacher_X` depends on scikit-learn's metadata routing.

    - Disabled, the default: the last step gets it if its `fit` has a parameter of that name. The
      last step may be a pipeline (of this class or of scikit-learn's): then its last step counts. A
      meta-estimator such as :class:`~sklearn.calibration.CalibratedClassifierCV` has no such
      parameter. Put it around the pipeline, which always works, or enable the routing.
    - Enabled by `sklearn.set_config(enable_metadata_routing=True)`: the last step gets it if it
      requests `teacher_X`, or if anything in it does, inside of pipelines and meta-estimators that
      route. Then the rules of routing hold for all steps: an earlier step that requests
      `teacher_X` gets it too. A step that takes it and has not said whether it requests it is an
      error, and so is a step that does not support routing.

    If you pass `teacher_X` or `soft_labels` yourself (`stepname__teacher_X` with routing
    disabled), even as None, `X` is not handed on.

    Only the outermost pipeline knows the untransformed `X`, so the outermost one must be of this
    class. `X` is not copied: a step that changes it in place, as steps with `copy=False` may,
    changes what the teacher sees.

    Lifters are those of this package and of scikit-learn, and unions and pipelines of them. A
    step between a lifter and the student that is fitted to the lifted rows, such as a scaler, gets
    all of them, as in scikit-learn's pipeline. It is not needed: students standardise their
    observables.

    `X` may be a dask array if all steps before the student lift row by row and learn nothing, like
    :class:`~sklearn_koopman.MonomialLifter`, or are fitted and wrapped in
    :class:`~sklearn.frozen.FrozenEstimator`.

    Examples
    --------
    The teacher takes the four features of a flower, the student two PCA coordinates:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn_koopman import KoopmanDistilledClassifier, MonomialLifter
    >>> from sklearn_koopman.pipeline import Pipeline
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = FrozenEstimator(RandomForestClassifier(random_state=0).fit(X, y))
    >>> pipeline = Pipeline(
    ...     [
    ...         ("reduce", PCA(2)),
    ...         ("lift", MonomialLifter(2)),
    ...         ("classify", KoopmanDistilledClassifier(teacher)),
    ...     ]
    ... )
    >>> round(pipeline.fit(X, y).score(X, y), 2)
    0.96
    """

    def fit(self, X, y=None, **params):
        """Fit all steps, and hand `X` to the last one if it takes `teacher_X`.

        Parameters
        ----------
        X : iterable
            Training data, as the first step and the teacher take them.

        y : iterable, default=None
            Training targets.

        **params : dict of str -> object
            Parameters of the steps' `fit`: with metadata routing disabled, parameter `p`
            of step `s` has the key `s__p`; with routing enabled, each step gets what it
            requests.

        Returns
        -------
        self : object
            Pipeline with fitted steps.
        """
        params = self._add_teacher_X("fit", X, params)
        pipeline = self._with_steps(knowing_labels(streamed(self.steps, X), y))
        with_origin(pipeline, X)
        with telling_what_rows_are(X):
            super(Pipeline, pipeline).fit(X, y, **params)
        steps = unwrapped(pipeline.steps)
        is_same = all(new is old for (_, new), (_, old) in zip(steps, self.steps, strict=True))
        self.__dict__.update(vars(pipeline), steps=self.steps if is_same else steps)
        return self

    predict = _streaming("predict")
    predict_proba = _streaming("predict_proba")
    predict_log_proba = _streaming("predict_log_proba")
    decision_function = _streaming("decision_function")
    score = _streaming("score")

    @_inherited("fit_transform")
    def fit_transform(self, X, y=None, **params):
        """Fit as :meth:`fit` does, and transform `X` with all the steps.

        It is there if the last step transforms.

        Parameters
        ----------
        X : iterable
            Training data, as the first step and the teacher take them.

        y : iterable, default=None
            Training targets.

        **params : dict of str -> object
            As in :meth:`fit`.

        Returns
        -------
        Xt : ndarray of shape (n_samples, n_transformed_features)
            Transformed samples.
        """
        return super().fit_transform(X, y, **self._add_teacher_X("fit_transform", X, params))

    @_inherited("fit_predict")
    def fit_predict(self, X, y=None, **params):
        """Fit as :meth:`fit` does, and predict with the last step's `fit_predict`.

        It is there if the last step has that method.

        Parameters
        ----------
        X : iterable
            Training data, as the first step and the teacher take them.

        y : iterable, default=None
            Training targets.

        **params : dict of str -> object
            As in :meth:`fit`.

        Returns
        -------
        y_pred : ndarray
            What the last step's `fit_predict` returns.
        """
        return super().fit_predict(X, y, **self._add_teacher_X("fit_predict", X, params))

    def _with_steps(self, steps):
        """Return a pipeline like this one, with other steps for the time of a call."""
        pipeline = copy(self)  # shallow, because other threads may use self
        pipeline.steps = steps
        return pipeline

    def _add_teacher_X(self, method, X, params):
        if get_config()["enable_metadata_routing"]:
            prefix = "" if _requests_teacher_X(self, method) else None
        else:
            prefix = _prefix_of_teacher_X(self, method)
        if prefix is None or {f"{prefix}teacher_X", f"{prefix}soft_labels"} & params.keys():
            return params
        return {**params, f"{prefix}teacher_X": X}


def _last_step(pipeline):
    try:
        name, estimator = pipeline.steps[-1]
    except (TypeError, ValueError, LookupError):  # not a list of pairs: fit will raise an error
        return None, None
    return name, estimator


def _requests_teacher_X(pipeline, method):
    """Return whether routing passes `teacher_X` to the last step."""
    _, last = _last_step(pipeline)
    if "teacher_X" in (pipeline.transform_input or ()) or not hasattr(last, method):
        return False
    try:
        return bool(get_routing_for_object(last).consumes(method, ["teacher_X"]))
    except NotImplementedError:  # a meta-estimator that does not support routing
        return False


def _prefix_of_teacher_X(pipeline, method):
    """Return the prefix of "teacher_X" in the key that passes it to the last step.

    None if the last step does not take it.
    """
    name, last = _last_step(pipeline)
    if isinstance(last, _sklearn_pipeline.Pipeline):
        inner = _prefix_of_teacher_X(last, method)
        return None if inner is None else f"{name}__{inner}"
    takes_it = (
        hasattr(last, "fit")
        and has_fit_parameter(last, "teacher_X")
        and _passes_on(getattr(last, method, last.fit))
        and "__" not in name  # fit will refuse such names
    )
    return f"{name}__" if takes_it else None


def _passes_on(method):
    """Return whether a method takes `teacher_X`, or passes it to `fit`."""
    parameters = signature(method).parameters
    return "teacher_X" in parameters or any(
        parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def make_pipeline(*steps, memory=None, transform_input=None, verbose=False):
    """Construct a `Pipeline` from the given estimators.

    The names of the steps are the lowercase names of their types, as in
    :func:`sklearn.pipeline.make_pipeline`.

    Parameters
    ----------
    *steps : list of Estimator objects
        List of the estimators that are chained together.

    memory : str or object with the joblib.Memory interface, default=None
        Used to cache the fitted transformers of the pipeline. The last step is never
        cached.

    transform_input : list of str, default=None
        Names of metadata that earlier steps transform before a step gets them. This needs metadata
        routing.

    verbose : bool, default=False
        If True, the time elapsed while fitting each step is printed as it is completed.

    Returns
    -------
    pipeline : Pipeline
        A pipeline, which hands the untransformed `X` to the last step if that
        takes `teacher_X`.

    See Also
    --------
    Pipeline : The class, for steps with names of your own.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_koopman.lifting import MonomialLifter
    >>> from sklearn_koopman.pipeline import make_pipeline
    >>> make_pipeline(MonomialLifter(3), LogisticRegression())
    Pipeline(steps=[('monomiallifter', MonomialLifter(degree=3)),
                    ('logisticregression', LogisticRegression())])
    """
    named = _sklearn_pipeline.make_pipeline(*steps).steps
    return Pipeline(named, memory=memory, transform_input=transform_input, verbose=verbose)
