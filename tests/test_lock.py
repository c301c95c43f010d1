"""The locks hold every package that is installed beside torch: its version, and the hashes of its files."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workspace.version import VERSION

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-llm.lock")
TORCH_NEEDS = ("filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "sympy", "typing-extensions")


class Entry(NamedTuple):
    requirement: Requirement
    hashes: list[str]

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")


def lines(file: str) -> list[str]:
    """The file's lines without comments, those that end in a backslash joined to the next."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    stated = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in stated if line]


def locked(file: str) -> dict[str, Entry]:
    found = {}
    for line in lines(file):
        requirement, *hashes = re.split(r"\s+--hash=", line)
        entry = Entry(Requirement(requirement), hashes)
        found[canonicalize_name(entry.requirement.name)] = entry
    return found


def direct(file: str) -> list[Requirement]:
    return [Requirement(line) for line in lines(file) if not line.startswith("-r ")]


@pytest.mark.parametrize("file", LOCKS)
def test_every_entry_is_one_version_with_hashes(file):
    for name, entry in locked(file).items():
        assert re.fullmatch(r"==[^,*]+", str(entry.requirement.specifier)), name
        assert entry.hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in entry.hashes), name
    assert len(locked(file)) == len(lines(file)), "a package stands there in two versions"


@pytest.mark.parametrize("file", LOCKS)
def test_nothing_of_one_machine_is_in_it(file):
    assert not [name for name, entry in locked(file).items() if "+" in entry.version or entry.requirement.url]
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"file:|https?://|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize("file", LOCKS)
def test_neither_torch_nor_what_drives_its_graphics_card_is_in_it(file):
    assert not [name for name in locked(file) if re.match(r"(torch|triton|nvidia|cuda|cupy)\b", name)]


@pytest.mark.parametrize("name", TORCH_NEEDS)
def test_what_torch_needs_is_in_it(name):
    assert name in locked("requirements.lock")


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "requirements-llm.txt"])
def test_every_pinned_package_but_torch_is_in_its_lock_in_that_version(file):
    lock = locked(file.replace(".txt", ".lock"))
    for requirement in direct(file):
        name = canonicalize_name(requirement.name)
        if name != "torch":
            assert name in lock, f"{name} is missing. Run `make lock`."
            assert str(lock[name].requirement.specifier) == str(requirement.specifier), f"{name}: run `make lock`."


@pytest.mark.parametrize("file", ["requirements-dev.lock", "requirements-llm.lock"])
def test_the_locks_agree_with_one_another(file):
    app = locked("requirements.lock")
    differing = {name for name, entry in locked(file).items() if name in app and app[name].version != entry.version}
    assert not differing


def test_the_lock_for_developers_holds_all_of_the_apps():
    assert set(locked("requirements.lock")) <= set(locked("requirements-dev.lock"))


def test_the_project_is_built_by_the_locked_setuptools_in_the_version_that_the_app_shows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["build-system"]["requires"] == [f"setuptools=={locked('requirements.lock')['setuptools'].version}"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "workspace.version.VERSION"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
