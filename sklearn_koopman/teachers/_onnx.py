"""The teacher that is an ONNX model."""

from pathlib import Path

import numpy as np

from .._extras import import_extra
from ._base import Teacher
from ._batches import as_numeric, check_batching, row_batches

_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxTeacher(Teacher):
    """An ONNX model as a teacher, run in batches by onnxruntime.

    The model is used as it is and shared by `sklearn.base.clone`. Loading one runs no code of its
    author, unlike a pickle.

    Parameters
    ----------
    model : str, Path, bytes or onnx.ModelProto
        A file, or the model itself.
    input_shape : tuple of int, default=None
        Shape of one sample as the model takes it, for example (1, 28, 28). None: what the model
        says, or as in X where it leaves that open.
    output_name : str, default=None
        Which output. None: the last one of floats; models of classifiers give labels first.
    batch_size : int, default=1024
        Rows per run.
    output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the model gives.
    classes : array-like of shape (n_columns,), default=None
        The class of each column. None: the student's classes in sorted order.
    providers : list of str, default=None
        Where onnxruntime runs it, for example ``["CUDAExecutionProvider"]``. None: on the CPU.

    Notes
    -----
    Rows are cast to the dtype of the model's input, float32 or float64.

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
        output_name=None,
        batch_size=1024,
        output="auto",
        classes=None,
        providers=None,
    ):
        super().__init__(classes, output)
        self.model = model
        self.input_shape = input_shape
        self.output_name = output_name
        self.batch_size = batch_size
        self.providers = providers
        self._running = None

    def _evaluate(self, X):
        check_batching(self)
        session = self._session()
        if len(session.get_inputs()) != 1:
            names = [given.name for given in session.get_inputs()]
            raise ValueError(f"teacher {self!r}: the model has the inputs {names}, not one.")
        (given,) = session.get_inputs()
        if given.type not in _DTYPES:
            raise ValueError(
                f"teacher {self!r}: the input {given.name!r} is a {given.type}; known are "
                f"{', '.join(_DTYPES)}."
            )
        name = self._output_name(session)
        rows = as_numeric(X, "OnnxTeacher")
        shape = tuple(self.input_shape or _open_shape(given.shape[1:]) or rows.shape[1:])
        outputs = []
        for batch in row_batches(len(rows), self.batch_size):
            x = np.ascontiguousarray(rows[batch], dtype=_DTYPES[given.type])
            try:
                x = x.reshape(len(x), *shape)
                outputs += session.run([name], {given.name: x})
            except Exception as error:
                raise ValueError(
                    f"teacher {self!r} failed on input of shape {x.shape}: {error}"
                ) from error
        return np.concatenate(outputs)

    def _output_name(self, session):
        outputs = {output.name: output.type for output in session.get_outputs()}
        floats = [name for name, kind in outputs.items() if kind in _DTYPES]
        if self.output_name is None and floats:
            return floats[-1]
        if self.output_name in floats:
            return self.output_name
        raise ValueError(
            f"teacher {self!r}: output_name={self.output_name!r} must name an output that is an "
            f"array of floats. The outputs are {outputs}; a model from skl2onnx gives arrays if "
            "converted with options={'zipmap': False}."
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
            self._running = onnxruntime.InferenceSession(
                model, providers=self.providers or ["CPUExecutionProvider"]
            )
        return self._running

    def __getstate__(self):
        return {**vars(self), "_running": None}

    def __repr__(self):
        named = isinstance(self.model, str | Path)
        name = repr(str(self.model)) if named else type(self.model).__name__
        return f"OnnxTeacher({name})"


def _open_shape(shape):
    """Return the shape of a sample, or None where the model leaves some of it open."""
    return tuple(shape) if shape and all(isinstance(n, int) for n in shape) else None
