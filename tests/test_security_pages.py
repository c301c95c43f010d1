"""Pages work on what was asked for or on nothing: stale references, invalid numbers, deletes and drafts."""

from __future__ import annotations

import ast
import csv
import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from api.schemas.responses import RunResponse
from metrics import Score
from pages.components.fields import read_number
from pages.components.frame import get_workspace
from synth.conversations import Dialogue, Turn
from synth.conversations.formats import formula_cells, save_dialogues
from synth.spreadsheets import is_formula
from workspace.catalog.rows import Dataset, Run, now
from workspace.workspace import Workspace

MAIN = Path(__file__).parent.parent / "pages" / "main.py"
PENGUINS = Path(__file__).parent / "data" / "penguins.csv"
STARTS = ("Train", "Search and train", "Write", "Start", "Generate", "Enforce these rules", "Hold out these rows")
"""Buttons that start work or change a dataset."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The pages' own workspace, in which no job is ever started."""
    monkeypatch.setenv("UNDERSTUDY_WORKSPACE", str(tmp_path / "workspace"))
    st.cache_resource.clear()
    st.cache_data.clear()
    workspace = get_workspace()
    monkeypatch.setattr(workspace.queue, "claim", lambda: None)
    yield workspace
    workspace.close()
    st.cache_resource.clear()


@pytest.fixture
def visit(workspace: Workspace) -> Callable[..., AppTest]:
    def open_page(name: str, **query: str) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in query.items():
            page.query_params[key] = value
        return (page if name == "home" else page.switch_page(f"{name}.py")).run()

    return open_page


@pytest.fixture
def tables(workspace: Workspace, tmp_path: Path) -> list[Dataset]:
    """Three datasets of one name and size, newest first."""
    file = tmp_path / "people.csv"
    file.write_text("city,age\n" + "".join(f"{('Oslo', 'Bergen')[n % 2]},{n}\n" for n in range(20)))
    for _ in range(3):
        workspace.datasets.add(file, "people.csv")
    return list(workspace.datasets.find())


@pytest.fixture
def runs(workspace: Workspace, tables: list[Dataset], tmp_path: Path) -> list[Run]:
    """Two synthetic tables of the second dataset, and one of the third."""
    return [workspace.runs.add(tables[n].id, tmp_path / "people.csv", "theirs.csv") for n in (1, 1, 2)]


def enabled(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.label.startswith(STARTS) and not button.disabled]


def texts(page: AppTest) -> str:
    kinds = (page.title, page.markdown, page.caption, page.error, page.warning)
    return "\n".join(str(one.value) for kind in kinds for one in kind).replace("\\", "")


def button(page: AppTest, label: str):
    return next(button for button in page.button if button.label == label)


@pytest.mark.parametrize(
    "name, query",
    [
        ("data", {"dataset": "gone"}),
        ("train", {"dataset": "gone"}),
        ("train", {"dataset": ""}),
        ("compare", {"dataset": "gone"}),
        ("compare", {"run": "gone"}),
        ("conversations", {"talk": "gone"}),
        ("jobs", {"job": "gone"}),
        ("home", {"job": "gone"}),
        ("data", {"view": "gone"}),
    ],
)
def test_an_unknown_reference_is_refused_and_stays_in_the_address(visit, workspace, runs, name, query):
    page = visit(name, **query)
    assert not page.exception
    assert len(page.error) == 1 and page.error[0].value.startswith(("There is no such", "This page has no such"))
    assert {key: page.query_params[key] for key in query} == query
    if "dataset" in query:
        assert page.selectbox[0].value is None
        assert enabled(page) == []
    assert not workspace.jobs.find()


def test_a_synthetic_table_of_another_dataset_is_not_replaced(visit, tables, runs):
    page = visit("compare", dataset=tables[1].id, run=runs[2].id)
    assert "This synthetic table is of people.csv" in page.error[0].value.replace("\\", "")
    assert [choice.value for choice in page.selectbox[:2]] == [tables[1].id, None]
    assert not page.link_button


def test_a_link_that_names_a_synthetic_table_alone_opens_its_dataset(visit, tables, runs):
    page = visit("compare", run=runs[2].id)
    assert not page.error
    assert [choice.value for choice in page.selectbox[:2]] == [tables[2].id, runs[2].id]


