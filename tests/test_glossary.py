"""One word, one thing: the glossary is short and in order, and the words that its terms replaced are gone."""

import json
import re
from pathlib import Path

import pytest

from api import api

ROOT = Path(__file__).parent.parent
TERMS = re.findall(r"^- \*\*(.+?)\*\*: ", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.M)
READ = [
    path
    for pattern in ("*.md", "docs/*.md", "pages/**/*.py", "api/**/*.py", "workspace/**/*.py", "metrics/**/*.py")
    for path in sorted(ROOT.glob(pattern))
    if path.name not in ("CLAUDE.md", "CHANGELOG.md")
]
REPLACED = {
    "dataset": ["bring a table"],
    "early stop": ["stop and keep"],
    "evaluation": ["the judge", "judge it", "judge again", "judged against", "judge against", "for judging"],
    "external table": ["made elsewhere"],
    "generator": ["stand-in", "stand in for", "stands in for"],
    "held-out rows": ["locked away", "lock away", "kept back", "held back", "strangers", "fresh real rows"],
    "job": ["at work"],
    "metric": ["measures to"],
    "privacy": ["give anybody away", "gives anybody away", "give anyone away", "gives somebody away"],
    "release": ["leaves the house", "leave the house"],
    "threshold": ["careful owner"],
    "(plain words)": ["parted by", "take it along", "part of no row", "read it differently", "in other shares"],
}


def found(text: str) -> list[str]:
    """The replaced words in a text, whatever its lines and cases."""
    text = " ".join(text.replace("*", "").lower().split())
    return [word for words in REPLACED.values() for word in words if re.search(rf"\b{re.escape(word)}\b", text)]


def test_it_has_at_most_forty_terms_in_alphabetical_order_each_once():
    assert 20 < len(TERMS) <= 40
    assert sorted(set(TERMS)) == TERMS


def test_words_are_replaced_by_terms_that_are_explained():
    assert set(REPLACED) - {"(plain words)"} <= set(TERMS)


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_replaced_words_are_gone(path):
    assert not found(path.read_text(encoding="utf-8"))


def test_replaced_words_are_gone_from_the_description_of_the_api():
    assert not found(json.dumps(api.openapi()))
