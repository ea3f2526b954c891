"""The teacher that is a torch module."""

import threading
from collections.abc import Mapping
from contextlib import contextmanager
from itertools import chain
from math import isqrt
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from .._devices import resolve_device
from .._extras import import_extra
from .._progress import watched
from ._base import Teacher
from ._batches import as_numeric, check_batching, check_sample_size, row_batches
from ._fingerprint import fingerprint
from ._outputs import UnusableTeacherError, to_numpy

# float32 is enough for the values of all other dtypes, apart from rounding.
_NUMPY_DTYPES = {
    "torch.float64": np.float64,
    "torch.int64": np.int64,
    "torch.int32": np.int64,
}

# Eval mode and device are states of a module. Without a lock, threads would change them for each
# other, and silently switch dropout on. There is one lock for all modules, because modules can
# share parts.
FORWARD_LOCK = threading.RLock()


class TorchTeacher(Teacher):
    """A torch module as a teacher: batched, on its device, in eval mode, without gradients.

    The module is used as it is, never trained, and shared by `sklearn.base.clone`: a grid
    search does not copy it. After a call its training flags and its device are as before.

    Parameters
    ----------
    module : torch.nn.Module
        Maps a batch of shape (n, n_features), or (n, ...), to logits or probabilities of shape
        (n, n_columns). It may return a tensor, an object or dict with the tensor as `logits`, or a
        tuple or dict that has nothing else in it.
    call : callable, default=None
        How the module is called, if it takes more than a batch: ``call(module, x)`` returns the
        outputs. For example ``lambda module, x: module(x, attention_mask=x != 0)``. None calls
        ``module(x)``.
    output_name : str or int, default=None
        Which output to take if the module gives several: a key, the name of an attribute, or a
        position.
    input_dtype : str or torch.dtype, default=None
        The dtype of the batches, for example "int64". None takes the floating dtype of the module.
        If the module fails on floats and X has whole numbers, int64 is tried: these may be token
        ids, which an embedding looks up.
    input_shape : tuple of int, default=None
        Shape of one sample as the module takes it, for example (1, 28, 28). None leaves rows as
        they are in X.
    batch_size : int, default=1024
        Rows per forward pass.
    device : str or torch.device, default=None
        Where to run. None runs where the module is.
    output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the module gives.
    classes : array-like of shape (n_columns,), default=None
        The class of each column. None takes the student's classes in sorted order.
    progress : bool, default=False
        Whether to show a progress bar over the rows.
    memory : None, str, path or joblib.Memory, default=None
        Where to cache outputs on disk. The key is the content of X and of the module: its
        attributes (weights, buffers, other tensors, settings, functions), its hooks, the code of
        its class, and what that code uses in its file. So rows stay aligned when they are sliced or
        shuffled, and every change makes a new key. If the content of an attribute is not clear,
        there is an error. Installed packages count by their names: clear the cache after an update.
        joblib's cache files are pickles: use a folder that only you write to.

    Notes
    -----
    Batches are cast to the floating dtype of the module, float32 if it has none, unless it takes
    integers. Calls from several threads run one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn_koopman.teachers import TorchTeacher
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    >>> teacher = TorchTeacher(module, input_shape=(1, 28, 28))
    >>> teacher
    TorchTeacher(Sequential, input_shape=(1, 28, 28))
    >>> teacher(np.zeros((5, 784))).shape
    (5, 10)
    """

    def __init__(
        self,
        module,
        *,
        call=None,
        output_name=None,
        input_dtype=None,
        input_shape=None,
        batch_size=1024,
        device=None,
        output="auto",
        classes=None,
        progress=False,
        memory=None,
    ):
        super().__init__(classes, output)
        self.module = module
        self.call = call
        self.output_name = output_name
        self.input_dtype = input_dtype
        self.input_shape = input_shape
        self.batch_size = batch_size
        self.device = device
        self.progress = progress
        self.memory = memory

    def _evaluate(self, X):
        torch = import_torch()
        self._check_parameters(torch)
        rows = X.detach() if isinstance(X, torch.Tensor) else as_numeric(X, "TorchTeacher")
        if rows.ndim < 2:
            raise ValueError(
                f"teacher {self!r}: expected samples in rows and at least one axis of "
                f"features, got X of shape {tuple(rows.shape)}."
            )
        if self.memory is None:
            return self._forward(rows)
        memory = str(self.memory) if isinstance(self.memory, Path) else self.memory
        cached = check_memory(memory).cache(_cached_forward, ignore=["teacher", "rows"])
        with FORWARD_LOCK:
            settings = (self.call, self.output_name, self.input_dtype)
            key = fingerprint(self.module, *settings)
        return cached(_content(rows), key, self._shape, teacher=self, rows=rows)

    def _forward(self, rows):
        """Run the module over all rows, batch by batch."""
        torch = import_torch()
        try:
            return self._forward_as(self._input_dtype(torch), rows, torch)
        except UnusableTeacherError:
            raise
        except ValueError:
            if self.input_dtype is not None or not _are_whole(rows):
                raise
            try:
                return self._forward_as(torch.int64, rows, torch)
            except ValueError:
                pass
            raise  # the error for floats

    def _forward_as(self, dtype, rows, torch):
        with self._running(torch, dtype) as to_input, torch.inference_mode():
            batches = self._row_batches(len(rows))
            outputs = [self._call_module(to_input(rows[batch]), torch) for batch in batches]
        return np.concatenate(outputs)

    @contextmanager
    def _running(self, torch, dtype=None):
        """Yield the function from rows to the module's input, with the module in eval mode."""
        target = resolve_device(self.device)
        device = target or home_of(self.module) or "cpu"
        dtype = dtype or self._input_dtype(torch)
        with FORWARD_LOCK, evaluating(self.module, target):
            yield lambda rows: self._shaped(_to_tensor(rows, dtype, device, torch))

    def _row_batches(self, n_rows):
        batches = row_batches(n_rows, self.batch_size)
        if self.progress:
            return _with_progress(batches, n_rows)
        return watched(batches, "teacher", "batch")

    def _shaped(self, x):
        if self._shape is None:
            return x
        check_sample_size(self._shape, x, f"input_shape={self._shape}")
        return x.reshape(len(x), *self._shape)

    def _call_module(self, x, torch):
        n_rows, shape = len(x), tuple(x.shape)
        try:
            outputs = self.run(self.module, x)
        except torch.cuda.OutOfMemoryError:
            raise  # not an error of the data: a smaller batch_size or another device helps
        except Exception as error:
            if isinstance(error, TypeError) and "missing" in str(error):
                raise UnusableTeacherError(
                    f"teacher {self!r}: {error}. If the module needs more than a batch, use call=, "
                    "as in TorchTeacher(module, call=lambda module, x: module(x, mask=x != 0))."
                ) from error
            raise ValueError(
                f"teacher {self!r} failed on input of shape {shape}: {error}{self._hint(shape)}"
            ) from error
        outputs = self.tensor_of(outputs)
        if outputs.ndim == 0 or len(outputs) != n_rows:
            raise ValueError(
                f"teacher {self!r}: expected one row per sample, got an output of shape "
                f"{tuple(outputs.shape)} for input of shape {shape}."
            )
        return to_numpy(outputs)

    def run(self, module, x):
        """Call a module, the teacher's own or one traced from it, as the teacher calls it."""
        return module(x) if self.call is None else self.call(module, x)

    def tensor_of(self, outputs):
        """Return the tensor of scores among what the module returned.

        Parameters
        ----------
        outputs : object

        Returns
        -------
        tensor : torch.Tensor
        """
        torch = import_torch()
        if self.output_name is not None:
            found = _named_part(outputs, self.output_name)
        else:
            found = outputs if isinstance(outputs, torch.Tensor) else _logits_of(outputs)
        if isinstance(found, torch.Tensor):
            return found
        wanted = "a tensor" if self.output_name is None else f"a tensor as {self.output_name!r}"
        raise UnusableTeacherError(
            f"teacher {self!r}: the module returned {_described(outputs)}, expected {wanted}, or "
            "an object with a tensor as .logits. If there are several outputs, choose one, as in "
            "TorchTeacher(module, output_name=0), or with call=."
        )

    def _input_dtype(self, torch):
        if self.input_dtype is None:
            return floating_dtype(self.module, torch)
        name = self.input_dtype
        dtype = getattr(torch, name, None) if isinstance(name, str) else name
        if not isinstance(dtype, torch.dtype):
            raise UnusableTeacherError(
                f"input_dtype={self.input_dtype!r}: must be None, a torch dtype or its name, for "
                "example 'int64'."
            )
        return dtype

    def _hint(self, shape):
        """Return advice for flat rows that enter a module for images."""
        has_convolution = any("Conv" in type(part).__name__ for part in self.module.modules())
        if has_convolution and self._shape is not None and len(self._shape) == 2:
            return (
                f". The module has convolutions, which take channels first: did you mean "
                f"input_shape={(1, *self._shape)}?"
            )
        if not has_convolution or self._shape is not None or len(shape) != 2:
            return ""
        side = isqrt(shape[1])
        shown = (1, side, side) if side**2 == shape[1] else (1, 28, 28)
        return (
            ". Rows are flat and this module has convolutions: if it takes images, set their "
            f"shape, as in TorchTeacher(module, input_shape={shown})."
        )

    @property
    def _shape(self):
        return None if self.input_shape is None else tuple(self.input_shape)

    def _check_parameters(self, torch):
        if not isinstance(self.module, torch.nn.Module):
            raise UnusableTeacherError(
                f"module must be a torch.nn.Module instance, got {self.module!r}; as_teacher "
                "takes other callables."
            )
        if self.call is not None and not callable(self.call):
            raise UnusableTeacherError(
                f"call={self.call!r}: must be None or a callable, as in "
                "lambda module, x: module(x, mask=x != 0)."
            )
        check_batching(self)

    def __repr__(self):
        settings = {
            "input_shape": self.input_shape,
            "device": self.device and str(self.device),
            "memory": self.memory and str(self.memory),
        }
        shown = "".join(f", {k}={v!r}" for k, v in settings.items() if v is not None)
        return f"TorchTeacher({type(self.module).__name__}{shown})"