def test_a_table_deleted_in_another_tab_is_not_replaced_by_the_next(visit, workspace, tables):
    page = visit("train", dataset=tables[1].id)
    workspace.datasets.delete(tables[1].id)
    button(page, "Train").click().run()
    assert page.error[0].value.startswith("This dataset was deleted: people")
    assert enabled(page) == [] and not workspace.jobs.find()
    # Nor on another page, nor at the next step.
    page.switch_page("data.py").run()
    assert page.error[0].value.startswith("This dataset was deleted: people")
    page.selectbox[0].set_value(tables[2].id).run()
    assert not page.error
    page.switch_page("train.py").run()
    button(page, "Train").click().run()
    assert [job.dataset_id for job in workspace.jobs.find()] == [tables[2].id]


def test_a_first_visit_takes_the_newest(visit, tables):
    assert visit("train").selectbox[0].value == tables[0].id


def test_of_tables_with_one_name_the_chosen_one_is_meant(visit, tables):
    page = visit("data")
    shown = page.selectbox[0].options
    assert len(set(shown)) == 3
    for dataset in tables:
        page.selectbox[0].select(next(label for label in shown if dataset.id[:6] in label)).run()
        assert page.query_params["dataset"] == dataset.id


def test_without_its_source_file_no_conversation_is_written(visit, workspace, tmp_path):
    file = tmp_path / "talks.csv"
    turns = [f"c{n},{role},please help number {n:03} soon" for n in range(8) for role in ("customer", "agent")]
    file.write_text("id,role,text\n" + "\n".join(turns))
    dataset = workspace.datasets.add(file, "talks.csv")
    page = visit("conversations")
    page.multiselect(key="conversation_files").set_value([dataset.id]).run()
    assert any(label.startswith("Write") for label in enabled(page))
    workspace.datasets.delete(dataset.id)
    for _ in range(2):
        page.run()
        assert "source file: talks.csv" in page.error[0].value.replace("\\", "")
        assert enabled(page) == []
    button(page, "Continue with what is chosen now").click().run()
    assert any(label.startswith("Write") for label in enabled(page))


NOT_NUMBERS = ["-5", "0", "1e30", "1.5", "ten", "", "1e", "0x10", "٣" * 3 + "x", "9" * 100, "1,5", "NaN", "inf"]


@pytest.mark.parametrize("entered", ["-5", "1e30"])
def test_an_invalid_number_disables_the_button_and_says_why(visit, workspace, tables, entered):
    page = visit("train")
    # The press that was on its way while the number was entered starts nothing either.
    page.text_input(key=f"rows_{tables[0].id}").set_value(entered)
    button(page, "Train").click().run()
    assert not page.exception
    train = button(page, "Train")
    assert train.disabled and train.help.startswith("Rows to generate")
    assert page.error[0].value.startswith("Rows to generate")
    assert not workspace.jobs.find()
    page.text_input(key=f"rows_{tables[0].id}").set_value("1e1").run()
    assert not page.error and not button(page, "Train").disabled
    button(page, "Train").click().run()
    assert workspace.jobs.find()[0].arguments["rows"] == 10


@pytest.mark.parametrize("entered", NOT_NUMBERS)
def test_what_is_no_number_within_bounds_is_told(entered):
    with pytest.raises(ValueError, match=r"number|large|small|characters"):
        read_number(entered, whole=True, low=1, high=100_000_000)


@pytest.mark.parametrize("entered, number", [("26,049", 26049), ("1e6", 10**6), (" 7 ", 7), ("100000000", 10**8)])
def test_numbers_are_read_as_people_write_them(entered, number):
    assert read_number(entered, whole=True, low=1, high=100_000_000) == number


def test_a_delete_asks_says_what_goes_along_and_can_be_undone_on_every_page(visit, workspace, tables, runs):
    page = visit("data", dataset=tables[1].id)
    asked = AppTest.from_function(asking, kwargs={"dataset_id": tables[1].id}, default_timeout=60).run()
    assert "with its 2 synthetic tables" in texts(asked)
    asked.button(key="delete_to_bin").click().run()
    assert tables[1].id not in workspace.catalog.ids(Dataset)
    assert runs[0].id not in workspace.catalog.ids(Run)
    page.session_state["bin"] = asked.session_state["bin"]
    for name in ("train", "jobs", "data"):
        page.switch_page(f"{name}.py").run()
        assert "Deleted the dataset **people.csv**" in texts(page)
    button(page, "Undo").click().run()
    assert {run.id for run in workspace.runs.find(tables[1].id)} == {run.id for run in runs[:2]}
    assert "Deleted the dataset" not in texts(page)


