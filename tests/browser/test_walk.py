"""The main job as a newcomer does it: upload a CSV, train, compare, download; and what a reload and bad files do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

DATA = Path(__file__).parent.parent / "data"
UPLOAD = "[data-testid=stFileUploader] input[type=file]"


@pytest.fixture(scope="module")
def address(serve) -> str:
    return serve()


def test_upload_train_compare_download(page: Page, address: str, tmp_path: Path):
    page.goto(f"{address}/data")
    page.locator(UPLOAD).set_input_files(DATA / "adult_2000.csv")
    page.get_by_role("button", name="Add this dataset").click()
    expect(page.get_by_text("2,000 rows · 15 columns · 400 of the rows held out for evaluation")).to_be_visible()

    page.get_by_role("button", name="Train a generator").click()
    page.get_by_text("CTGAN", exact=True).click()
    page.get_by_label("Epochs", exact=True).fill("2")
    page.get_by_label("Epochs", exact=True).press("Enter")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="See the result").click(timeout=300_000)

    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page.get_by_text("evaluated against 400 held-out rows")).to_be_visible()
    for family in (
        "Does it look like the real data?",
        "Is it as useful as the real data?",
        "Does it reveal real people?",
    ):
        expect(page.get_by_text(family, exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "adult_2000-synthetic-ctgan.csv"
    download.value.save_as(tmp_path / "synthetic.csv")

    real, synthetic = pd.read_csv(DATA / "adult_2000.csv"), pd.read_csv(tmp_path / "synthetic.csv")
    assert len(synthetic) == 1600
    assert list(synthetic.columns) == list(real.columns)
    assert list(synthetic.dtypes) == list(real.dtypes)
    # The blank after the comma is part of adult's categories, and comes back.
    assert set(synthetic["income"]) == {" <=50K", " >50K"}
    assert synthetic["age"].between(real["age"].min(), real["age"].max()).all()


def test_a_sample_goes_from_nothing_to_a_comparison_with_one_click(page: Page, address: str):
    page.goto(address)
    page.get_by_role("button", name="Try a sample").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible(timeout=300_000)
    expect(page.get_by_text("evaluated against 6,512 held-out rows")).to_be_visible()
    page.reload()
    expect(page.get_by_text("evaluated against 6,512 held-out rows")).to_be_visible()


def test_the_job_goes_on_while_the_page_is_away(page: Page, address: str):
    page.goto(f"{address}/data?view=add")
    page.locator(UPLOAD).set_input_files(DATA / "penguins.csv")
    page.get_by_role("button", name="Add this dataset").click()
    page.get_by_role("button", name="Train a generator").click()
    page.get_by_text("CTGAN", exact=True).click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    following = page.url
    page.goto("about:blank")
    page.goto(following)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible()


def test_more_rows_are_generated_and_everything_can_be_deleted(page: Page, address: str):
    page.goto(f"{address}/data?view=add")
    page.locator(UPLOAD).set_input_files(DATA / "penguins.csv")
    page.get_by_role("button", name="Add this dataset").click()
    page.get_by_role("button", name="Train a generator").click()
    page.get_by_text("Independent columns (baseline)", exact=True).click()
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="See the result").click(timeout=300_000)

    page.get_by_role("button", name="More").click()
    page.get_by_text("Generate more rows", exact=True).click()
    page.get_by_label("Rows to generate", exact=True).fill("30")
    page.get_by_label("Rows to generate", exact=True).press("Enter")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_role("button", name="See the result").click(timeout=300_000)
    expect(page.get_by_text("generated 30 rows")).to_be_visible()

    page.get_by_role("button", name="More").click()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete", exact=True).click()
    # Nothing is shown in the place of what was deleted, and every page offers it back.
    expect(page.get_by_text("This synthetic table was deleted")).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Jobs", exact=True, level=1)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undo is offered until")).to_have_count(0)
    page.get_by_role("link", name="Data", exact=True).click()
    # The page before has a menu of the same name, and stays until this one has answered.
    expect(page.get_by_role("heading", name="Data", exact=True, level=1)).to_be_visible()
    page.get_by_role("button", name="More").click()
    page.get_by_text("Delete", exact=True).click()
    expect(page.get_by_text("is deleted with its 2 synthetic tables and 2 jobs")).to_be_visible()
    page.get_by_role("button", name="Delete at once").click()
    expect(page.get_by_text("Undo is offered until")).to_have_count(0)
    expect(page.get_by_text("This dataset was deleted: penguins.csv")).to_be_visible()


BAD = {
    "empty.csv": b"",
    "header_only.csv": b"a,b,c\n",
    "picture.csv": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 64,
    "cut.csv.gz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xe6",
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_table_gets_a_sentence(page: Page, address: str, name: str):
    page.goto(f"{address}/data?view=add")
    page.locator(UPLOAD).set_input_files({"name": name, "mimeType": "text/csv", "buffer": BAD[name]})
    expect(page.get_by_text("This file cannot be read as a table")).to_be_visible()
    alert = page.get_by_role("alert").inner_text()
    assert not any(word in alert for word in ("Error:", "Traceback", "Exception", "duckdb", "arrow", "utf-8' codec"))
    expect(page.get_by_role("button", name="Add this dataset")).to_have_count(0)


def test_awkward_names_show_as_themselves(page: Page, address: str):
    page.goto(f"{address}/data?view=add")
    content = "select,<script>alert(1)</script>,![](http://x.y/z.png),=cmd|' /C calc'!A0,🎭\n"
    content += "".join(f"{i},{i % 3},{i % 5},{i % 2},{i}\n" for i in range(60))
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.dismiss()))
    page.locator(UPLOAD).set_input_files(
        {"name": "../../<b>x</b>.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.get_by_role("button", name="Add this dataset").click()
    expect(page.get_by_text("60 rows · 5 columns")).to_be_visible()
    assert not dialogs
