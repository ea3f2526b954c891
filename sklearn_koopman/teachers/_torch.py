"""The teacher that is a torch module."""

import hashlib
import threading
from contextlib import contextmanager
from itertools import chain
from math import isqrt
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from .._devices import resolve_device
from .._extras import import_extra
from ._base import Teacher
from ._batches import as_numeric, check_batching, check_sample_size, row_batches
from ._outputs import to_numpy

# Eval mode and device are states of a module that threads would otherwise change under each
# other's feet, silently switching dropout on. One lock for all, as parts can be shared.
FORWARD_LOCK = threading.RLock()


class TorchTeacher(Teacher):
    """A torch module as a teacher: batched, on its device, in eval mode, without gradients.

    The module is used as it is, never trained, and shared by `sklearn.base.clone`: a grid
    search does not copy it. After a call its training flags and its device are as before.

    Parameters
    ----------
    module : torch.nn.Module
        Maps a batch of shape (n, n_features), or (n, ...), to (n, n_columns) logits
        or probabilities: a tensor, or an object whose `logits` is one.
    input_shape : tuple of int, default=None
        Shape of one sample as the module takes it, for example (1, 28, 28). None: as in X.
    batch_size : int, default=1024
        Rows per forward pass.
    device : str or torch.device, default=None
        Where to run. None: where the module is.
    output : {"auto", "proba", "logits", "sigmoid"}, default="auto"
        What the module gives.
    classes : array-like of shape (n_columns,), default=None
        The class of each column. None: the student's classes in sorted order.
    progress : bool, default=False
        Show a progress bar over the rows.
    memory : None, str, path or joblib.Memory, default=None
        Where to cache outputs on disk. The key is the content of X and of the module (weights,
        buffers, structure, plain settings), so rows stay aligned when they are sliced or
        shuffled, and a changed weight is a new key. The code of `forward` is not part of it:
        clear the cache after editing that. joblib's cache files are pickles: use a folder
        that only you write to.

    Notes
    -----
    Batches are cast to the floating dtype of the module, float32 if it has none. Calls from
    several threads run one after the other.

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
            key = _fingerprint(self.module)
        return cached(_content(rows), key, self._shape, teacher=self, rows=rows)

    def _forward(self, rows):
        """Run the module over all rows, batch by batch."""
        torch = import_torch()
        with self._running(torch) as to_input, torch.inference_mode():
            batches = self._row_batches(len(rows))
            outputs = [self._call_module(to_input(rows[batch]), torch) for batch in batches]
        return np.concatenate(outputs)

    @contextmanager
    def _running(self, torch):
        """Give the function from rows to the module's input; the module is in eval mode."""
        target = resolve_device(self.device)
        device = target or home_of(self.module) or "cpu"
        dtype = floating_dtype(self.module, torch)
        with FORWARD_LOCK, evaluating(self.module, target):
            yield lambda rows: self._shaped(_to_tensor(rows, dtype, device, torch))

    def _row_batches(self, n_rows):
        batches = row_batches(n_rows, self.batch_size)
        return _with_progress(batches, n_rows) if self.progress else batches

    def _shaped(self, x):
        if self._shape is None:
            return x
        check_sample_size(self._shape, x, f"input_shape={self._shape}")
        return x.reshape(len(x), *self._shape)

    def _call_module(self, x, torch):
        n_rows, shape = len(x), tuple(x.shape)
        try:
            outputs = self.module(x)
        except torch.cuda.OutOfMemoryError:
            raise  # the data are fine: a smaller batch_size or another device helps
        except Exception as error:
            raise ValueError(
                f"teacher {self!r} failed on input of shape {shape}: {error}{self._hint(shape)}"
            ) from error
        outputs = tensor_of(outputs, self, torch)
        if outputs.ndim == 0 or len(outputs) != n_rows:
            raise ValueError(
                f"teacher {self!r}: expected one row per sample, got an output of shape "
                f"{tuple(outputs.shape)} for input of shape {shape}."
            )
        return to_numpy(outputs)

    def _hint(self, shape):
        """Return what to do where flat rows enter a module that takes images."""
        has_convolution = any("Conv" in type(part).__name__ for part in self.module.modules())
        if not has_convolution or self._shape is not None or len(shape) != 2:
            return ""
        side = isqrt(shape[1])
        shown = (1, side, side) if side**2 == shape[1] else (1, 28, 28)
        return (
            ". Rows are flat and this module has convolutions: if it takes images, say their "
            f"shape, as in TorchTeacher(module, input_shape={shown})."
        )

    @property
    def _shape(self):
        return None if self.input_shape is None else tuple(self.input_shape)

    def _check_parameters(self, torch):
        if not isinstance(self.module, torch.nn.Module):
            raise TypeError(
                f"module must be a torch.nn.Module instance, got {self.module!r}; as_teacher "
                "takes other callables."
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
    """Run the teacher; joblib's key are the first three, the last two are ignored."""
    return teacher._forward(rows)


def import_torch(user="TorchTeacher"):
    return import_extra("torch", user, "torch")


def _to_tensor(batch, dtype, device, torch):
    """Return a copy, always: a module that works in place must not write into X."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device=device, dtype=dtype, copy=True)
    wide = np.float64 if dtype == torch.float64 else np.float32
    batch = np.array(batch, dtype=wide, order="C")
    return torch.from_numpy(batch).to(device=device, dtype=dtype)


def tensor_of(outputs, teacher, torch):
    for candidate in (outputs, getattr(outputs, "logits", None)):
        if isinstance(candidate, torch.Tensor):
            return candidate
    raise TypeError(
        f"teacher {teacher!r}: the module returned {type(outputs).__name__}, expected a tensor "
        "or an object whose .logits is one."
    )


def _tensors(module, **kwargs):
    return chain(module.named_parameters(**kwargs), module.named_buffers(**kwargs))


def floating_dtype(module, torch):
    dtypes = (tensor.dtype for _, tensor in _tensors(module) if tensor.is_floating_point())
    return next(dtypes, torch.float32)


def home_of(module, **kwargs):
    """Device of the first parameter or buffer, None if there is none."""
    return next((tensor.device for _, tensor in _tensors(module, **kwargs)), None)


@contextmanager
def evaluating(module, device):
    """Eval mode on `device`, None for where it is; afterwards all is as it was."""
    before = [(part, part.training, home_of(part, recurse=False)) for part in module.modules()]
    moves = device is not None and any(home not in (None, device) for *_, home in before)
    try:
        if moves:
            module.to(device)
        module.eval()
        yield
    finally:
        # modules() lists a parent before its children, so each child has the last word.
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
    """Hash of values, dtype and shape, the same for a memmap and an array."""
    if isinstance(rows, np.ndarray):
        return joblib.hash(np.ascontiguousarray(rows), coerce_mmap=True)
    return _digest([("X", rows)], ["torch"])


def _fingerprint(module):
    """Hash of all that decides what a module computes, except the code of its forward."""
    settings = [
        (name, key, value)
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if key != "training" and isinstance(value, (bool, int, float, str, type(None)))
    ]
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    return _digest(_tensors(module), [kind, repr(module), repr(settings)])


def _digest(tensors, texts):
    import torch

    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode())
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()