def test_delete_at_once_leaves_nothing_to_undo(workspace, tables):
    asked = AppTest.from_function(asking, kwargs={"dataset_id": tables[1].id}, default_timeout=60).run()
    asked.button(key="delete_at_once").click().run()
    assert tables[1].id not in workspace.catalog.ids(Dataset)
    assert list((workspace.folder / "bin").iterdir()) == []


def asking(dataset_id: str) -> None:
    from pages.components.deletion import ask_to_delete
    from pages.components.frame import get_workspace

    workspace = get_workspace()
    found = [dataset for dataset in workspace.datasets.find() if dataset.id == dataset_id]
    if found:
        ask_to_delete(workspace, found[0], found[0].name, workspace.datasets.delete)


FORMULAS = ["=1+1", "+cmd", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "＝1+1", "－1+a", "＠x"]
NO_FORMULAS = ["-5", "+3.2", "-1,234.50", "-4e-3", "+5 %", "-", "plain", "a=b", "", " x", "1-2"]


def cells_of(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as read:
        return list(csv.reader(read))


def test_a24_cells_that_a_spreadsheet_would_run_are_counted_and_defused(visit, workspace, tmp_path):
    file = tmp_path / "sums.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["=cell", "n", "word"])
        for place in range(60):
            word = f"word{place}" if place >= 20 else [*FORMULAS, *NO_FORMULAS][place % 19]
            writer.writerow([f"text {place}", -place, word])
    dataset = workspace.datasets.add(file, "sums.csv")
    run = workspace.runs.add(dataset.id, file, "sums.csv")
    raw, safe = (cells_of(workspace.runs.export(run.id, spreadsheet_safe=asked)) for asked in (False, True))
    pairs = [
        (old, new) for before, after in zip(raw, safe, strict=True) for old, new in zip(before, after, strict=True)
    ]
    changed = {old for old, new in pairs if new == f"'{old}"}
    assert changed == {"=cell", *FORMULAS}
    assert all(new in (old, f"'{old}") for old, new in pairs)
    cells = sum(old != new for old, new in pairs)
    assert workspace.runs.formula_cells(run.id) == cells
    page = visit("compare", run=run.id)
    assert not page.exception
    choice = page.toggle(key=f"safe_{run.id}")
    assert f"{cells} cells" in choice.label and f"{cells} cells begin with =" in choice.help
    choice.set_value(True).run()
    links = {link.value: link.url for link in page.link_button}
    assert "spreadsheet_safe=true" in links["Download CSV"] and "spreadsheet_safe" not in links["Parquet"]


def test_a24_without_such_cells_nothing_is_asked(visit, runs):
    assert not visit("compare", run=runs[0].id).toggle


def test_a24_conversations_too(tmp_path):
    said = Dialogue(
        id="=1", turns=[Turn(role="customer", text="@now"), Turn(role="agent", text="-5")], labels={"+a": "x"}
    )
    assert formula_cells([said]) == 4
    save_dialogues([said], tmp_path / "talks.csv", "csv", spreadsheet_safe=True)
    assert cells_of(tmp_path / "talks.csv") == [
        ["conversation_id", "turn", "role", "text", "'+a"],
        ["'=1", "0", "customer", "'@now", "x"],
        ["'=1", "1", "agent", "-5", "x"],
    ]


@pytest.mark.parametrize("entered", ["=" * 100_000, "-" + "1" * 100_000, "-" + "1 " * 50_000 + "x", "+1e" * 30_000])
def test_a24_long_cells_are_told_apart_at_once(entered):
    begun = time.perf_counter()
    assert is_formula(entered)
    assert time.perf_counter() - begun < 0.1


@pytest.fixture
def made(workspace: Workspace, tables: list[Dataset]) -> list[Run]:
    """Three synthetic tables of one dataset: two of the same settings and seed, and one of another seed."""
    dataset = workspace.datasets.get(tables[0].id)
    rows = workspace.runs.add(dataset.id, workspace.settings.workspace.parent / "people.csv", "theirs.csv")
    runs = []
    for place, seed in enumerate((0, 0, 1)):
        about = {"model": "bootstrap", "params": {}, "seed": seed, "rows": 20, "size_bytes": 1}
        run = Run(
            id=f"{place}" * 16,
            dataset_id=dataset.id,
            owner="local",
            schema=dataset.schema.released,
            split=dataset.split,
            created=now() + timedelta(seconds=place),
            **about,
        )
        shutil.copytree(workspace.files.run(rows.id).folder, workspace.files.run(run.id).folder)
        with workspace.catalog.session() as session:
            session.add(run)
        workspace.runs.keep_scores(workspace.runs.get(run.id), {"exact_copies": Score(value=0.0)})
        runs.append(workspace.runs.get(run.id))
    return runs


def test_runs_of_one_data_settings_and_seed_are_told_to_be_the_same(visit, workspace, made):
    assert workspace.runs.same_as(workspace.runs.find()) == {made[1].id: made[0].id}
    assert "Same settings and seed as" in texts(visit("compare", run=made[1].id))
    assert "Same settings and seed as" not in texts(visit("compare", run=made[2].id))


def test_a_run_stopped_by_hand_is_labelled_wherever_it_stands(visit, workspace, made):
    workspace.files.run(made[2].id).stopped("training").touch()
    page = visit("compare", run=made[2].id)
    assert "Its training was stopped by hand" in texts(page)
    assert any("training stopped early" in label for label in page.selectbox[1].options)
    page.session_state["compare_view"] = "All 4 synthetic tables"
    page.run()
    assert page.dataframe[0].value["run"].str.contains("training stopped early").sum() == 1
    assert any("training stopped early" in link.label for link in visit("home").page_link)
    stopped = workspace.runs.get(made[2].id)
    assert RunResponse.of(stopped).stopped == ["training"]
    assert "training stopped early" in json.dumps(workspace.reports.gathered(stopped).facts)


def test_scores_are_marked_stale_when_the_dataset_changed_after_them(visit, workspace, made):
    dataset = workspace.datasets.get(made[0].dataset_id)
    assert "Stale scores" not in texts(visit("compare", run=made[0].id))
    columns = [
        column.model_copy(update={"role": "target"}) if column.name == "city" else column for column in dataset.schema
    ]
    workspace.datasets.set_schema(dataset.id, dataset.schema.model_copy(update={"columns": columns}))
    page = visit("compare", run=made[0].id)
    assert "Scored with no target, and now the dataset has the target city." in texts(page)
    button(page, "Score again").click().run()
    (job,) = workspace.jobs.find()
    assert (job.kind, job.run_id) == ("evaluate", made[0].id)
    # Scored again, with the target of today.
    run = workspace.runs.get(made[0].id)
    assert workspace.runs.scored_tables(run).target == "city"
    workspace.runs.keep_scores(run, {})
    assert workspace.runs.stale(workspace.runs.get(run.id)) == []
    workspace.datasets.set_holdout(dataset.id, 0.4, seed=5)
    (stale,) = workspace.runs.stale(workspace.runs.get(run.id))
    assert stale.text.startswith("The held-out rows changed") and not stale.again


def test_unsaved_changes_of_the_columns_stay_until_they_are_saved_or_discarded(visit, workspace, tables):
    first, second, _ = tables
    page = visit("data", dataset=first.id)
    edits = {"edited_rows": {"0": {"role": "drop"}}, "added_rows": [], "deleted_rows": []}
    page.session_state[f"schema_{first.id}_0"] = edits
    page.run()
    page.session_state["data_view"] = "Rows"
    page.run()
    assert "**1 column** changed (city)" in texts(page)
    page.switch_page("train.py").run()
    assert "**1 column** changed (city)" in texts(page)
    assert "unsaved changes of the columns are not part of this training" in texts(page)
    # Another dataset has none of it.
    page.selectbox[0].set_value(second.id).run()
    assert "changed (" not in texts(page)
    page.selectbox[0].set_value(first.id).run()
    page.session_state["data_view"] = "Columns"
    page.switch_page("data.py").run()
    assert next(iter(page.data_editor[0].value["role"])) == "drop"
    assert workspace.datasets.get(first.id).schema["city"].role == "feature"
    # Changed by a program meanwhile.
    schema = workspace.datasets.get(first.id).schema
    columns = [schema["city"].model_copy(update={"role": "target"}), schema["age"]]
    workspace.datasets.set_schema(first.id, schema.model_copy(update={"columns": columns}))
    page.run()
    assert "changed elsewhere since: city" in texts(page)
    page.button(key=f"save_draft_{first.id}").click().run()
    assert not page.exception
    assert workspace.datasets.get(first.id).schema["city"].role == "drop"
    assert "changed (" not in texts(page)


def test_no_page_shows_a_string_that_explains_its_code():
    # Streamlit writes a string that stands alone in a page's script onto the page.
    for script in MAIN.parent.glob("*.py"):
        after_the_docstring = ast.parse(script.read_text(encoding="utf-8")).body[1:]
        alone = [
            line for line in after_the_docstring if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
        ]
        assert not alone, script.name
