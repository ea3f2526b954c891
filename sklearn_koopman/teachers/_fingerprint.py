"""A hash of everything that determines what a torch module computes."""

import hashlib
import io
import logging
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType

import numpy as np

from ._outputs import UnusableTeacherError

_ATOMS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice, range)
# Attributes that torch has in every module, in addition to those of its author.
_OF_EVERY_MODULE = ("training", "_is_full_backward_hook", "_non_persistent_buffers_set")
# Objects from libraries are identified by their names.
_LIBRARIES = ("torch", "numpy", "builtins", "collections", "typing", "abc")


def fingerprint(*values):
    """Return a hash of modules, functions, tensors and plain values.

    For a module, its attributes, hooks and the code of its class count. For a function, its code,
    its defaults and its closure count. What user code uses in its Python file counts too, as far as
    it can be found. Installed packages count by their names.

    Parameters
    ----------
    *values : object

    Returns
    -------
    digest : str

    Raises
    ------
    UnusableTeacherError
        If the content of some object cannot be determined.
    """
    return _Walk().visit(values, "the teacher")


class _Walk:
    """Makes hashes of objects from the hashes of their parts.

    Identical and equal objects have the same hash, so a copy has the same hash too.
    """

    def __init__(self):
        self.known: dict = {}
        self.kept: list = []  # so that no id is reused

    def visit(self, value, where):
        """Return the hash of a value. `where` says where it was found."""
        if isinstance(value, _ATOMS):
            return _hash(type(value).__name__, repr(value))
        if id(value) not in self.known:
            self.known[id(value)] = f"within itself: {type(value).__name__}"
            self.kept.append(value)
            self.known[id(value)] = _hash(*self._parts(value, where))
        return self.known[id(value)]

    def _parts(self, value, where):
        """Return texts and hashes that identify a value."""
        import torch

        if isinstance(value, torch.Tensor):
            flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
            return ["tensor", value.dtype, tuple(value.shape), flat.numpy().tobytes()]
        if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
            content = np.ascontiguousarray(value).tobytes()
            return ["array", value.dtype, value.shape, content]
        if isinstance(value, torch.jit.ScriptModule):
            file = io.BytesIO()
            torch.jit.save(value, file)
            return ["script", file.getvalue()]
        if isinstance(value, torch.fx.Graph):
            return ["graph", value]
        if isinstance(value, torch.nn.Module):
            return self._module(value, where)
        if isinstance(value, Mapping):
            parts = [_name(type(value))]
            for key, item in value.items():
                parts += [self.visit(key, where), self.visit(item, f"{where}[{key!r}]")]
            return parts
        if isinstance(value, list | tuple):
            items = (self.visit(item, f"{where}[{i}]") for i, item in enumerate(value))
            return [_name(type(value)), *items]
        if isinstance(value, set | frozenset):
            return ["set", *sorted(self.visit(item, where) for item in value)]
        if isinstance(value, ModuleType | torch.dtype | torch.device | logging.Logger):
            return [type(value).__name__, value]
        if isinstance(value, type):
            return self._class(value, where)
        return self._function_or_object(value, where)

    def _function_or_object(self, value, where):
        if isinstance(value, MethodType):
            return [
                "method",
                self.visit(value.__func__, where),
                self.visit(value.__self__, where),
            ]
        if isinstance(value, FunctionType):
            return self._function(value, where)
        if isinstance(value, partial):
            return ["partial", self.visit((value.func, value.args, value.keywords), where)]
        if callable(value) and hasattr(value, "__qualname__"):  # a compiled function
            return ["builtin", _name(value)]
        if hasattr(value, "__dict__"):
            return [self.visit(type(value), where), self.visit(vars(value), where)]
        raise UnusableTeacherError(
            f"memory=: {where} is a {type(value).__name__}, and it is not known whether it changes "
            "the answers. Leave memory= out: then nothing is cached."
        )

    def _module(self, module, where):
        parts = [self.visit(type(module), where)]
        for name, value in vars(module).items():
            if "_hooks" in name:  # hooks have numbers, which differ in another process
                value = list(value.values()) if isinstance(value, Mapping) else value
            if name not in _OF_EVERY_MODULE:
                parts += [name, self.visit(value, f"{where}.{name}")]
        return parts

    def _class(self, cls, where):
        """Return a class's name and, unless it is from a library, its methods and attributes."""
        parts = [_name(cls)]
        for base in cls.__mro__:
            if _package(base) in _LIBRARIES:
                parts.append(_name(base))
                continue
            for name, value in vars(base).items():
                value = getattr(value, "__func__", getattr(value, "fget", value))
                if isinstance(value, FunctionType) or not name.startswith("__"):
                    parts += [name, self._if_known(value, f"{where}.{name}")]
        return parts

    def _function(self, function, where):
        if _package(function) in _LIBRARIES:
            return ["function", _name(function)]
        parts = ["function", *_code(function.__code__)]
        parts.append(self.visit((function.__defaults__, function.__kwdefaults__), where))
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                parts.append(self.visit(cell.cell_contents, f"{name}, which {where} uses,"))
            except ValueError as error:  # an empty cell
                if isinstance(error, UnusableTeacherError):
                    raise
        if "site-packages" not in function.__code__.co_filename:
            for name in sorted(_names(function.__code__) & function.__globals__.keys()):
                parts += [name, self._if_known(function.__globals__[name], name)]
        return parts

    def _if_known(self, value, where):
        """Return the hash of an object in a class or file, or of its type if it has none."""
        try:
            return self.visit(value, where)
        except UnusableTeacherError:
            return _name(type(value))


def _hash(*parts):
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else str(part).encode()
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.hexdigest()


def _code(code):
    parts = [code.co_code, code.co_names, code.co_varnames]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            parts += _code(constant)
        elif isinstance(constant, frozenset):
            parts += sorted(map(repr, constant))
        else:
            parts.append(repr(constant))
    return parts


def _names(code):
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _package(value):
    return (value.__module__ or "").partition(".")[0]


def _name(value):
    return f"{value.__module__}.{value.__qualname__}"
