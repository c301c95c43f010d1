"""Registries: what declares itself is found; and the checks that the author of a generator can call."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synth import GENERATORS, Model, checks, generator
from synth.registry import Registry

ROOT = Path(__file__).parent.parent


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `things` with a registry, and what it writes into a file of that package."""
    folder = tmp_path / "things"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text(
        "from synth.registry import Registry\n"
        "THINGS = Registry('thing', 'things', group='understudy.no_such', place=lambda one: 0, decorator='thing')\n"
        "def thing(name):\n"
        "    def declare(one):\n"
        "        THINGS.add(name, one)\n"
        "        return one\n"
        "    return declare\n"
    )
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "things"]:
        del sys.modules[name]


def things(folder: Path, **files: str) -> Registry:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    from things.base import THINGS

    return THINGS


DECLARED = "from things.base import THINGS, thing\n\n\n@thing({name!r})\nclass {kind}:\n    pass\n"


def test_modules_that_declare_something_are_imported_and_no_others(package):
    found = things(
        package, good=DECLARED.format(name="good", kind="Good"), heavy="raise ImportError('takes seconds')\n"
    )
    assert list(found) == ["good"]


def test_a_module_may_read_the_registry_while_it_is_being_read(package):
    found = things(
        package,
        a_first=DECLARED.format(name="first", kind="First"),
        b_second=DECLARED.format(name="second", kind="Second") + "\nSEEN = sorted(THINGS)\n",
    )
    assert sorted(found) == ["first", "second"]
    assert sys.modules["things.b_second"].SEEN == ["first", "second"]


def test_an_import_that_fails_is_told_every_time(package):
    found = things(package, bad=DECLARED.format(name="bad", kind="Bad") + "\nraise RuntimeError('no such library')\n")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no such library"):
            list(found)


def test_two_generators_of_one_name_are_an_error():
    with pytest.raises(
        ValueError, match=r"There are two generators called 'trees': synth.generators.trees.trees.Trees and"
    ):

        @generator("trees", title="Others", summary="Not those.")
        class Others(Model):
            pass


def test_reading_the_generators_imports_no_library_that_trains():
    code = (
        "import sys; from synth import GENERATORS; list(GENERATORS);"
        "print(*{'torch', 'sdv', 'ctgan', 'numba', 'sklearn', 'scipy', 'lightgbm', 'transformers'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


class Dice(Model):
    """A stranger's generator: each cell is one of the column's values, drawn alone."""

    def fit(self, table, schema, report):
        report(0.5)
        self.cells = {name: table[name] for name in schema.names}

    def sample(self, rows, rng, report):
        report(0.0)
        taken = {name: cells.iloc[rng.integers(0, len(cells), rows)] for name, cells in self.cells.items()}
        return pd.DataFrame({name: cells.reset_index(drop=True) for name, cells in taken.items()})

    def save(self, folder):
        pd.DataFrame(self.cells).to_parquet(folder / "cells.parquet")

    def load(self, folder, schema):
        self.cells = dict(pd.read_parquet(folder / "cells.parquet").items())


@pytest.fixture
def dice():
    yield generator("dice", title="Dice", summary="Throws a die for every cell.")(Dice)
    GENERATORS.remove("dice")


def test_a_strangers_generator_passes_the_checks_that_ours_pass(dice):
    checks.check_generator(dice)
    ours = [name for name, kind in GENERATORS.items() if kind.__module__.startswith("synth.")]
    assert not dice.completes and list(GENERATORS)[: len(ours)] == ours


def test_the_checks_find_a_generator_that_ignores_its_seed(dice, monkeypatch):
    honest = Dice.sample
    monkeypatch.setattr(
        Dice, "sample", lambda self, rows, rng, report: honest(self, rows, np.random.default_rng(), report)
    )
    with pytest.raises(AssertionError):
        checks.check_generator(dice)
