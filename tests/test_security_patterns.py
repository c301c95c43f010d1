"""No text that a stranger wrote takes longer than it is long: patterns, readers, detection, redaction.

Times are of the processor, not of the clock, so that a busy machine changes little.
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from re import _constants as op
from re import _parser
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synth.conversations.dialogue import Dialogue, Turn
from synth.conversations.phrases import Phrases
from synth.conversations.redact import redact
from synth.errors import Invalid
from synth.linear import At, Whole, Within, made
from synth.schema import Column, Schema
from tests.live import serving

ROOT = Path(__file__).parent.parent
SHIPPED = ("api", "metrics", "pages", "synth", "workspace")
OF_NO_STRANGER = {
    "api/aliases.py": "reads the paths of our own routes",
    "api/security.py": "reads the paths of our own routes, and the operator's limits",
    "workspace/placeholders.py": "reads the operator's keys",
    "workspace/setting_values.py": "reads what the operator set",
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
FLOOR = 0.5
"""Seconds of processor time below which no one waits."""


def repeated(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


AGAIN = ("1", " ", ".", '"', "@", "a", "é", ",", "[", "1-", "a ", "Aa ", '"a,', 'x","z', "Dear Bob Aa ", "a: b\n")
RUNS = {
    "digits and dashes": lambda size: "1" * (size // 2) + "-" * (size // 2) + "@x",
    "digits and a letter": lambda size: "1" * size + "a",
    "a gap": lambda size: "a" + " " * size + "b",
}
"""Texts on which careless patterns start anew from every character."""


def hostile(size: int, name: str) -> str:
    return RUNS[name](size) if name in RUNS else repeated(name, size)


def seconds(act: Callable[[], object]) -> float:
    """Processor time of this thread."""
    start = time.thread_time()
    act()
    return time.thread_time() - start


def least_of(times: int, act: Callable[[], object]) -> float:
    """The shortest of so many times; later ones only where the first is worth it."""
    first = seconds(act)
    return first if first <= 0.0025 else min(first, *(seconds(act) for _ in range(times - 1)))


def slow(act: Callable[[Any], object], text: Callable[[int], Any], cap: float) -> str:
    """What is wrong with the time that `act` takes for a text of `N` characters; empty where nothing is."""
    if (whole := seconds(lambda: act(text(N)))) <= FLOOR:
        return ""
    quarter, whole = seconds(lambda: act(text(N // 4))), min(whole, seconds(lambda: act(text(N))))
    if whole > cap:
        return f"{whole:.2f} s"
    return f"{quarter:.3f} s, then {whole:.3f} s" if whole > max(FLOOR, LINEAR * quarter) else ""


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
    fixed = {name: {size: hostile(size, name) for size in (N, N // 4)} for name in (*AGAIN[:7], *RUNS)}
    for pattern in patterns:
        source, flags = pattern.expression.pattern, pattern.expression.flags
        if isinstance(pattern, Whole):
            texts = [
                text[: pattern.most]
                for text in (
                    *(hostile(pattern.most, name) for name in (*AGAIN, *RUNS)),
                    *almost(source, flags, pattern.most),
                )
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
            if told := slow(lambda text, p=pattern: tried(p, text), sizes.__getitem__, cap=1.0):
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


# Functions ---------------------------------------------------------------------------------------------------------


def sniffed(text: str) -> None:
    from workspace.ingest.sniff import sniff

    sniff(f"k,t\n1,{text}\n2,{text}\n")


def laid_out(text: str) -> None:
    from workspace.ingest.layout import layout_of

    layout_of(f'k;t\n1;"{text.replace(";", ",")}"\n2;"x"y"\n', delimiter=";")


def split_into_records(text: str) -> None:
    from workspace.ingest.records import Dialect, records

    lines = [text[at : at + 20] for at in range(0, len(text), 20)]
    for dialect in (Dialect(), Dialect(";", "'", "\\"), Dialect("::")):
        deque(records(lines, dialect, 3), 0)
        deque(records([text], dialect, 3), 0)


def mended(text: str) -> None:
    from workspace.ingest.repair import OTHER_DELIMITERS, Mender, split_quoted

    for delimiter in OTHER_DELIMITERS:
        split_quoted(text, delimiter)
    mender = Mender([[str(row), "a b", "1.5", text[:50]] for row in range(50)])
    for cells in ([text, "1"], [text[:2_000]] * 6, text[:2_000].split(",")):
        mender.mend(cells, ",")


def detected(text: str) -> None:
    from synth.schema.detection import detect_column
    from synth.schema.texts import Levels
    from workspace.ingest.profiles import profile_levels
    from workspace.tables.preflight import preflight

    levels = Levels(pa.array([text, text + "x", *"123456789"]), np.ones(11, int), 11)
    for header in ("name", "card", "created at", text):
        column, reading = detect_column(header, levels)
    preflight([profile_levels(column, levels.texts, levels.counts, 11, reading.values)], Schema(columns=[column]))


def read_as_dates(text: str) -> None:
    from synth.schema.casting import parsed

    for code in ("%Y-%m-%d", "%d %b %Y %H:%M", None):
        with contextlib.suppress(Invalid):
            parsed(pd.Series([text, "2020-01-01"]), Column(name="at", kind="datetime", format=code))
    for kind in ("integer", "number"):
        with contextlib.suppress(Invalid):
            parsed(pd.Series([text, "1"]), Column(name="of", kind=kind))


def said(text: str) -> Dialogue:
    return Dialogue(
        id="1", turns=[Turn(role="a", text=text), Turn(role="b", text="I'm Anna, anna@example.com")], labels={}
    )


def redacted(text: str) -> None:
    redact(said(text))


def found_again(text: str) -> None:
    from metrics.dialogue.base import Conversations, Texts
    from metrics.dialogue.copying import personal_data

    texts = Texts([said(text)])
    personal_data(Conversations(source=texts, holdout=texts, synthetic=texts))


def compared(text: str) -> None:
    from synth.conversations.near_duplicates import ShingleIndex, overlap

    index = ShingleIndex()
    index.add("1", text)
    index.nearest(text)
    overlap(text, text)


def read_as_talk(text: str) -> None:
    from synth.conversations.layouts import detect_shape, read_dialogues

    table = pd.DataFrame({"id": ["1", "2"], "text": ["a: b\n" + text, text]})
    with contextlib.suppress(Invalid):
        read_dialogues(table, detect_shape(table))


def read_as_answer(text: str) -> None:
    from synth.conversations.prompts import Unusable, _loads

    for answer in ("{" + text, '{"exchanges": [' + text, '{"a": ' + text + "}"):
        with contextlib.suppress(Unusable):
            _loads(answer)


def read_as_rule(text: str) -> None:
    from metrics.fidelity.validity import read_rule

    read_rule(text, SimpleNamespace(schema=Schema(columns=[Column(name="age", kind="integer")])))


def told_to_the_log(text: str) -> None:
    from workspace.telemetry.failures import for_the_log, is_disk_full

    for_the_log(ValueError(text))
    is_disk_full(ValueError(text))


FUNCTIONS = (sniffed, laid_out, split_into_records, mended, detected, read_as_dates, redacted, found_again, compared)
FUNCTIONS += (read_as_talk, read_as_answer, read_as_rule, told_to_the_log)
TEXTS = ("digits and dashes", "a gap", '"a,', 'x","z', "Dear Bob Aa ", "[")


@pytest.mark.parametrize("act", FUNCTIONS, ids=lambda act: act.__name__)
def test_what_reads_a_strangers_text_takes_time_in_step_with_it(act):
    act("a")  # what is imported when it is first used
    wrong = {}
    for name in TEXTS:
        if told := slow(act, lambda size, name=name: hostile(size, name), cap=5.0):
            wrong[name] = told
    assert not wrong


# What was sent -----------------------------------------------------------------------------------------------------


def test_a01_a_cell_of_digits_is_read_in_a_second(tmp_path):
    from workspace.ingest.reader import texts_of

    file = tmp_path / "digits.csv"

    def read(size: int) -> None:
        cell = "1" * (size // 2) + "-" * (size // 2) + "@x"
        file.write_text(f"k,t\n1,{cell}\n2,{cell}\n")
        assert texts_of(file, "digits.csv").columns.rows == 2

    assert not slow(read, lambda size: size, cap=1.0)


def test_a01_a_report_of_digits_does_not_stop_the_server(workspace):
    with serving(workspace) as address, httpx.Client(base_url=f"{address}/api", timeout=30) as client:
        start = time.process_time()
        assert client.post("/bugs", json={"text": "1" * 5_000}).status_code == 201
        told = client.post("/bugs", json={"text": "1" * 100_000 + "-" * 100_000 + "@x"})
        assert told.status_code in (201, 413, 422)
        cell = "1" * 100_000 + "-" * 100_000 + "@x"
        file = {"files": ("digits.csv", f"k,t\n1,{cell}\n2,{cell}\n".encode())}
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(client.post, "/datasets", files=file)
            slowest = 0.0
            while not sent.done():
                begun = time.perf_counter()
                assert httpx.get(f"{address}/api/health", timeout=30).status_code == 200
                slowest = max(slowest, time.perf_counter() - begun)
            assert sent.result().status_code == 201, sent.result().text
        assert time.process_time() - start < 5.0
        assert slowest < 5.0


@pytest.mark.parametrize(
    ("header", "values"),
    [
        (
            "account",
            ["GB82WEST12345698765432"] * 1 + [f"DE8937040044053201300{n}" for n in range(8)] + ["not-an-iban-at-all"],
        ),
        ("card", [f"4{n:03}111111111111" for n in range(9)] + ["4111 1111 1111 111²"]),
        ("2019", ["9" * 5_000, "1", "2"]),
        ("sum", ["1." + "0" * 30, "2." + "0" * 30]),
        ("share", ["0." + "1" * 30, "0." + "2" * 30]),
    ],
    ids=["an IBAN of signs", "a raised digit", "a number of 5,000 digits", "thirty zeros", "thirty decimals"],
)
def test_strange_values_are_a_column_and_no_fault(tmp_path, header, values):
    from workspace.ingest.columns import keep_all
    from workspace.ingest.reader import texts_of

    file = tmp_path / "strange.csv"
    file.write_text(f"{header},2020,2021,2022\n" + "".join(f"{value},a,b,c\n" for value in values))
    texts = texts_of(file, file.name)
    kept = keep_all(texts.names, list(texts.columns.columns))
    assert kept[0].column.name == header


def test_talk_that_is_nested_without_end_is_text():
    from synth.conversations.layouts import detect_shape

    for cell in ("[" * 100_000, "[" + "1" * 5_000 + "]"):
        assert detect_shape(pd.DataFrame({"text": [cell + " a b c", "what is it now"]})).form == "utterances"


def test_a_name_is_found_again_in_other_turns_and_beside_signs():
    turns = ["My name is Anna-Lena Berg.", "Thanks, anna-lena's order, ANNA-LENA BERG! Not Annabella.", "Berg?"]
    clean = redact(Dialogue(id="1", turns=[Turn(role="a", text=text) for text in turns], labels={}))
    assert [turn.text for turn in clean.turns] == [
        "My name is [NAME_1].",
        "Thanks, [NAME_1]'s order, [NAME_1]! Not Annabella.",
        "[NAME_1]?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to a.b+c@mail.example.org.", "write to [EMAIL_1]."),
        ("a@b.org+d@e.org", "[EMAIL_1][EMAIL_2]"),
        ("x" * 300 + "@example.org", "[EMAIL_1]"),
        ("no@domain here", "no@domain here"),
        ("ref 12345678901234567890123 and 1234, A123456, 1234567b", "ref [NUMBER_1] and 1234, A123456, 1234567b"),
        ("رقم ١٢٣٤٥٦٧٨", "رقم [PHONE_1]"),
    ],
)
def test_what_was_redacted_still_is(text, expected):
    assert redact(Dialogue(id="1", turns=[Turn(role="a", text=text)], labels={})).turns[0].text == expected


def test_phrases_are_found_between_the_borders_of_words_only():
    phrases = Phrases(["anna", "anna berg", "+47 55 55", "berg@x.no", "(a)", "www.x.no/"])
    assert phrases.standing_in("hello anna berg, joanna") == {"anna", "anna berg"}
    assert phrases.standing_in("joanna bergen") == set()
    assert phrases.standing_in("call +47 55 55.") == {"+47 55 55"}
    assert phrases.standing_in("call 1+47 55 55 or +47 55 551") == set()
    assert phrases.standing_in("see (a) www.x.no/page, www.x.no/.") == {"(a)", "www.x.no/"}
    assert Phrases([]).standing_in("anything") == set()


def test_a_quote_that_opens_again_and_again_is_read_once():
    from workspace.ingest.records import Dialect, records

    def read(lines: int) -> None:
        assert sum(1 for _ in records(['x","z'] * lines, Dialect(), 2)) == lines

    assert not slow(read, lambda size: size // 10, cap=1.0)


def test_a_cell_over_many_lines_is_read_whole():
    from workspace.ingest.records import Dialect, records

    lines = ["1,2", '"a', 'b ""c""', "", "d,e\r", 'f",3', '"open', "4,5"]
    read = list(records(lines, Dialect(), 2))
    assert [record.cells for record in read] == [["1", "2"], ['a\nb "c"\n\nd,e\r\nf', "3"], None, ["4", "5"]]
    assert [record.line for record in read] == [1, 2, 7, 8]
