"""No text that a stranger wrote takes longer than it is long: patterns, readers, detection, redaction.

Times are of the processor, not of the clock, so that a busy machine changes little.
"""

from __future__ import annotations

import ast
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from re import _constants as op
from re import _parser
from typing import Any

import pytest

from synth.linear import At, Whole, Within, made

ROOT = Path(__file__).parent.parent
SHIPPED = ("api", "metrics", "pages", "synth", "workspace")
OF_NO_STRANGER = {
    "api/headers.py": "reads the pages that it serves itself",
    "api/client.py": "stands alone, to be copied; reads what its own server says in headers",
    "api/schemas/openapi.py": "reads the names of our own classes and fields",
    "synth/linear.py": "makes the patterns of all others",
    "workspace/jobs/process.py": "reads the names of the operator's variables",
    "workspace/services/images.py": "reads the page that it wrote itself",
    "workspace/settings.py": "reads what the operator set",
}
"""Files that may use `re` themselves, and why."""
SET_SEARCHES = {
    ("synth/schema/casting.py", "fullmatch"): "one class of characters from beginning to end",
    ("synth/checks.py", "fullmatch"): "reads the ids of its own table",
}
"""Methods of pandas that take a pattern, and why."""
N = 100_000
LINEAR = 5.0
"""Four times the text may take at most so many times as long."""
FLOOR = 0.05
"""Seconds of processor time below which no one waits."""


