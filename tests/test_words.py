"""Figures and names as pages show them."""

from datetime import UTC, datetime, timedelta

import pytest

from pages.components.words import ago, count, duration, label, moment, percent, plain, size

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "seconds, words",
    [
        (None, "unknown"),
        (0.2, "under a second"),
        (1, "1 second"),
        (59.6, "60 seconds"),
        (200, "3 min 20 s"),
        (240, "4 min"),
        (1500, "25 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
    ],
)
def test_durations_read_as_people_say_them(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    "bytes_, words", [(0, "0 bytes"), (999, "999 bytes"), (4100, "4.1 kB"), (82_000_000, "82 MB"), (3e12, "3.0 TB")]
)
def test_sizes_carry_two_figures(bytes_, words):
    assert size(bytes_) == words


@pytest.mark.parametrize("share, words", [(0, "0 %"), (0.842, "84 %"), (0.0016, "0.2 %"), (1e-5, "under 0.1 %")])
def test_shares_never_round_something_to_nothing(share, words):
    assert percent(share) == words


@pytest.mark.parametrize(
    "before, words",
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(hours=30), "yesterday"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=73), "31 Dec 2025"),
    ],
)
def test_moments_are_told_from_now(before, words):
    assert ago(NOW - before, NOW) == words


def test_a_moment_without_a_zone_is_utc():
    assert ago(datetime(2026, 3, 14, 11, 0), NOW) == "1 hour ago"


def test_counts_agree_with_their_noun():
    assert (count(1, "row"), count(32561, "row"), count(0, "box", "boxes")) == ("1 row", "32,561 rows", "0 boxes")


def test_labels_are_sentences():
    assert (label("batch_size"), label("time_limit_s")) == ("Batch size", "Time limit (seconds)")


@pytest.mark.parametrize(
    "name", ["*", "$x$", "<script>alert(1)</script>", "![](http://x.y)", ":material/home:", "a_b_c"]
)
def test_a_name_with_markdown_in_it_shows_as_itself(name):
    escaped = plain(name)
    unescaped = escaped.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    assert unescaped == name
    assert all(escaped[place - 1] == "\\" for place, sign in enumerate(escaped) if sign in "*$<>![]()_:")


@pytest.mark.parametrize(
    ("zone", "words"), [("Europe/Oslo", "14 Mar 2026, 12:00"), ("Asia/Tokyo", "14 Mar 2026, 20:00")]
)
def test_a_moment_is_told_in_the_visitors_time_zone(zone, words):
    assert moment(datetime(2026, 3, 14, 11, 0), zone) == words
