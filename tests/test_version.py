"""One version, shown wherever somebody asks which Understudy this is."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from api import api
from tests.calling import here
from workspace.services.bugs import versions
from workspace.version import VERSION
from workspace.workspace import Workspace


def test_the_api_tells_it_in_its_description_and_in_its_health(workspace: Workspace):
    assert api.version == VERSION
    assert here(workspace).get("/health").json()["versions"]["understudy"] == VERSION


def test_a_bug_report_carries_it():
    assert versions()["understudy"] == VERSION


def test_the_command_tells_it():
    command = Path(sys.executable).with_name("understudy")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["understudy", VERSION]


def test_the_environment_has_it_installed():
    assert version("understudy") == VERSION
