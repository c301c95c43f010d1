"""Dialogue metrics on conversations small enough to judge by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import DIALOGUE_METRICS
from metrics.checks import DIALOGUE_CHECKS
from metrics.dialogue.base import Conversations, Texts
from metrics.dialogue.distances import js_complement, ks_complement, tv_complement
from synth.conversations import Dialogue, Turn


def dialogue(name: str, *said: str, **labels: str) -> Dialogue:
    turns = [Turn(role=("customer", "agent")[at % 2], text=text) for at, text in enumerate(said)]
    return Dialogue(id=name, turns=turns, labels=labels)


SOURCE = [
    dialogue("r1", "my parcel is late again this week", "i am sorry to hear that today", intent="parcel"),
    dialogue("r2", "please send the invoice to my office", "it is on its way now sir", intent="invoice"),
]
HELD = [
    dialogue("h1", "the parcel has not come to us yet", "let me look that up for you", intent="parcel"),
    dialogue("h2", "where do i find an invoice for may", "you find it under my orders there", intent="invoice"),
]


def judge(name: str, synthetic: list[Dialogue], **more):
    return DIALOGUE_METRICS[name](Conversations(Texts(SOURCE), Texts(HELD), Texts(synthetic), **more))


def test_distances_between_shares():
    # Cumulative shares of (1, 2) and (1, 3): at 1 both 1/2, at 2 1 and 1/2, at 3 both 1; the gap is 1/2.
    assert ks_complement(np.array([1, 2]), np.array([1, 3])) == 0.5
    # Shares 3/4, 1/4 against 1/2, 1/2: half of 1/4 + 1/4.
    assert tv_complement(Counter(a=3, b=1), Counter(a=1, b=1)) == 0.75
    assert js_complement(Counter(a=1), Counter(a=5)) == 1.0
    assert js_complement(Counter(a=1), Counter(b=1)) == 0.0


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_distances_are_symmetric_and_bounded(one, other):
    for measure, left, right in (
        (ks_complement, np.array(one), np.array(other)),
        (tv_complement, Counter(one), Counter(other)),
        (js_complement, Counter(one), Counter(other)),
    ):
        there, back = measure(left, right), measure(right, left)
        assert there == pytest.approx(back) and 0 <= there <= 1 + 1e-9


def test_copied_turns_are_those_that_stand_in_the_input():
    # Four turns of five words or more; the first two are the source's.
    made = [SOURCE[0], dialogue("s", "nothing of this stands there at all", "nor does this stand in it")]
    score = judge("copied_turns", made)
    assert score.value == 0.5
    assert score.reference == 0.0


def test_the_longest_shared_run_counts_words():
    # "my parcel is late again" are five words of r1, then it goes its own way.
    made = [dialogue("s", "well my parcel is late again but not this month", "really")]
    assert judge("longest_shared_run", made).value == 5


def test_plan_coverage_names_what_is_short():
    made = [dialogue("s1", "a b", "c d", intent="parcel"), dialogue("s2", "e f", "g h", intent="parcel")]
    score = judge("plan_coverage", made, asked=[{"intent": "parcel"}, {"intent": "invoice"}])
    assert score.value == 0.5
    assert score.detail.short == {"intent: invoice": 1}


def test_near_duplicates_are_counted_once_a_pair():
    twin = dialogue("s2", *[turn.text for turn in HELD[0].turns])
    score = judge("near_duplicates", [HELD[0], twin, HELD[1]])
    assert score.value == pytest.approx(1 / 3)
    assert score.detail.pairs == [("h1", "s2", 1.0)]


def test_personal_data_that_came_through_are_counted():
    source = [dialogue("r", "my name is Alexis Moore, write to alexis@moore.org please", "thank you i will do so")]
    made = [dialogue("s", "i am writing to Alexis@Moore.org now", "very well then")]
    talks = Conversations(Texts(source), Texts(HELD), Texts(made))
    score = DIALOGUE_METRICS["personal_data"](talks)
    assert (score.value, score.reference) == (1, 0)


def test_distinct_pairs_of_words_count_each_pair_once():
    # a-b, b-a, a-b, b-a: two of four pairs differ; the holdout's pairs all differ.
    score = judge("distinct_2", [dialogue("s", "a b a b a")])
    assert (score.value, score.reference) == (0.5, 1.0)


def many(prefix: str, words: list[str], count: int = 40) -> list[Dialogue]:
    rng = np.random.default_rng(len(prefix))
    return [
        dialogue(f"{prefix}{at}", " ".join(rng.choice(words, 8)), " ".join(rng.choice(words, 8)), intent=words[at % 2])
        for at in range(count)
    ]


def test_a_detector_knows_strange_words_and_not_the_same_ones():
    plain, strange = (
        ["one", "two", "three", "four", "five", "six", "seven"],
        ["uno", "due", "tre", "quattro", "cinque", "sei", "sette"],
    )
    for words, low, high in ((plain, 0.5, 1.0), (strange, 0.0, 0.05)):
        talks = Conversations(Texts(many("a", plain)), Texts(many("bb", plain)), Texts(many("ccc", words)))
        assert low <= DIALOGUE_METRICS["dialogue_detector"](talks).value <= high


def test_a_classifier_learns_intents_from_synthetic_utterances():
    def about(prefix: str) -> list[Dialogue]:
        return [
            dialogue(
                f"{prefix}{at}",
                f"{('parcel lost', 'invoice wrong')[at % 2]} number {prefix}{at}",
                "yes",
                intent=str(at % 2),
            )
            for at in range(20)
        ]

    talks = Conversations(Texts(about("a")), Texts(about("b")), Texts(about("c")))
    score = DIALOGUE_METRICS["intent_classifier"](talks)
    assert (score.value, score.reference) == (1.0, 1.0)


@pytest.mark.parametrize("check", DIALOGUE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", DIALOGUE_METRICS)
def test_every_dialogue_metric_does_what_a_metric_must(name, check):
    check(DIALOGUE_METRICS[name])


@pytest.mark.parametrize("name", DIALOGUE_METRICS)
@pytest.mark.parametrize("synthetic", [[], [Dialogue(id="s", turns=[])], SOURCE[:1]], ids=["none", "no turns", "one"])
def test_every_metric_answers_little_data_with_a_score_or_a_note(name, synthetic):
    score = judge(name, synthetic)
    assert score.value is not None or score.note


# These compare with the held-out dialogues, or learn from them, so that they cannot stand for fresh ones.
AGAINST_HOLDOUT = {"share_nearer_to_source", "dialogue_detector", "intent_classifier"}


@pytest.mark.parametrize("name", [name for name in DIALOGUE_METRICS if name not in AGAINST_HOLDOUT])
def test_every_metric_gives_real_dialogues_what_it_gives_the_reference(name):
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    source, held = many("a", words), many("bb", words)
    score = DIALOGUE_METRICS[name](Conversations(Texts(source), Texts(held), Texts(held)))
    if score.reference is not None:
        assert score.value == pytest.approx(score.reference)
