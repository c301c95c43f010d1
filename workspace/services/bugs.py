"""Bug reports: what somebody found wrong, with versions and the last lines of the log, personal data taken out."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version

from synth.conversations import Dialogue
from synth.conversations.dialogue import Turn
from synth.conversations.redact import redact
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import Bug
from workspace.telemetry.journal import Journal
from workspace.version import VERSION

LINES = 50
PACKAGES = ("streamlit", "fastapi", "duckdb", "pandas", "torch")


def versions() -> dict[str, str]:
    """What this server runs on."""
    return {
        "understudy": VERSION,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


class Bugs:
    """The bug reports of a workspace."""

    def __init__(self, catalog: Catalog, journal: Journal):
        self.catalog, self.journal = catalog, journal

    def report(self, text: str, owner: str, job_log: str = "") -> Bug:
        """Keep a report. Of the API's log only the reporter's own lines come along."""
        written, *lines = _without_people([text, *job_log.splitlines()[-LINES:]])
        # The API's log holds no data; its times and ids would pass for telephone numbers.
        lines_of_calls = self.journal.last(LINES, key=owner)
        calls = [json.dumps({name: said for name, said in line.items() if name != "key"}) for line in lines_of_calls]
        bug = Bug(owner=owner, text=written, versions=versions(), log=[*calls, *lines])
        with self.catalog.session() as session:
            session.add(bug)
        return bug

    def find(self, owner: str | None = None) -> Sequence[Bug]:
        """Reports, newest first."""
        return self.catalog.listed(Bug, owner=owner)


def _without_people(texts: list[str]) -> list[str]:
    """The texts with placeholders for personal data; a name found in one is hidden in all."""
    said = Dialogue(id="report", turns=[Turn(role="reporter", text=text) for text in texts], labels={})
    return [turn.text for turn in redact(said).turns]
