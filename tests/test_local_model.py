"""The small model on this machine, for real; its extras come with `make setup-llm`."""

import pytest

from synth.conversations import brief_from, detect_shape, read_dialogues, read_written, write
from synth.conversations.egress import ServerError
from synth.conversations.local_model import INSTALL, installed, serving
from tests.test_conversations import TURNS


def test_without_its_extras_it_says_how_to_get_them(tmp_path):
    if installed():
        with serving(tmp_path / "log.txt") as server:
            assert server.is_local
    else:
        with pytest.raises(ServerError, match="make setup-llm"), serving(tmp_path / "log.txt"):
            raise AssertionError("it started without its extras")
    assert "make setup-llm" in INSTALL


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_five_dialogues_come_out_valid_with_alternating_roles(tmp_path):
    source = read_dialogues(TURNS, detect_shape(TURNS))
    brief = brief_from(source, intent="intent", dialogues=5, turns={6: 1}, examples=1)
    with serving(tmp_path / "log.txt") as server:
        outcome = write(brief, source, server, tmp_path / "set.jsonl", intent="intent")
    made = [line.dialogue for line in read_written(tmp_path / "set.jsonl") if line.dialogue]
    assert outcome.written == len(made) == 5
    assert all(len(dialogue.turns) == 6 and dialogue.alternates for dialogue in made)
