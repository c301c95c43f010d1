"""What every generator does: the checks of `synth.checks`, over all that are registered. A new one is tested by being there."""

from functools import cache
from pathlib import Path

import pytest

from synth import GENERATORS, checks
from synth.awkward_tables import AWKWARD

SHIPPED = [name for name, kind in GENERATORS.items() if kind.__module__.startswith("synth.")]
"""All but the fakes that other tests put beside them."""


def each(is_slow) -> pytest.MarkDecorator:
    """Parametrised over all generators, those marked slow of which `is_slow`."""
    marks = {name: [pytest.mark.slow] if is_slow(GENERATORS[name]) else [] for name in SHIPPED}
    return pytest.mark.parametrize("name", [pytest.param(name, marks=marks[name]) for name in SHIPPED])


subject = cache(lambda name: checks.Subject(GENERATORS[name]))
"""Each generator is fitted once for all checks that only draw from it."""


@each(lambda kind: kind.slow)
@pytest.mark.parametrize("table", AWKWARD)
def test_awkward_tables_give_the_same_columns_kinds_and_order(name, table):
    checks.awkward_tables_give_the_same_columns_kinds_and_order(subject(name), table)


@each(lambda kind: kind.stops_early)
def test_a_table_of_300_columns_is_learned(name):
    """What trains epoch by epoch takes minutes for it."""
    checks.a_table_of_300_columns_is_learned(subject(name))


@each(lambda kind: kind.slow)
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_every_generator_does_what_is_checked(name, check):
    check(subject(name))


def test_the_readme_says_what_each_generator_can_do():
    lines = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8").splitlines()
    told = {row[0].strip("`"): row[3:6] for row in ([c.strip() for c in line.strip("|").split("|")] for line in lines)}
    for name in SHIPPED:
        kind = GENERATORS[name]
        early, card = ("yes" if able else "no" for able in (kind.stops_early, "device" in kind.Params.model_fields))
        assert told[name] == ["itself" if kind.completes else "by trees", early, card], name


@pytest.mark.parametrize("name", SHIPPED)
def test_every_parameter_of_ours_is_described_and_says_whether_it_is_tuned(name):
    for field in GENERATORS[name].Params.model_json_schema().get("properties", {}).values():
        assert field["description"] and {"tune", "log", "advanced"} <= set(field)
