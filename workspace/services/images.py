"""Charts as PNG files, drawn by a headless Chromium where one is installed.

Plotly draws in a browser and nowhere else. In a page the camera over each chart saves it with no help from the
server; this is for the API and for files written without a reader. All figures of one call share one start of the
browser, which takes most of the time. It draws Plotly's own script from the installed package and asks no network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from metrics import charts
from synth.errors import InWords
from workspace.jobs.process import inherited

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
GROUND = {"light": "#FFFFFF", "dark": "#12141C"}

_PAGE = """<!doctype html><meta charset="utf-8"><script src="plotly.js"></script><body><script>
(async () => {
  const images = [];
  for (const figure of %s)
    images.push(await Plotly.toImage(figure, {format: "png", width: %d, height: figure.layout.height, scale: %d}));
  const done = document.createElement("pre");
  done.id = "done";
  done.textContent = images.join(" ");
  document.body.replaceChildren(done);
})();
</script>"""


class NoImages(InWords, RuntimeError):
    """Charts cannot be drawn as PNG here; the message says why and what to do."""


def browser() -> str | None:
    """The Chromium (or Chrome, or Edge) of this machine."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def pngs(
    figures: list[go.Figure],
    *,
    width: int = 900,
    scale: int = 2,
    theme: Literal["light", "dark"] = "light",
    timeout_s: float = 120,
    scratch: Path | None = None,
) -> list[bytes]:
    """One PNG for each figure, `width` times `scale` pixels wide, on the theme's background.

    What the browser writes meanwhile holds the data; it lies in the folder `scratch`. Raises NoImages when no browser is installed or it does not finish in time.
    """
    command = browser()
    if command is None:
        raise NoImages(
            "PNG files are drawn by Chromium, and none is installed on this server. Install it (Debian: apt-get "
            "install chromium), or save the chart with the camera over it."
        )
    drawn = [charts.themed(figure, theme).update_layout(paper_bgcolor=GROUND[theme]) for figure in figures]
    # A column may be called "</script>".
    listed = json.dumps([json.loads(figure.to_json()) for figure in drawn]).replace("<", "\\u003c")
    with TemporaryDirectory(prefix="understudy-png-", dir=scratch) as folder:
        page = Path(folder) / "page.html"
        page.write_text(_PAGE % (listed, width, scale), encoding="utf-8")
        (Path(folder) / "plotly.js").write_text(get_plotlyjs(), encoding="utf-8")
        dumped = _dump(command, page, Path(folder) / "profile", timeout_s)
    found = re.search(r'<pre id="done">(.*?)</pre>', dumped, re.DOTALL)
    images = found.group(1).split() if found else []
    if len(images) != len(figures):
        raise NoImages("The browser started but did not draw the charts. Save them with the camera over each chart.")
    return [b64decode(image.partition(",")[2]) for image in images]


def _dump(command: str, page: Path, profile: Path, timeout_s: float) -> str:
    """The page as the browser has it once its script is done."""
    options = ["--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    options += ["--virtual-time-budget=60000", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Chromium's sandbox does not run as root; the page is ours and reaches no network.
        options.append("--no-sandbox")
    process = subprocess.Popen(
        [command, *options, page.as_uri()],
        env=inherited(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        encoding="utf-8",
    )
    try:
        return process.communicate(timeout=timeout_s)[0]
    except subprocess.TimeoutExpired as error:
        # The browser's own children go with it.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise NoImages(f"The browser did not draw the charts within {timeout_s:.0f} seconds. Try again.") from error
