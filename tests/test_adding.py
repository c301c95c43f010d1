"""What adding takes: patches that are applied to a copy of the tree, and pass its tests there without another edit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATCHES = ROOT / "tests" / "data" / "patches"
TREE = ("api", "docs", "metrics", "pages", "synth", "tests", "workspace", "README.md", "app.py", "pyproject.toml")


def touched(name: str) -> list[str]:
    return re.findall(r"^\+\+\+ b/(\S+)", (PATCHES / f"{name}.patch").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("name, files", [("generator", 2), ("metric", 2), ("job", 2)])
def test_it_touches_few_files_and_its_test(name, files):
    tests = [file for file in touched(name) if file.startswith("tests/")]
    assert len(tests) == 1 and len(touched(name)) - len(tests) == files


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with a generator, a metric and a kind of job more."""
    copy = tmp_path_factory.mktemp("patched")
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "browser", "*.gz"))
        else:
            shutil.copy(source, copy / name)
    for patch in sorted(PATCHES.glob("*.patch")):
        subprocess.run(["git", "apply", "--unidiff-zero", patch], cwd=copy, check=True)
    return copy


def test_its_own_tests_those_of_all_and_those_of_the_docs_pass_in_a_copy_with_it(patched):
    chosen = [file for name in ("generator", "metric", "job") for file in touched(name) if file.startswith("tests/")]
    every = ["tests/test_generators.py", "tests/test_metrics.py", "tests/test_docs.py", *chosen]
    named = "shuffle or distinct_rows or tally or readme_says"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-k", named, *every],
        cwd=patched,
        env={**os.environ, "PYTHONPATH": str(patched)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > 30
