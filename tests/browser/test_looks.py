"""Every page in light and dark, wide and narrow: drawn without an error, and nothing wider than the window.

`SHOTS=folder pytest -n 0 -m "" tests/browser/test_looks.py` keeps a picture of each, for a person to look at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from workspace.settings import Settings
from workspace.workspace import Workspace

DATA = Path(__file__).parent.parent / "data"
PAGES = {
    "home": "/",
    "data": "/data",
    "data-checks": "/data#Checks",
    "data-rows": "/data#Rows",
    "data-held-out": "/data#Held-out rows",
    "data-add": "/data?view=add",
    "train": "/train",
    "compare": "/compare",
    "compare-release": "/compare#Before release",
    "compare-columns": "/compare#Columns",
    "compare-pairs": "/compare#Pairs",
    "compare-correlations": "/compare#Correlations",
    "compare-map": "/compare#Map",
    "compare-missing": "/compare#Missing values",
    "compare-rows": "/compare#Rows",
    "compare-runs": "/compare#All 2 synthetic tables",
    "conversations": "/conversations",
    "jobs": "/jobs",
}


@pytest.fixture(scope="module")
def address(folder: Path, serve) -> str:
    """A server whose workspace has a table and two synthetic ones."""
    workspace = Workspace(Settings(workspace=folder)).start()
    dataset = workspace.datasets.add(DATA / "adult_2000.csv", "adult_2000.csv")
    for seed in (0, 1):
        job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap", seed=seed).id)
        assert job.state == "done", job.error
    workspace.close()
    return serve()


@pytest.mark.parametrize(
    "theme, width",
    [
        ("light", 1440),
        pytest.param("dark", 1440, marks=pytest.mark.slow),
        pytest.param("light", 800, marks=pytest.mark.slow),
        ("dark", 800),
    ],
)
def test_every_page_is_drawn_whole(browser: Browser, address: str, theme: str, width: int, tmp_path: Path):
    shots = Path(os.environ.get("SHOTS", tmp_path))
    shots.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport={"width": width, "height": 950}, color_scheme=theme)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    for name, path in PAGES.items():
        path, _, tab = path.partition("#")
        page.goto(address + path)
        settle(page)
        if tab:
            page.get_by_role("tab", name=re.compile(f"^{tab}")).click()
            settle(page)
        shoot(page, shots / f"{name}-{theme}-{width}.png")
        expect(page.get_by_text("This page could not be shown")).to_have_count(0)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{name} is {wider} px wider than a window of {width} px"
    context.close()
    assert not failures


def test_points_drawn_around_on_the_map_are_listed_as_rows(page: Page, address: str):
    page.goto(f"{address}/compare")
    settle(page)
    page.get_by_role("tab", name="Map").click()
    settle(page)
    expect(page.get_by_text("Draw around points to see their rows")).to_be_visible()
    plane = page.locator(".nsewdrag:visible").first.bounding_box()
    for place, (across, down) in enumerate(((0.2, 0.2), (0.7, 0.2), (0.7, 0.8), (0.2, 0.8))):
        page.mouse.move(plane["x"] + across * plane["width"], plane["y"] + down * plane["height"], steps=10)
        if place == 0:
            page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("synthetic rows selected")).to_be_visible()
    settle(page)
    expect(page.locator("[data-testid=stPlotlyChart]:visible")).to_have_count(2)
    expect(page.locator("[data-testid=stDataFrame]:visible")).to_have_count(2)


def test_removing_risky_rows_makes_a_new_synthetic_table(page: Page, address: str):
    page.goto(f"{address}/compare")
    settle(page)
    page.get_by_role("tab", name="Before release").click()
    page.get_by_role("button", name="Remove all 10 rows").click()
    page.get_by_role("button", name="See the result").click(timeout=120_000)
    expect(page.get_by_text("10 risky rows removed")).to_be_visible()
    expect(page.get_by_role("tab", name="All 3 synthetic tables")).to_be_visible()


def settle(page: Page) -> None:
    """Wait until the script has run and its charts are drawn."""
    expect(page.locator("h1").first).to_be_visible()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    page.wait_for_function(
        "[...document.querySelectorAll('[data-testid=stPlotlyChart]')].every(c => c.querySelector('.main-svg'))"
    )


def shoot(page: Page, file: Path) -> None:
    """The page from top to bottom; Streamlit scrolls an inner pane, so the window grows to hold it."""
    size = page.viewport_size
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], min(height + 40, 4000))})
    settle(page)
    page.screenshot(path=file)
    page.set_viewport_size(size)
