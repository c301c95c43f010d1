"""The HTML report in a real browser: complete, quiet, asking no network."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from metrics import report
from tests.test_report import made


@pytest.mark.parametrize("theme, ground", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 20, 28)")])
def test_the_report_draws_itself_without_a_network(page: Page, tmp_path: Path, theme: str, ground: str):
    file = tmp_path / "report.html"
    file.write_text(report.as_html(made()), encoding="utf-8")
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.emulate_media(color_scheme=theme)
    page.goto(file.as_uri())
    expect(page.locator("#waiting")).to_have_count(0)
    assert asked == [file.as_uri()]
    assert said == []
    assert page.locator(".chart").count() > 5
    assert page.locator(".chart:not(:has(.main-svg))").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