def repeated(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


def hostile(size: int) -> dict[str, str]:
    """Texts on which careless patterns start anew from every character."""
    again = ("1", " ", ".", '"', "@", "a", "é", ",", "1-", "a ", "Aa ", '"a,')
    half = size // 2
    return {
        **{text: repeated(text, size) for text in again},
        "digits and dashes": "1" * half + "-" * half + "@x",
        "digits and a letter": "1" * size + "a",
        "a gap": "a" + " " * size + "b",
    }


def seconds(act: Callable[[], object]) -> float:
    """Processor time of this thread."""
    start = time.thread_time()
    act()
    return time.thread_time() - start


def least_of(times: int, act: Callable[[], object]) -> float:
    """The shortest of so many times; later ones only where the first is worth it."""
    first = seconds(act)
    return first if first <= FLOOR / 20 else min(first, *(seconds(act) for _ in range(times - 1)))


def slow(act: Callable[[Any], object], text: Callable[[int], Any], cap: float) -> str:
    """What is wrong with the time that `act` takes for a text of `N` characters; empty where nothing is."""
    if (whole := seconds(lambda: act(text(N)))) <= FLOOR:
        return ""
    quarter, whole = seconds(lambda: act(text(N // 4))), min(whole, seconds(lambda: act(text(N))))
    if whole > cap:
        return f"{whole:.2f} s"
    return f"{quarter:.3f} s, then {whole:.3f} s" if whole > LINEAR * max(quarter, FLOOR / 4) else ""


# Patterns ----------------------------------------------------------------------------------------------------------


def sources(*words: str) -> Iterator[tuple[str, ast.Module]]:
    """The files that ship in which one of these words stands."""
    for package in SHIPPED:
        for file in sorted((ROOT / package).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if any(word in text for word in words):
                yield file.relative_to(ROOT).as_posix(), ast.parse(text)


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_only_linear_patterns_meet_what_strangers_wrote():
    engines = ("re", "regex", "fnmatch", "difflib")
    words = [f"{verb} {engine}" for engine in engines for verb in ("import", "from")]
    users = {file for file, tree in sources(*words) if imported(tree) & set(engines)}
    assert users == set(OF_NO_STRANGER)


def test_pandas_looks_for_plain_texts_only():
    found = set()
    for file, tree in sources(".str."):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            on = node.func.value
            takes = ("contains", "match", "fullmatch", "count", "replace", "extract", "extractall", "findall")
            plain = any(word.arg == "regex" and ast.unparse(word.value) == "False" for word in node.keywords)
            if isinstance(on, ast.Attribute) and on.attr == "str" and node.func.attr in takes and not plain:
                found.add((file, node.func.attr))
    assert found == set(SET_SEARCHES)


@pytest.fixture(scope="module")
def patterns() -> list[At | Whole | Within]:
    """Every pattern of the house, those for each way of writing a table included."""
    from workspace.ingest.records import Dialect
    from workspace.ingest.repair import split_quoted

    for file, tree in sources("synth.linear"):
        if "synth.linear" in imported(tree):
            import_module(file.removesuffix(".py").replace("/", "."))
    kept = [Dialect(mark, quote, escape) for mark in (",", "::") for quote in ('"', "'", "") for escape in ("", "\\")]
    for dialect in kept:
        list(split_quoted("a,b", dialect.delimiter))
        assert dialect._cell and dialect._open  # made when first asked for
    found = made()
    assert len(found) > 50
    patterns.kept = kept
    return found


def can_be_empty(items) -> bool:
    return _parser.SubPattern(_parser.State(), list(items)).getwidth()[0] == 0 and not any(
        code in (op.AT, op.ASSERT, op.ASSERT_NOT, op.GROUPREF) for code, _ in items
    )


def fails_after_a_repeat(items, empty_after: bool = True, looking: bool = False) -> bool:
    """Whether something that can fail follows a repeat without an upper bound: then it is tried from every place."""
    for code, value in reversed(list(items)):
        inner, more = [], empty_after
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            least, most, repeated_items = value
            if most == op.MAXREPEAT and (looking or not empty_after):
                return True
            inner, more = [repeated_items], empty_after and least <= 1
        elif code is op.SUBPATTERN:
            inner = [value[-1]]
        elif code is op.BRANCH:
            inner = value[1]
        elif code in (op.ASSERT, op.ASSERT_NOT):
            if fails_after_a_repeat(value[1], True, looking=True):
                return True
        elif code is op.ATOMIC_GROUP:
            inner = [value]
        if any(fails_after_a_repeat(part, more, looking) for part in inner):
            return True
        empty_after = empty_after and can_be_empty([(code, value)])
    return False


@pytest.mark.parametrize(
    ("source", "fails"),
    [
        (r"\w+", False),
        (r"\w+(?:'\w+)?|[?!]", False),
        (r"(?<!\w)\d{6}\w*", False),
        (r"[\w.+-]+(?:@[\w-]{1,255})?", False),
        (r"\d{1,4}a", False),
        (r"[\w.+-]+@[\w-]+", True),  # every character of a word begins anew
        (r"\s*\d+$", True),
        (r"a(?=.*b)", True),
        (r"(?:a+|b)c", True),
        (r"(?:\w+ ){2}", True),
    ],
)
def test_a_repeat_that_something_can_fail_after_is_told(source, fails):
    assert fails_after_a_repeat(_parser.parse(source)) == fails


def test_patterns_that_search_are_linear_by_how_they_are_written(patterns):
    careless = [
        p
        for p in patterns
        if isinstance(p, Within) and fails_after_a_repeat(_parser.parse(p.expression.pattern, p.expression.flags))
    ]
    assert not careless


def almost(pattern: str, flags: int, size: int) -> Iterator[str]:
    """For each repeat of a pattern, what comes before it and then the repeat, far too often, and no end that fits."""

    def least(items) -> str:
        return "".join(text_of(code, value, 1) for code, value in items)

    def text_of(code, value, times: int) -> str:
        if code is op.LITERAL:
            return chr(value)
        if code is op.NOT_LITERAL:
            return "a" if value != ord("a") else "b"
        if code is op.ANY:
            return "a"
        if code is op.IN:
            return one_of(value)
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            return least(value[2]) * max(value[0], times)
        if code is op.SUBPATTERN:
            return least(value[-1])
        if code is op.BRANCH:
            return least(value[1][0])
        return ""

    def one_of(choices) -> str:
        negated = any(code is op.NEGATE for code, _ in choices)
        for code, value in choices:
            if code is op.LITERAL and not negated:
                return chr(value)
            if code is op.RANGE and not negated:
                return chr(value[0])
            if code is op.CATEGORY and not negated:
                return {op.CATEGORY_DIGIT: "1", op.CATEGORY_WORD: "a", op.CATEGORY_SPACE: " "}.get(value, "-")
        return "~"

    def within(items, before: str) -> Iterator[str]:
        for code, value in items:
            if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
                part = least(value[2]) or "a"
                yield before + repeated(part, size) + "\0"
                yield from within(value[2], before)
            elif code is op.SUBPATTERN:
                yield from within(value[-1], before)
            elif code is op.BRANCH:
                for branch in value[1]:
                    yield from within(branch, before)
            before += text_of(code, value, 1)

    yield from dict.fromkeys(within(_parser.parse(pattern, flags), ""))


def test_every_pattern_takes_time_in_step_with_a_hostile_text(patterns):
    wrong = []
    fixed = {name: {N: text, N // 4: hostile(N // 4)[name]} for name, text in hostile(N).items()}
    for pattern in patterns:
        source, flags = pattern.expression.pattern, pattern.expression.flags
        if isinstance(pattern, Whole):
            texts = [
                text[: pattern.most] for text in (*hostile(pattern.most).values(), *almost(source, flags, pattern.most))
            ]
            wrong += [
                (source, text[:9]) for text in texts if least_of(3, lambda t=text, p=pattern: p.fullmatch(t)) > 0.005
            ]
            assert pattern.fullmatch(as_source("1" * (pattern.most + 1), source)) is None
            continue
        own = zip(almost(source, flags, N), almost(source, flags, N // 4), strict=True)
        texts = fixed | {whole[:9]: {N: whole, N // 4: quarter} for whole, quarter in own}
        for name, sizes in texts.items():
            sizes = {size: as_source(text, source) for size, text in sizes.items()}
            if told := slow(lambda text, p=pattern: tried(p, text), sizes.__getitem__, cap=0.5):
                wrong.append((source, name, told))
    assert not wrong


def as_source(text: str, source: str | bytes) -> str | bytes:
    return text if isinstance(source, str) else text.encode()


def tried(pattern: At | Within, text: str | bytes) -> None:
    if isinstance(pattern, At):
        pattern.match(text)
    else:
        deque(pattern.finditer(text), 0)


def test_a_value_of_a_thousand_characters_is_text_and_no_number():
    from workspace.ingest.sniff import is_typed

    assert is_typed("1" * 150)
    assert not is_typed("1" * 1_000)
