"""docs/architecture.md describes the tree as it is: its folders, and the layers that import-linter enforces."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LINTED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def test_every_folder_of_code_is_described_once_and_none_that_is_not_there():
    described = re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.M)
    packages = [
        init.parent.relative_to(ROOT).as_posix()
        for package in LINTED["root_packages"]
        for init in (ROOT / package).rglob("__init__.py")
    ]
    assert sorted(described) == sorted(packages)


def test_every_folder_of_code_is_a_package():
    for package in LINTED["root_packages"]:
        for module in (ROOT / package).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


def test_its_layers_are_those_of_the_first_contract():
    (told,) = re.findall(r"```\n(.*?)```", PAGE, re.S)
    assert told.splitlines() == LINTED["contracts"][0]["layers"]


def test_every_folder_of_several_files_has_a_contract_of_its_own():
    contracts = [contract for contract in LINTED["contracts"] if contract["type"] == "layers"]
    ordered = {folder for contract in contracts for folder in contract.get("containers", [])}
    for contract in contracts:
        named = [layer.strip() for layers in contract["layers"] for layer in layers.split("|")]
        ordered |= {layer.rpartition(".")[0] for layer in named if "containers" not in contract}
    folders = {
        init.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for package in LINTED["root_packages"]
        for init in (ROOT / package).rglob("__init__.py")
        if sum(1 for file in init.parent.glob("*.py")) > 2
    }
    # Migrations follow one another by number, and each imports nothing of ours: that is a contract of another type.
    assert not folders - ordered - {"workspace.catalog.versions"}