def _cached_forward(content, fingerprint, input_shape, teacher, rows):
    """Run the teacher. The first three arguments are joblib's key, the last two are ignored."""
    return teacher._forward(rows)


def import_torch(user="TorchTeacher"):
    return import_extra("torch", user, "torch")


def _to_tensor(batch, dtype, device, torch):
    """Return a copy, because a module that works in place must not write into X."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device=device, dtype=dtype, copy=True)
    wide = _NUMPY_DTYPES.get(str(dtype), np.float32)
    numbers = np.array(batch, dtype=wide, order="C")
    if not dtype.is_floating_point and not np.array_equal(numbers, batch):
        raise ValueError(f"input_dtype={dtype} needs whole numbers, but X has others.")
    return torch.from_numpy(numbers).to(device=device, dtype=dtype)


def _are_whole(rows):
    """Return whether all values are whole numbers, as token ids are."""
    values = to_numpy(rows)
    return values.dtype.kind in "biu" or bool((values == np.floor(values)).all())


def _logits_of(outputs):
    """Return the logits among a module's outputs, or the only output."""
    if isinstance(outputs, Mapping) and "logits" in outputs:
        return outputs["logits"]
    if getattr(outputs, "logits", None) is not None:
        return outputs.logits
    if isinstance(outputs, Mapping | tuple | list) and len(outputs) == 1:
        (only,) = outputs.values() if isinstance(outputs, Mapping) else outputs
        return only
    return None


