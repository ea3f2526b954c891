"""The scripts in the docs run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
SCRIPTS = {
    f"{page}-{number}": text
    for page in ("scale", "dictionaries")
    for number, text in enumerate(
        re.findall(
            r"^```python\n(.*?)^```",
            (DOCS / f"{page}.md").read_text(encoding="utf-8"),
            re.M | re.S,
        )
    )
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name, tmp_path):
    if "distributed" in SCRIPTS[name]:
        pytest.importorskip("distributed", reason="distributed is not installed")
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
