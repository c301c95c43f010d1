"""What the type checker found on the day of its baseline; `make lint` lets nothing join it."""

import json
from pathlib import Path

import pytest

FOUND = json.loads((Path(__file__).parent.parent / "pyrefly-baseline.json").read_text(encoding="utf-8"))["errors"]


@pytest.mark.parametrize("folder", ["api", "workspace"])
def test_nothing_may_be_found_in(folder):
    assert not [error for error in FOUND if error["path"].startswith(f"{folder}/")]
