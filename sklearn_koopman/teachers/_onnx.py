"""The teacher that is an ONNX model."""

from collections.abc import Mapping
from copy import copy
from pathlib import Path

import numpy as np

from .._extras import import_extra
from .._progress import watched
from .._warnings import warn_user
from ._base import Teacher
from ._batches import as_numeric, check_batching, check_sample_size, row_batches
from ._onnx_inputs import FLOATS, as_declared, declared_dtype, padded, sample_shape
from ._onnx_labels import UnclearLabelsError, labels_of_columns
from ._outputs import UnusableTeacherError

# Types of labels in ONNX.
_LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)")


class OnnxTeacher(Teacher):
    """An ONNX model as a teacher, run in batches by onnxruntime.

    The model is used as it is, and `sklearn.base.clone` shares it. Unlike a pickle, a model runs no
    code when it is loaded.

    Parameters
    ----------
    model : str, Path, bytes or onnx.ModelProto
        A file, or the model itself.
    input_shape : tuple of int, default=None
        Shape of one sample as the model takes it, for example (1, 28, 28). None takes the shape
        that the model declares. If the model leaves it open, rows stay as they are in X.
    inputs : dict, default=None
        Values for the inputs that do not take X, by name: a value for all batches, or a callable
        that takes a batch of X and returns a value. For
        example ``{"sr": 16000, "attention_mask": lambda ids: ids != 0}``.
    output_name : str, default=None
        Which output. None takes the output of floats. Of several, it takes the one that has a
        column for each class (of `classes`, or of the student). If that is not clear, there is an
        error.
    batch_size : int, default=1024
        Rows per run. A model with a fixed number of rows gets that many: the last batch is filled
        up, and the answers to the filling are dropped.
    output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the model gives.
    classes : array-like of shape (n_columns,), default=None
        The class of each column. None takes the labels in the model, if it is certain which column
        each belongs to. Otherwise the columns are the student's classes in sorted order.
    providers : list of str, default=None
        Where onnxruntime runs it, for example ``["CUDAExecutionProvider"]``. None runs on the CPU.

    Notes
    -----
    Values are cast to the dtypes that the model declares: floats, integers, bools or strings.
    Numbers that an integer input cannot hold are refused: they come from scaled rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier
    >>> from sklearn_koopman.deployment import to_onnx
    >>> from sklearn_koopman.teachers import OnnxTeacher
    >>> X, y = load_iris(return_X_y=True)
    >>> model = to_onnx(EDMDClassifier().fit(X, y), X[:1].astype(np.float32))
    >>> OnnxTeacher(model, output="logits")(X).shape
    (150, 3)
    """

    def __init__(
        self,
        model,
        *,
        input_shape=None,
        inputs=None,
        output_name=None,
        batch_size=1024,
        output="auto",
        classes=None,
        providers=None,
    ):
        super().__init__(classes, output)
        self.model = model
        self.input_shape = input_shape
        self.inputs = inputs
        self.output_name = output_name
        self.batch_size = batch_size
        self.providers = providers
        self._running = None
        self._n_expected = None  # number of classes of the student
        self._knows_labels = (
            True  # unless they are numbers of columns, and the student's classes are not
        )

    @property
    def classes_(self):
        """The class of each output column, or None if it is not known."""
        if self.classes is not None or not self._knows_labels:
            return super().classes_
        try:
            labels = self._labels()
        except UnclearLabelsError:
            return None
        return None if labels is None else np.asarray(labels)

    def expecting(self, classes):
        """Return a teacher that chooses the output that has a column for each class.

        Parameters
        ----------
        classes : array-like of shape (n_classes,)
            The student's sorted classes.

        Returns
        -------
        teacher : OnnxTeacher
            The teacher itself if there is no choice, or else a copy that shares the running model.
        """
        if self.classes is not None:
            return self
        self._session()
        teacher = copy(self)
        teacher._n_expected = len(classes)
        known = self.classes_
        are_numbers = known is not None and list(known) == list(range(len(known)))
        teacher._knows_labels = not are_numbers or bool(np.isin(classes, known).all())
        return teacher

    @property
    def knows_its_order(self):
        """Whether the labels in the model name its columns."""
        return self.classes is None and self.classes_ is not None

    def check_numbers_as_classes(self):
        """Warn if columns are numbered, although the model has labels of its own."""
        try:
            self._labels()
        except UnclearLabelsError as error:
            warn_user(
                f"{self._source}: {error}. So the classes are the numbers of the columns, 0, 1, "
                "and so on. Name them in the order of the columns: OnnxTeacher(model, classes=), "
                "or teacher_classes= of the student."
            )

    def _labels(self):
        """Return the label of each column in the model, see `labels_of_columns`."""
        session = self._session()
        names = self._output_names(session)
        kinds = [output.type for output in session.get_outputs()]
        if len(names) > 1 or not any(kind in _LABELS for kind in kinds):
            return None
        try:
            model = self._proto("Reading the labels in a model")
        except ImportError as error:
            raise UnclearLabelsError(str(error)) from error
        return labels_of_columns(model, names[0])

    def _proto(self, purpose):
        """Return the model as an onnx message, without weights in other files."""
        onnx = import_extra("onnx", purpose, "onnx")
        if isinstance(self.model, bytes):
            return onnx.load_from_string(self.model)
        if hasattr(self.model, "graph"):
            return self.model
        return onnx.load(str(self.model), load_external_data=False)

    def model_for(self, X):
        """Return the model with the sizes of its inputs filled in, and the number of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the form that the teacher takes.

        Returns
        -------
        model : onnx.ModelProto
        n_rows : int
            Number of rows of X, or the fixed number of rows of the model.
        """
        given, others = self._inputs_of(self._session())
        fed = self._fed(self._input(self._rows(X, given), given), given, others)
        model = self._proto("Counting multiplications")
        filled = type(model)()
        filled.CopyFrom(model)
        for value in filled.graph.input:
            if value.name in fed:
                shape = np.shape(fed[value.name])
                for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=False):
                    dim.dim_value = size
        return filled, len(fed[given.name])

    def _evaluate(self, X):
        check_batching(self)
        session = self._session()
        given, others = self._inputs_of(session)
        rows = self._rows(X, given)
        names = self._output_names(session)
        outputs = []
        batches = row_batches(len(rows), _rows_at_once(given) or self.batch_size)
        for batch in watched(batches, "teacher", "batch"):
            x = self._input(rows[batch], given)
            found = self._run(session, names, x, self._fed(x, given, others))
            if len(names) > 1:
                chosen = self._chosen(dict(zip(names, found, strict=True)), len(x))
                names, found = [chosen], [found[names.index(chosen)]]
            outputs.append(found[0][: len(rows[batch])])
        return np.concatenate(outputs)

    def _rows(self, X, given):
        """Return X as the array that batches are taken from."""
        if declared_dtype(given, self._source).kind == "O":
            return np.asarray(X, dtype=object)
        return as_numeric(X, "OnnxTeacher")

    def _input(self, rows, given):
        """Return rows in the form that the model takes, as many as it requires."""
        x = as_declared(rows, given, self._source)
        return padded(self._shaped(x, given), _rows_at_once(given) or 0)

    def _fed(self, x, given, others):
        """Return the value of each input, by its name."""
        fed = {given.name: x}
        for other in others:
            value = self.inputs[other.name]
            fed[other.name] = as_declared(
                value(x) if callable(value) else value, other, self._source
            )
        return fed

    def _inputs_of(self, session):
        """Return the input that takes X, and the inputs that get values from the user."""
        declared = {given.name: given for given in session.get_inputs()}
        inputs = {} if self.inputs is None else self.inputs
        if not isinstance(inputs, Mapping) or not inputs.keys() <= declared.keys():
            raise UnusableTeacherError(
                f"{self._source}: inputs={self.inputs!r} must be a dict whose keys are names of "
                f"inputs of the model. Its inputs are {list(declared)}."
            )
        left = [given for name, given in declared.items() if name not in inputs]
        if len(left) != 1:
            names = [given.name for given in left]
            raise UnusableTeacherError(
                f"{self._source}: the model has the inputs {list(declared)}, and X is for one of "
                f"them; {names if names else 'none'} are left. Set the values of the others, as in "
                f"inputs={{{(names or list(declared))[-1]!r}: value or callable}}."
            )
        return left[0], [declared[name] for name in inputs]

    def _shaped(self, x, given):
        if self.input_shape is not None:
            shape = tuple(self.input_shape)
            check_sample_size(shape, x, f"input_shape={shape}")
            n_missing = len(given.shape) - 1 - len(shape)
            if given.shape and n_missing:
                meant = (1,) * n_missing + shape
                raise UnusableTeacherError(
                    f"{self._source}: input_shape={shape} has {len(shape)} axes, and a row of the "
                    f"input {given.name!r} has {len(given.shape) - 1}"
                    + (f": did you mean input_shape={meant}?" if n_missing > 0 else ".")
                )
        else:
            shape = sample_shape(given, x, self._source)
            check_sample_size(shape, x, f"{self._source}: a sample of shape {shape}")
        return x.reshape(len(x), *shape)

    def _run(self, session, names, x, fed):
        """Run the model on one batch, and return the outputs of some names."""
        try:
            return session.run(names, fed)
        except Exception as error:
            raise ValueError(
                f"{self._source} failed on input of shape {x.shape}: {error}"
            ) from (error)

    def _output_names(self, session):
        """Return the names of the outputs to choose from."""
        outputs = {output.name: output.type for output in session.get_outputs()}
        floats = [name for name, kind in outputs.items() if kind in FLOATS]
        if self.output_name is None and floats:
            return floats
        if self.output_name in floats:
            return [self.output_name]
        raise UnusableTeacherError(
            f"{self._source}: output_name={self.output_name!r} must name an output that is an "
            f"array of floats. The outputs are {outputs}; a model from skl2onnx gives arrays if "
            "converted with options={'zipmap': False}."
        )

    def _chosen(self, found, n_rows):
        """Return the name of the output that has a column for each class."""
        shapes = {name: tuple(np.shape(output)) for name, output in found.items()}
        n_columns = {
            name: shape[1] if len(shape) == 2 else 1
            for name, shape in shapes.items()
            if len(shape) in (1, 2) and shape[0] == n_rows
        }
        wanted = self._n_expected if self.classes is None else len(self.classes)
        fitting = [
            name
            for name, n in n_columns.items()
            if wanted is None or n == wanted or (wanted == 2 and n == 1)
        ]
        if len(fitting) == 1:
            return fitting[0]
        classes = "scores" if wanted is None else f"a column for each of {wanted} classes"
        raise UnusableTeacherError(
            f"{self._source}: the model gives {shapes} for {n_rows} rows, and "
            f"{'several' if fitting else 'none'} of them can be {classes}. Choose one, as in "
            f"OnnxTeacher(model, output_name={(fitting or list(found))[0]!r})."
        )

    def _session(self):
        if self._running is None:
            onnxruntime = import_extra("onnxruntime", "OnnxTeacher", "onnx")
            model = self.model
            if hasattr(model, "SerializeToString"):
                model = model.SerializeToString()
            elif not isinstance(model, bytes):
                model = str(model)
                if not Path(model).is_file():
                    raise FileNotFoundError(f"model={model!r}: there is no such file.")
            providers = self._known_providers(onnxruntime)
            try:
                self._running = onnxruntime.InferenceSession(model, providers=providers)
            except Exception as error:
                raise UnusableTeacherError(
                    f"{self._source}: onnxruntime cannot load the model: {error}"
                ) from error
        return self._running

    def _known_providers(self, onnxruntime):
        """Return the providers. onnxruntime would silently replace an unknown one by the CPU."""
        if self.providers is None:
            return ["CPUExecutionProvider"]
        known = onnxruntime.get_available_providers()
        for provider in self.providers:
            name = provider if isinstance(provider, str) else provider[0]
            if name not in known:
                raise UnusableTeacherError(
                    f"{self._source}: providers={self.providers!r}: {name!r} is not available "
                    f"here; available: {', '.join(known)}."
                )
        return self.providers

    @property
    def _source(self):
        return f"teacher {self!r}"

    def __getstate__(self):
        return super().__getstate__() | {"_running": None}

    def __repr__(self):
        named = isinstance(self.model, str | Path)
        name = repr(str(self.model)) if named else type(self.model).__name__
        return f"OnnxTeacher({name})"


def _rows_at_once(given):
    """Return the number of rows that a model requires, or None if it is open."""
    return given.shape[0] if given.shape and isinstance(given.shape[0], int) else None
