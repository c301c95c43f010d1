"""The shape of the code: no circle of files, no file too long to know, no class that does everything."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["root_packages"]
SHIPPED = [package for package in PACKAGES if package != "bench"]
LONGEST = 450
WHOLE = {"api/client.py"}
"""One file to copy: the client for programs."""
MOST_NAMES = 25
FIELDS = {"BaseModel", "BaseSettings", "DeclarativeBase"}


def files(*packages: str) -> list[Path]:
    return [file for package in packages for file in sorted((ROOT / package).rglob("*.py"))]


def test_no_files_import_one_another_in_a_circle():
    # With what is imported inside functions, and under TYPE_CHECKING.
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    order = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_would_be_seen(tmp_path, monkeypatch):
    (tmp_path / "round").mkdir()
    (tmp_path / "round" / "__init__.py").touch()
    (tmp_path / "round" / "one.py").write_text("def late():\n    from round import two\n    return two\n")
    (tmp_path / "round" / "two.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from round import one\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    graph = grimp.build_graph("round", cache_dir=None, exclude_type_checking_imports=False)
    with pytest.raises(CycleError):
        TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


def test_no_file_is_longer_than_a_reader_can_know():
    long = {}
    for file in files(*PACKAGES):
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST and file.relative_to(ROOT).as_posix() not in WHOLE:
            long[file.relative_to(ROOT).as_posix()] = lines
    assert not long


def names_of_classes() -> dict[str, tuple[list[str], set[str]]]:
    """Of each class of ours, the classes it inherits from and the public names it adds."""
    found = {}
    for file in files(*SHIPPED):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {n.name for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
                for line in node.body:
                    targets = line.targets if isinstance(line, ast.Assign) else []
                    if isinstance(line, ast.AnnAssign) and (line.value or "ClassVar" in ast.unparse(line.annotation)):
                        targets = [line.target]
                    names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
                bases = [one.id for one in node.bases if isinstance(one, ast.Name) and one.id != node.name]
                found[node.name] = (bases, {name for name in names if not name.startswith("_")})
    return found


def test_no_class_that_does_things_has_more_names_than_one_can_know():
    classes = names_of_classes()

    def public(name: str) -> set[str]:
        bases, own = classes.get(name, ([], set()))
        return own.union(*map(public, bases))

    def is_a_list_of_fields(name: str) -> bool:
        # Settings, rows and requests.
        return name in FIELDS or any(map(is_a_list_of_fields, classes.get(name, ([], set()))[0]))

    assert "fit" in public("Trees") and "title" in public("Trees") and is_a_list_of_fields("Settings")
    counted = {name: len(public(name)) for name in classes if not is_a_list_of_fields(name)}
    assert {name: count for name, count in counted.items() if count > MOST_NAMES} == {}


def test_the_root_of_a_workspace_is_short():
    assert len((ROOT / "workspace" / "workspace.py").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_parameter_of_a_function_is_annotated():
    bare = []
    for file in files(*SHIPPED):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                bare += [
                    f"{file.relative_to(ROOT)}:{node.lineno} {node.name}({one.arg})"
                    for one in given
                    if one.annotation is None and one.arg not in ("self", "cls")
                ]
    assert not bare


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_workspace_opens_without_the_libraries_that_compute(tmp_path):
    code = f"""
import sys
from pathlib import Path
from workspace.settings import Settings
from workspace.workspace import Workspace
Workspace(Settings(workspace=Path({str(tmp_path)!r}))).close()
print(*{{"pandas", "scipy", "torch", "metrics", "sklearn", "duckdb", "openai"}} & set(sys.modules))
"""
    assert run(code).strip() == ""


def test_a_worker_is_small_before_it_reads_its_table(tmp_path):
    # All that a worker does before its first stage reads the table, and what it holds then.
    code = f"""
import psutil, sys
from pathlib import Path
import workspace.tasks.worker
from workspace.jobs.kinds import KINDS
from workspace.settings import Settings
from workspace.workspace import Workspace
opened = Workspace(Settings(workspace=Path({str(tmp_path)!r})))
opened.datasets, opened.measurements, KINDS["train"]
print(psutil.Process().memory_info().rss / 2**20)
"""
    assert float(run(code)) < 150
