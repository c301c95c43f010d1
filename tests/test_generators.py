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


PROMISES = {
    "Numbers, dates, categories, truth values, all with gaps": "awkward_tables_give_the_same_columns_kinds_and_order",
    "New ids, faked personal data": "no_id_nor_personal_data_reaches_the_output_or_a_saved_file",
    "Conditions, with the rows asked for": "conditions_are_met_by_as_many_rows_as_asked_for",
    "Completes rows, fills gaps": "rows_are_completed_and_gaps_filled",
    "Rules kept in every row": "rules_are_kept_in_every_row",
    "Polishing": "polished_rows_are_as_many_as_asked_for_and_the_same_from_a_loaded_model",
    "The same seed, the same table": "the_same_seed_gives_the_same_table_on_a_repeated_fit_too",
    "Saved and loaded, without pickle": "models_are_saved_without_pickle",
    "Draws in chunks, straight to the file": "chunks_make_up_the_rows_and_their_ids_differ",
    "Time limit, stop and keep": "stops_early",
    "Graphics card": "device",
}
"""What the README says of every generator, and the check that says so too, or the tag or parameter that it has."""


def promised() -> dict[str, dict[str, str]]:
    """The README's table: what each generator can do."""
    lines = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| | `"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:] if line.startswith("|")]
    rows = rows[: next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), len(rows))]
    names = [name.strip("`") for name in rows[0][1:]]
    return {name: {row[0]: row[place] for row in rows[2:]} for place, name in enumerate(names, start=1)}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_readme_promises_what_is_tested(name):
    kind, told = GENERATORS[name], promised()[name]
    checked = {
        check.__name__ for check in [checks.awkward_tables_give_the_same_columns_kinds_and_order, *checks.CHECKS]
    }
    assert set(told) == set(PROMISES)
    for promise, reason in PROMISES.items():
        if reason in checked:
            itself = "itself" if kind.completes else "by trees"
            assert told[promise] == (itself if promise == "Completes rows, fills gaps" else "yes")
        else:
            assert told[promise] == (
                "yes" if getattr(kind, reason, False) or reason in kind.Params.model_fields else "no"
            )
