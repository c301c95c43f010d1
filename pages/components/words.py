"""Figures and names as an analyst reads them: 3 minutes ago, 1.2 GB, 32,561 rows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from synth.linear import within

_MARKDOWN = within(r"([\\`*_{}\[\]()#+\-.!|~$:<>&])")


def plain(text: object) -> str:
    """`text` as itself inside markdown: a table may be called `*`, `$x$`, `<script>` or `![](http://...)`."""
    return _MARKDOWN.sub(r"\\\1", str(text)).replace("\n", " ")


def count(number: int, thing: str, things: str | None = None) -> str:
    """`count(1, "row")` is "1 row", `count(32561, "row")` is "32,561 rows"."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def percent(share: float) -> str:
    """A share as people say it: 84 %, 0.2 %, under 0.1 %."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.01 or not share else f"{100 * share:.1f} %"


def size(number: float) -> str:
    """Bytes as people say them: 820 kB, 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: under a second, 40 seconds, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "unknown"
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return count(round(seconds), "second")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if minutes < 90:
        return f"{round(seconds / 60)} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ago(when: datetime | None, now: datetime | None = None) -> str:
    """How long since `when`: just now, 5 minutes ago, yesterday, 3 Mar 2026. A time without a zone is UTC."""
    if when is None:
        return ""
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - when).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return count(max(1, round(seconds / 60)), "minute") + " ago"
    if seconds < 86_400:
        return count(round(seconds / 3600), "hour") + " ago"
    if seconds < 2 * 86_400:
        return "yesterday"
    if seconds < 14 * 86_400:
        return count(int(seconds // 86_400), "day") + " ago"
    return f"{when:%-d %b %Y}"


def moment(when: datetime, zone: str | None = None) -> str:
    """When, in the visitor's time zone: 3 Mar 2026, 14:05. Unlike `ago` it stays the same, as a choice's name must.

    A time without a zone is UTC.
    """
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return f"{when.astimezone(ZoneInfo(zone) if zone else None):%-d %b %Y, %H:%M}"


UNITS = {"s": "seconds", "mb": "MB"}


def label(name: str) -> str:
    """A parameter's name as a form shows it: `batch_size` is "Batch size", `time_limit_s` "Time limit (seconds)"."""
    *words, last = name.split("_")
    if words and last in UNITS:
        return f"{label('_'.join(words))} ({UNITS[last]})"
    return name.replace("_", " ").strip().capitalize()
