"""Other libraries. Each has a virtual environment of its own, with the versions pinned here.

`sides.py`, `spans.py`, `tensors.py`, `oscillators.py` and `networks_in_c.py` run in these
environments.
"""

import json
import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

PINS = Path(__file__).parent
VENVS = PINS.parent / ".venvs"


def pins_of(library):
    """Return the file that pins what a library needs. Libraries beside us have no such file."""
    return PINS / f"{library.split(',')[0]}.txt"


def is_beside(library):
    """Whether a library is installed beside this script's Python, and needs no environment."""
    return not pins_of(library).exists()


def interpreter(library):
    """Return the Python that has a library; make its environment if there is none yet."""
    if is_beside(library):
        return sys.executable
    pins = pins_of(library)
    home = VENVS / pins.stem
    python, installed = home / "bin" / "python", home / pins.name
    if not installed.exists() or installed.read_text() != pins.read_text():
        print(f"installing {pins.stem}", flush=True)
        venv.create(home, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", pins]
        subprocess.run(install, check=True)
        installed.write_text(pins.read_text())
    return python


def version_of(library):
    """Return the version that is pinned, or installed beside this script's Python."""
    if is_beside(library):
        return version(library)
    pins = pins_of(library)
    pinned = dict(line.split("==") for line in pins.read_text().splitlines() if "==" in line)
    return pinned[pins.stem]


def run(library, script, *arguments, most_seconds):
    """Return the results of a library's process. If it failed, they are a remark."""
    command = [interpreter(library), PINS / script, library, *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            env={"OMP_NUM_THREADS": str(os.cpu_count()), **os.environ},
            capture_output=True,
            text=True,
            timeout=most_seconds,
        )
    except subprocess.TimeoutExpired:
        return {"remark": f"stopped after {most_seconds} s"}
    if done.returncode < 0:
        return {"remark": f"killed by signal {-done.returncode}"}
    if done.returncode > 0:
        return {"remark": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])
