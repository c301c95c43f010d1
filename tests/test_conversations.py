"""Conversations: shapes of files, plans that meet their shares, and writing against a real HTTP server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.conversations import (
    Brief,
    Dialogue,
    Price,
    Server,
    ServerError,
    Turn,
    brief_from,
    detect_shape,
    estimate,
    plan,
    read_dialogues,
    read_written,
    write,
)
from synth.conversations.formats import save_dialogues, turns_table
from synth.conversations.near_duplicates import overlap
from synth.conversations.prompts import Unusable, read_answer
from synth.conversations.redact import redact
from synth.report import Report, Stopped
from tests.chat_server import ChatServer

TURNS = pd.DataFrame(
    [
        ("c1", "customer", "My parcel never came to my house", "delivery"),
        ("c1", "agent", "I am sorry to hear that, let me look", "delivery"),
        ("c1", "customer", "Thank you very much for looking", "delivery"),
        ("c1", "agent", "It will come tomorrow before noon", "delivery"),
        ("c2", "customer", "I want my money back for this", "refund"),
        ("c2", "agent", "Of course, you have it in three days", "refund"),
    ],
    columns=["conversation_id", "role", "text", "intent"],
)
SOURCE = read_dialogues(TURNS, detect_shape(TURNS))


def server(url: str, **options) -> Server:
    return Server(base_url=url, model="scripted", **{"retries": 2, "timeout_s": 5, "poll_s": 0.01, **options})


# Reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table, form",
    [
        (TURNS, "turns"),
        (
            pd.DataFrame({"chat": ["Customer: hi there\nAgent: hello you", "Customer: bye now\nAgent: see you"]}),
            "conversations",
        ),
        (
            pd.DataFrame({"m": ['[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]'] * 2}),
            "conversations",
        ),
        (pd.DataFrame({"question": ["how do I return it"], "answer": ["send it back to us"]}), "pairs"),
        (
            pd.DataFrame({"text": ["cancel my order please"] * 9, "intent": ["cancel", "other", "cancel"] * 3}),
            "utterances",
        ),
        (
            pd.DataFrame({"ticket_id": range(20), "product": ["a", "b"] * 10, "sentiment": ["good", "bad"] * 10}),
            "tickets",
        ),
    ],
)
def test_finds_how_a_file_holds_conversations(table, form):
    assert detect_shape(table).form == form
    assert len(read_dialogues(table, detect_shape(table))) > 0


def test_turns_keep_their_order_and_their_labels():
    assert [len(dialogue.turns) for dialogue in SOURCE] == [4, 2]
    assert SOURCE[0].labels == {"intent": "delivery"}
    assert all(dialogue.alternates for dialogue in SOURCE)


@pytest.mark.parametrize(
    "table, words",
    [
        (pd.DataFrame({"text": []}), "no rows"),
        (pd.DataFrame({"x": range(300)}), "No column holds text"),
    ],
)
def test_says_what_is_missing_in_a_file_without_conversations(table, words):
    with pytest.raises(ValueError, match=words):
        detect_shape(table)


def test_a_cell_of_five_megabytes_is_refused_in_words():
    table = pd.DataFrame({"text": ["hello to you all", "x y z " * 900_000], "intent": ["a", "b"]})
    with pytest.raises(ValueError, match="Row 2 holds 5,400,000 characters"):
        read_dialogues(table, detect_shape(table))


# Planning ------------------------------------------------------------------------------------------------------


def test_a_set_meets_the_asked_shares_exactly():
    brief = Brief(dialogues=20, intents={"a": 50, "b": 30, "c": 20}, outcomes={"solved": 3, "open": 1})
    items = plan(brief)
    assert Counter(item.labels["intent"] for item in items) == {"a": 10, "b": 6, "c": 4}
    assert Counter(item.labels["outcome"] for item in items) == {"solved": 15, "open": 5}
    assert items == plan(brief)


@given(
    st.dictionaries(st.text(min_size=1), st.floats(0.01, 100), min_size=1, max_size=8),
    st.integers(1, 200),
    st.integers(0, 9),
)
def test_no_share_is_missed_by_a_whole_dialogue(shares, total, seed):
    counts = Counter(item.labels["intent"] for item in plan(Brief(dialogues=total, intents=shares, seed=seed)))
    whole = sum(shares.values())
    assert sum(counts.values()) == total
    assert all(abs(counts[value] - share / whole * total) < 1 + 1e-6 for value, share in shares.items())


def test_examples_are_of_the_intent_that_is_planned():
    brief = brief_from(SOURCE, intent="intent", dialogues=10, examples=1)
    for item in plan(brief, SOURCE, intent="intent"):
        assert item.examples == (["c1"] if item.labels["intent"] == "delivery" else ["c2"])


def test_one_role_alone_is_no_conversation():
    with pytest.raises(ValueError, match="at least two different roles"):
        Brief(roles=("agent",))


# Privacy -------------------------------------------------------------------------------------------------------


def test_personal_data_never_leaves_and_stays_consistent():
    said = [
        "Hello, my name is Alexis Moore, mail me at alexis@moore.org or +1 415 555 0100.",
        "Thanks Alexis, is your card still 4111 1111 1111 1111?",
        "Yes, and I live at 12 Baker Street. alexis@moore.org is right. SSN 078-05-1120.",
    ]
    clean = redact(Dialogue(id="1", turns=[Turn(role="x", text=text) for text in said])).text
    for secret in ("Alexis", "Moore", "alexis@moore.org", "555", "4111", "Baker", "078-05"):
        assert secret not in clean
    assert clean.count("[EMAIL_1]") == 2 and clean.count("[NAME_1]") == 2


def test_no_example_means_no_real_text_in_the_prompt(tmp_path):
    model = ChatServer()
    with model.running() as url:
        write(brief_from(SOURCE, dialogues=3, examples=0), SOURCE, server(url), tmp_path / "set.jsonl")
    sent = json.dumps(model.requests)
    assert not any(turn.text in sent for dialogue in SOURCE for turn in dialogue.turns)


def test_local_only_refuses_a_server_elsewhere(tmp_path):
    with pytest.raises(ServerError, match="not this machine"):
        write(
            Brief(dialogues=1),
            [],
            Server(base_url="https://api.example.org/v1", local_only=True),
            tmp_path / "set.jsonl",
        )


# Writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script, formats",
    [
        (["good"], ("json_schema", "json_object")),
        (["good"], ("json_object",)),
        (["fenced"], ()),
        (["broken", "wrong_schema", "refusal", "length", "good"], ("json_schema",)),
        (["too_many", "fails", "cut", "good"], ("json_schema",)),
        (["same", "same", "good"], ("json_schema",)),
    ],
    ids=["schema", "object", "text", "unusable first", "troubled line", "repeats first"],
)
def test_ends_with_what_was_asked_whatever_the_server_does_at_first(tmp_path, script, formats):
    model = ChatServer(script, formats=formats)
    with model.running() as url:
        outcome = write(Brief(dialogues=6, turns={4: 1}), [], server(url, at_once=1, retries=4), tmp_path / "set.jsonl")
    made = [line.dialogue for line in read_written(tmp_path / "set.jsonl") if line.dialogue]
    assert outcome.written == len(made) == len({dialogue.id for dialogue in made}) == 6
    assert all(len(dialogue.turns) == 4 and dialogue.alternates for dialogue in made)
    assert not outcome.stopped


def test_waits_as_long_as_the_server_says(tmp_path):
    with ChatServer(["too_many", "good"]).running() as url:
        begin = time.monotonic()
        write(Brief(dialogues=1), [], server(url), tmp_path / "set.jsonl")
    assert time.monotonic() - begin >= 0.2


def test_three_roles_speak_as_the_answer_says(tmp_path):
    with ChatServer().running() as url:
        brief = Brief(dialogues=2, roles=("agent", "customer", "action"), turns={6: 1})
        write(brief, [], server(url), tmp_path / "set.jsonl")
    made = [line.dialogue for line in read_written(tmp_path / "set.jsonl")]
    assert {turn.role for dialogue in made for turn in dialogue.turns} == {"agent", "customer", "action"}


@pytest.mark.parametrize(
    "script, words",
    [
        (["wrong_key"], "asks for an API key"),
        (["no_model"], "has no model"),
        (["good", "good", "too_many"], "too many requests"),
    ],
)
def test_an_error_says_what_to_do_and_what_was_made_is_kept(tmp_path, script, words):
    with ChatServer(script).running() as url, pytest.raises(ServerError, match=words):
        write(Brief(dialogues=9), [], server(url, at_once=1, retries=1), tmp_path / "set.jsonl")
    assert len(read_written(tmp_path / "set.jsonl")) == script.count("good")


def test_a_server_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ServerError, match="cannot be reached"):
        write(Brief(dialogues=1), [], server("http://127.0.0.1:9/v1", retries=0), tmp_path / "set.jsonl")


def test_fewer_than_asked_comes_with_the_reason(tmp_path):
    with ChatServer(["wrong_schema"]).running() as url:
        outcome = write(Brief(dialogues=2), [], server(url), tmp_path / "set.jsonl")
    assert outcome.written == 0
    assert "2 could not be written" in outcome.stopped and "keys" in outcome.stopped


@pytest.mark.parametrize("budget, most", [(0.0, 0), (0.004, 20)])
def test_a_budget_is_never_passed(tmp_path, budget, most):
    price = Price(input=1.0, output=2.0)
    model = ChatServer()
    with model.running() as url:
        outcome = write(Brief(dialogues=40), [], server(url, price=price), tmp_path / "set.jsonl", budget=budget)
    assert outcome.dollars <= budget and outcome.written <= most
    assert "budget" in outcome.stopped
    # A request of 100 tokens in and 50 out costs (100 * 1 + 50 * 2) / 1e6 dollars.
    assert outcome.dollars == pytest.approx(len(model.requests) * 200 / 1e6)


def test_never_more_requests_at_once_than_allowed(tmp_path):
    model = ChatServer(latency_s=0.02)
    with model.running() as url:
        write(Brief(dialogues=40), [], server(url, at_once=5), tmp_path / "set.jsonl")
    assert model.most_at_once == 5


class _StopsAt(Report):
    def __init__(self, done: float):
        self.at = done

    def __call__(self, done, note="", **curve):
        if done >= self.at:
            raise Stopped


def test_a_cancelled_set_goes_on_where_it_stopped_and_pays_for_none_twice(tmp_path):
    file, brief, model = tmp_path / "set.jsonl", Brief(dialogues=30), ChatServer()
    with model.running() as url:
        with pytest.raises(Stopped):
            write(brief, [], server(url, at_once=1), file, report=_StopsAt(0.4))
        assert len(read_written(file)) == 12
        assert write(brief, [], server(url, at_once=1), file).written == 30
    assert len(model.requests) == 30
    assert max(model.keys.values()) == 1


def test_a_killed_set_of_200_resumed_makes_exactly_200_and_charges_none_twice(tmp_path):
    file, model = tmp_path / "set.jsonl", ChatServer(latency_s=0.02)
    script = (
        "import sys; from pathlib import Path; from synth.conversations import *;"
        "write(Brief(dialogues=200), [], Server(base_url=sys.argv[1], model='scripted', at_once=4), Path(sys.argv[2]))"
    )
    root = Path(__file__).parent.parent
    with model.running() as url:
        process = subprocess.Popen(
            [sys.executable, "-c", script, url, file], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
        )
        end = time.monotonic() + 60
        while len(read_written(file)) < 50 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = {line.index for line in read_written(file)}
        assert 50 <= len(before) < 200
        write(Brief(dialogues=200), [], server(url, at_once=4), file)
    made = [line.index for line in read_written(file) if line.dialogue]
    assert sorted(made) == list(range(200))
    # Those under way when it was killed are asked for again under the same key; no other is.
    again = [key for key, count in model.keys.items() if count > 1]
    assert len(again) <= 4
    assert len(model.keys) == 200


def test_a_line_cut_off_by_a_crash_is_written_again(tmp_path):
    file = tmp_path / "set.jsonl"
    with ChatServer().running() as url:
        write(Brief(dialogues=5), [], server(url), file)
        file.write_bytes(file.read_bytes()[:-20])
        assert write(Brief(dialogues=5), [], server(url), file).written == 5
    assert sorted(line.index for line in read_written(file)) == [0, 1, 2, 3, 4]


def test_the_key_is_sent_and_never_saved(tmp_path):
    model = ChatServer()
    with model.running() as url:
        chosen = server(url, api_key="sk-secret")
        write(Brief(dialogues=1), [], chosen, tmp_path / "set.jsonl")
    assert model.requests[0]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in (tmp_path / "set.jsonl").read_text() + chosen.model_dump_json() + repr(chosen)


def test_the_estimate_is_of_the_prompts_that_will_be_sent():
    brief = Brief(dialogues=10, turns={4: 1})
    guess = estimate(brief, [], Server(price=Price(input=1, output=10)))
    assert guess.requests == 10
    assert guess.output_tokens == 10 * 4 * 60
    assert guess.dollars == pytest.approx((guess.input_tokens * 1 + guess.output_tokens * 10) / 1e6)


def test_a_batch_costs_half_and_asks_again_for_what_could_not_be_used(tmp_path):
    model = ChatServer(["broken", "good"])
    with model.running() as url:
        chosen = server(url, price=Price(input=1.0, output=2.0))
        outcome = write(Brief(dialogues=5), [], chosen, tmp_path / "set.jsonl", batch=True)
    assert outcome.written == 5
    assert [len(lines) for lines in model.files.values()] == [5, 1]
    assert outcome.dollars == pytest.approx(6 * 200 / 1e6 / 2)


def test_a_batch_under_way_is_fetched_after_a_crash_and_not_sent_again(tmp_path):
    model = ChatServer()
    with model.running() as url:
        with pytest.raises(Stopped):
            write(Brief(dialogues=5), [], server(url), tmp_path / "set.jsonl", batch=True, report=_StopsAt(0.0))
        assert write(Brief(dialogues=5), [], server(url), tmp_path / "set.jsonl", batch=True).written == 5
    assert len(model.batches) == 1


def test_a_batch_keeps_its_budget(tmp_path):
    price = Price(input=1.0, output=2.0)
    with ChatServer().running() as url:
        outcome = write(
            Brief(dialogues=40), [], server(url, price=price), tmp_path / "set.jsonl", budget=0.004, batch=True
        )
    assert 0 < outcome.written < 40 and outcome.dollars <= 0.004 and "budget" in outcome.stopped


# Answers and files ---------------------------------------------------------------------------------------------


def test_an_answer_cut_off_is_closed_where_its_last_whole_item_ends():
    brief = Brief(dialogues=1, turns={6: 1})
    text = '{"exchanges": [{"customer": "a b", "agent": "c d"}, {"customer": "e f", "agent": "g h"}, {"customer": "i'
    assert [turn.text for turn in read_answer(text, brief, plan(brief)[0]).turns] == ["a b", "c d", "e f", "g h"]


def test_exchanges_in_which_somebody_says_nothing_are_left_out_and_lines_may_break_inside_a_text():
    brief = Brief(dialogues=1, turns={6: 1})
    text = '{"exchanges": [{"customer says": "a\nb", "agent says": "c"}, {"customer": "d", "agent": " "}, {"customer": "...}, {", "agent": "x"}, {"customer": "e", "agent": "f"}]}'
    assert [turn.text for turn in read_answer(text, brief, plan(brief)[0]).turns] == ["a\nb", "c", "e", "f"]


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", '{"exchanges": []}', '{"exchanges": [{"customer": "", "agent": "x"}]}']
)
def test_an_answer_that_is_no_dialogue_is_unusable(text):
    brief = Brief(dialogues=1)
    with pytest.raises(Unusable):
        read_answer(text, brief, plan(brief)[0])


def test_overlap_counts_shared_runs_of_five_words():
    # Six words hold two runs; the first is shared: 1 / 2.
    assert overlap("a b c d e f", "a b c d e g") == 0.5
    assert overlap("a b c", "x y z") == 0.0


def test_files_hold_what_was_written(tmp_path):
    save_dialogues(SOURCE, tmp_path / "x.csv", "csv")
    assert pd.read_csv(tmp_path / "x.csv")["text"].tolist() == TURNS["text"].tolist()
    save_dialogues(SOURCE, tmp_path / "x.parquet", "parquet")
    assert pd.read_parquet(tmp_path / "x.parquet").equals(turns_table(SOURCE))
    save_dialogues(SOURCE, tmp_path / "x.jsonl", "openai")
    first = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"] * 2
    save_dialogues(SOURCE, tmp_path / "y.jsonl", "sharegpt")
    assert json.loads((tmp_path / "y.jsonl").read_text().splitlines()[1])["conversations"][1]["from"] == "gpt"
