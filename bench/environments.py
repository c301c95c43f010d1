"""Environments of their own for packages that clash with ours, to measure beside them."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path


def environment(folder: Path, *packages: str) -> Path:
    """The interpreter of a new environment in `folder` that has these packages and what they need.

    Raises CalledProcessError when they cannot be installed, for example where there is no network.
    """
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
    return python
