"""The layer rule: app -> pages, api -> workspace -> metrics, synth; the contracts stand in pyproject.toml."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_no_import_goes_up_a_layer():
    check = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout


def test_a_schema_is_imported_without_the_libraries_that_compute():
    code = (
        "import sys; from synth.schema import Schema; print(*{'pandas', 'numpy', 'scipy', 'torch'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_every_public_name_of_synth_is_there():
    synth = import_module("synth")
    assert synth.__all__ == sorted(synth.HOMES, key=synth.__all__.index)
    for name in synth.__all__:
        assert getattr(synth, name) is getattr(import_module(synth.HOMES[name]), name)
