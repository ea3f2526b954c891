"""Files that are either written completely or not changed."""

import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replaced_when_whole(path, text=False):
    """Open a file to write. An existing file is replaced only at the end, if all went well.

    After a full disk, an error, an interrupt or a killed process, the old file is still there, or
    no file. On systems with nameless files (Linux), no temporary file remains either.

    Parameters
    ----------
    path : str or Path
        Where to write. A link stays a link, and the file that it points to is replaced. Paths that
        are not files, such as ``/dev/stdout``, are written directly.
    text : bool, default=False
        Whether to write text, in UTF-8 and with unchanged line ends, or bytes.

    Yields
    ------
    file : file object
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}. Make it "
            "first."
        )
    form: dict[str, Any] = {"mode": "wb"}
    if text:
        form = {"mode": "w", "encoding": "utf-8", "newline": ""}
    if path.exists() and not path.is_file():
        with path.open(**form) as file:
            yield file
        return
    part = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    descriptor = _nameless_file(path.parent)
    try:
        with open(part if descriptor is None else descriptor, **form) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, file.fileno())
            if descriptor is not None:
                _give_name(file.fileno(), part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _nameless_file(folder):
    """Return the descriptor of a new nameless file, or None if the system has no such files."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with suppress(OSError):  # not on every file system; a real problem will appear again
            return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    return None


def _give_name(descriptor, path):
    # Python follows the link of the descriptor only if it gets a folder as well.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
