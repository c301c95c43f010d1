"""PNG files of charts, drawn by a real Chromium."""

from __future__ import annotations

import struct

import pytest
from playwright.sync_api import Browser

from metrics import charts
from tests.test_views import one
from workspace.services import images


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


def test_every_chart_becomes_a_png_of_the_size_asked_for(browser: Browser):
    figures = [
        charts.column_figure(one("category", ["</script>", "b"], ["b"])),
        charts.column_figure(one("number", list(range(99)), list(range(99)))),
    ]
    drawn = images.pngs(figures, width=400, scale=1)
    assert [size(png) for png in drawn] == [(400, figure.layout.height) for figure in figures]


def test_without_a_browser_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(images.NoImages, match="camera"):
        images.pngs([charts.column_figure(one("category", ["a"], ["a"]))])
