"""The examples of docs/api.md, each run as it stands against a live server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import write_people
from tests.live import serving
from workspace.settings import Settings
from workspace.workspace import Workspace

ROOT = Path(__file__).parent.parent
SECTION = re.search(r"## Examples\n(.*?)\n## ", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.S)[1]
EXAMPLES = re.findall(r"```(python|js|sh)\n(.*?)```", SECTION, re.S)
NO_NODE = "The JavaScript of docs/api.md runs in Node.js, and none is installed. On Debian: apt-get install nodejs"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("workspace")
    workspace = Workspace(Settings(workspace=folder, slots=2, threads_per_job=1)).start()
    with serving(workspace) as url:
        yield url
    workspace.close()


def command_of(language: str, code: str, folder: Path) -> list[str]:
    """How the example is run; JavaScript is skipped at a desk without Node.js, and fails where `CI` is set."""
    if language == "sh":
        return ["bash", "-euc", code]
    if language == "python":
        return [sys.executable, "-c", code]
    node = shutil.which("node")
    if node is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_NODE)
    (folder / "example.mjs").write_text(code, encoding="utf-8")
    return [node, "example.mjs"]


def test_there_is_one_in_each_language():
    assert [language for language, _ in EXAMPLES] == ["python", "sh", "js", "sh"]


@pytest.mark.parametrize(("language", "code"), EXAMPLES, ids=[f"{n}-{one[0]}" for n, one in enumerate(EXAMPLES)])
def test_every_example_makes_a_synthetic_table(address, tmp_path, language, code):
    write_people(tmp_path).rename(tmp_path / "adult.csv")
    # As in the project's environment, where `python` is its own.
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT), "UNDERSTUDY_URL": address}
    command = command_of(language, code.replace("http://127.0.0.1:8501", address), tmp_path)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "synthetic.csv")
    assert (list(rows.columns), len(rows)) == (["city", "age", "income", "who"], 1000)
