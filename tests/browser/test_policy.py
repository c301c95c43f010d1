"""The pages under their content security policy: nothing breaks, nothing of elsewhere loads, and uploads stay on disk."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_looks import DATA, PAGES, settle
from workspace.settings import Settings
from workspace.workspace import Workspace

MB = 2**20
UPLOAD = "[data-testid=stFileUploader] input[type=file]"
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture(scope="module")
def address(folder: Path, serve) -> str:
    """A server whose workspace has a table, a synthetic one, and a dataset whose name is an image of elsewhere."""
    workspace = Workspace(Settings(workspace=folder)).start()
    workspace.datasets.add(DATA / "penguins.csv", "![x](https://elsewhere.example/x.png).csv")
    dataset = workspace.datasets.add(DATA / "adult_2000.csv", "adult_2000.csv")
    job = workspace.jobs.wait(workspace.training.train(dataset.id, "bootstrap").id)
    assert job.state == "done", job.error
    workspace.close()
    return serve()


class Elsewhere:
    """Another server of this machine, which is another site to a browser; it notes what it is asked for."""

    def __init__(self, port: int, asked: list[str]):
        self.address, self.asked = f"http://127.0.0.1:{port}", asked


@contextmanager
def elsewhere(page: str = "") -> Iterator[Elsewhere]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *line: object) -> None:
            """Nothing: the test's output stays its own."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Elsewhere(server.server_port, asked)
        server.shutdown()


@pytest.mark.slow
def test_a28_every_page_works_within_its_policy(browser: Browser, address: str):
    context = browser.new_context(viewport={"width": 1440, "height": 950}, accept_downloads=True)
    context.set_default_timeout(60_000)
    context.add_init_script(LISTEN)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
    host = urlsplit(address).netloc
    page.on("request", lambda asked: wrong.append(asked.url) if _leaves(asked.url, host) else None)
    drawn = dict.fromkeys(("stPlotlyChart", "stVegaLiteChart", "stDataFrame"), 0)
    for path in PAGES.values():
        path, _, tab = path.partition("#")
        page.goto(address + path)
        settle(page)
        if tab and not (found := page.get_by_role("tab", name=re.compile(f"^{tab}"))).count():
            continue
        if tab:
            found.click()
            settle(page)
        for kind in drawn:
            drawn[kind] += page.locator(f"[data-testid={kind}]:visible").count()
        expect(page.get_by_text("This page could not be shown")).to_have_count(0)
        wrong += page.evaluate("window.violations")
    assert not wrong
    assert all(drawn.values()), drawn
    # What a browser makes itself: the picture of a chart, and the rows of a table as a file.
    page.goto(f"{address}/compare")
    settle(page)
    page.get_by_role("tab", name="Columns").click()
    settle(page)
    page.locator("[data-testid=stPlotlyChart]:visible").first.hover()
    with page.expect_download() as picture:
        page.locator("[data-testid=stPlotlyChart]:visible [data-title^=Download]").first.click()
    assert picture.value.suggested_filename.endswith(".png")
    with page.expect_download():
        page.get_by_role("link", name="Download CSV").click()
    assert not page.evaluate("window.violations")
    context.close()


def _leaves(url: str, host: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host


def test_a28_what_a_cell_smuggles_into_a_page_loads_nothing_and_runs_nothing(page: Page, address: str):
    page.add_init_script(LISTEN)
    page.goto(f"{address}/data")
    settle(page)
    with elsewhere() as other:
        page.evaluate(
            """async other => {
              const add = (name, put) => document.body.append(Object.assign(document.createElement(name), put));
              add("img", {src: `${other}/image`});
              add("iframe", {src: `${other}/frame`});
              add("script", {src: `${other}/script.js`});
              add("script", {textContent: "window.ran = true"});
              add("object", {data: `${other}/object`});
              add("link", {rel: "stylesheet", href: `${other}/style.css`});
              add("base", {href: `${other}/`});
              const form = document.createElement("form");
              form.action = `${other}/form`;
              document.body.append(form);
              form.submit();
              await fetch(`${other}/fetch`).catch(() => {});
              try { new WebSocket(other.replace("http", "ws")); } catch {}
              navigator.sendBeacon(`${other}/beacon`, "x");
              await new Promise(done => setTimeout(done, 1500));
            }""",
            other.address,
        )
        assert other.asked == []
    assert page.evaluate("window.ran") is None
    told = {line.split()[0] for line in page.evaluate("window.violations")}
    assert {"img-src", "connect-src", "frame-src", "object-src", "base-uri", "form-action"} <= told


def test_a28_no_other_site_may_frame_a_page(page: Page, address: str):
    with elsewhere(f'<iframe src="{address}/data"></iframe>') as other:
        page.goto(other.address)
        page.wait_for_timeout(1500)
        assert not any(frame.url.startswith(address) for frame in page.frames)


def test_a07_a_large_file_goes_through_the_page_and_not_through_memory(
    page: Page, address: str, folder: Path, tmp_path
):
    port = f"--server.port={urlsplit(address).port}"
    server = next(one for one in psutil.process_iter(["cmdline"]) if port in (one.info["cmdline"] or []))
    large = tmp_path / "large.csv"
    row = b"".join(b"%d,%d,word%d\n" % (n, n % 7, n % 13) for n in range(10_000))
    large.write_bytes(b"a,b,c\n" + row * (50 * MB // len(row)))

    def waiting() -> int:
        return sum(file.stat().st_size for file in (folder / "tmp").rglob("upload"))

    page.goto(f"{address}/data?view=add")
    settle(page)
    before = server.memory_info().rss
    page.locator(UPLOAD).set_input_files(large)
    expect(page.get_by_role("button", name="Add this dataset")).to_be_visible()
    # Its first rows are read for the preview; of 50 MB in memory there would be 50 more.
    assert server.memory_info().rss - before < 40 * MB
    assert waiting() == large.stat().st_size
    page.locator(UPLOAD).set_input_files(DATA / "penguins.csv")
    expect(page.get_by_role("button", name="Add these 2 datasets")).to_be_visible()
    assert waiting() > large.stat().st_size
    page.get_by_role("button", name="Remove large.csv").click()
    expect(page.get_by_role("button", name="Add this dataset")).to_be_visible()
    assert waiting() == (DATA / "penguins.csv").stat().st_size
    page.get_by_role("button", name="Add this dataset").click()
    expect(page.get_by_text("344 rows").first).to_be_visible()
    assert waiting() == 0