def _named_part(outputs, name):
    """Return the output of a module with some name, or None if there is none."""
    if isinstance(name, str) and hasattr(outputs, name):
        return getattr(outputs, name)
    try:
        return outputs[name]
    except (KeyError, IndexError, TypeError):
        return None


def _described(outputs):
    """Return a description of a module's outputs, such as a tuple of two tensors with shapes."""
    name = type(outputs).__name__
    if isinstance(outputs, Mapping):
        return f"{name} of {', '.join(map(repr, outputs))}"
    if isinstance(outputs, tuple | list):
        shapes = ", ".join(str(tuple(getattr(part, "shape", ()))) for part in outputs)
        return f"{name} of {len(outputs)} parts of shapes {shapes}"
    return name


def _tensors(module, **kwargs):
    return chain(module.named_parameters(**kwargs), module.named_buffers(**kwargs))


def floating_dtype(module, torch):
    dtypes = (tensor.dtype for _, tensor in _tensors(module) if tensor.is_floating_point())
    return next(dtypes, torch.float32)


def home_of(module, **kwargs):
    """Device of the first parameter or buffer, or None if there is none."""
    return next((tensor.device for _, tensor in _tensors(module, **kwargs)), None)


@contextmanager
def evaluating(module, device):
    """Context with eval mode on `device` (None: no move). It restores everything at the end."""
    before = [(part, part.training, home_of(part, recurse=False)) for part in module.modules()]
    moves = device is not None and any(home not in (None, device) for *_, home in before)
    try:
        if moves:
            module.to(device)
        module.eval()
        yield
    finally:
        # modules() lists a parent before its children, so the flag of each child is set last.
        for part, training, home in before:
            part.training = training
            if moves and home is not None:
                part.to(home)


def _with_progress(batches, n_rows):
    tqdm = import_extra("tqdm", "TorchTeacher", "torch").tqdm
    with tqdm(total=n_rows, desc="teacher", unit="row") as bar:
        for batch in batches:
            yield batch
            bar.update(batch.stop - batch.start)


def _content(rows):
    """Hash of values, dtype and shape. It is the same for a memmap and an array."""
    if isinstance(rows, np.ndarray):
        return joblib.hash(np.ascontiguousarray(rows), coerce_mmap=True)
    return fingerprint(rows)
