"""The prompt for one dialogue, and how the answer is read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from synth.conversations.dialogue import Dialogue, Turn
from synth.conversations.planning import Brief, Plan
from synth.errors import Invalid
from synth.linear import within

SURPLUS_COMMA = within(r",\s{0,1000}([\]}])")
SYSTEM = (
    "You write realistic {kind} conversations for training and testing software. Every person, company, number and "
    "address in them is invented. Write as people type: varied, concrete, with the small imperfections of real talk. "
    "Never copy sentences from the examples. Answer with JSON only."
)


def messages(brief: Brief, plan: Plan, examples: list[Dialogue], *, again: bool = False) -> list[dict[str, str]]:
    """The chat messages that ask for one dialogue; `again` asks to differ from an earlier try."""
    lines = [f"Write one {brief.kind} conversation of exactly {plan.turns} turns."]
    opener = brief.roles[0]
    lines.append(
        f"Speakers: {', '.join(brief.roles)}. {opener} opens" + ("; they take turns." if len(brief.roles) == 2 else ".")
    )
    if brief.business:
        lines.append(f"The business: {brief.business}")
    lines += [f"{label.capitalize()}: {value}" for label, value in plan.labels.items()]
    if again:
        lines.append("An earlier try was too close to another conversation: choose another situation and other words.")
    for number, example in enumerate(examples, 1):
        lines.append(f"\nReal example {number} (for style and facts, not to be copied):\n{example.text}")
    shape = json.dumps(answer_example(brief), ensure_ascii=False)
    lines.append(f"\nAnswer with one JSON object of this form: {shape}")
    return [
        {"role": "system", "content": SYSTEM.format(kind=brief.kind)},
        {"role": "user", "content": "\n".join(lines)},
    ]


def takes_turns(brief: Brief) -> bool:
    """Whether two roles alternate."""
    return len(brief.roles) == 2


def said_by(role: str) -> str:
    """The key of what a role says. Under the role alone, small models write a name."""
    return f"{role} says"


def answer_example(brief: Brief) -> dict[str, Any]:
    """The form of the answer, as the prompt shows it."""
    if takes_turns(brief):
        return {"exchanges": [{said_by(role): "..." for role in brief.roles}]}
    return {"turns": [{"role": role, "text": "..."} for role in brief.roles]}


def answer_schema(brief: Brief, turns: int) -> dict[str, Any]:
    """JSON schema of the answer.

    Two speakers answer in exchanges, so that roles alternate by construction, even with weak models.
    """
    text = {"type": "string"}
    if takes_turns(brief):
        keys = [said_by(role) for role in brief.roles]
        item = {"type": "object", "properties": dict.fromkeys(keys, text), "required": keys}
        name, count = "exchanges", (turns + 1) // 2
    else:
        role = {"type": "string", "enum": list(brief.roles)}
        item = {"type": "object", "properties": {"role": role, "text": text}, "required": ["role", "text"]}
        name, count = "turns", turns
    item["additionalProperties"] = False
    return {
        "type": "object",
        "properties": {name: {"type": "array", "items": item, "minItems": count, "maxItems": count}},
        "required": [name],
        "additionalProperties": False,
    }


class Unusable(Invalid):
    """Raised when the model's answer is not a dialogue; the message says what is wrong with it."""


def read_answer(text: str, brief: Brief, plan: Plan) -> Dialogue:
    """The dialogue in a model's answer, also when the JSON stands in prose or a code fence, or is cut off.

    An exchange in which somebody says nothing, or nothing but brackets, is left out. Raises Unusable when there are
    fewer than two turns, an unknown role or an empty text.
    """
    answer = _loads(text)
    if takes_turns(brief) and isinstance(answer.get("exchanges"), list):
        exchanges = [item for item in answer["exchanges"] if _whole(item)]
        pairs = [(role, item.get(said_by(role), item.get(role))) for item in exchanges for role in brief.roles]
    elif isinstance(answer.get("turns"), list):
        pairs = [(item.get("role"), item.get("text")) for item in answer["turns"] if isinstance(item, dict)]
    else:
        raise Unusable(f"expected {json.dumps(answer_example(brief))}, got the keys {list(answer)[:5]}")
    pairs = pairs[: plan.turns]
    for role, said in pairs:
        if role not in brief.roles:
            raise Unusable(f"the role {role!r} is none of {', '.join(brief.roles)}")
        if not isinstance(said, str) or not said.strip():
            raise Unusable(f"a turn of {role} is empty")
    if len(pairs) < 2:
        raise Unusable("it has fewer than two turns")
    turns = [Turn(role=role, text=said.strip()) for role, said in pairs]
    return Dialogue(id=f"S{plan.index + 1:06d}", turns=turns, labels=plan.labels)


def _whole(exchange: object) -> bool:
    """Whether everybody says something in an exchange."""
    return isinstance(exchange, dict) and all(_speaks(said) for said in exchange.values() if isinstance(said, str))


def _speaks(said: str) -> bool:
    """Whether it is more than white space, or brackets: what small models write when they lose the thread of the JSON."""
    return any(map(str.isalnum, said)) or (bool(said.strip()) and not set(said) & set("{}[]"))


def _loads(text: str) -> dict[str, Any]:
    """The first JSON object in `text`; a cut-off one is closed where its last whole item ends."""
    start = text.find("{")
    if start < 0:
        raise Unusable("it holds no JSON object")
    try:
        # Small models break lines inside a text.
        found, _ = json.JSONDecoder(strict=False).raw_decode(text[start:])
    except json.JSONDecodeError as error:
        whole = text[start : text.rfind("}") + 1].rstrip(", \n")
        repaired = SURPLUS_COMMA.sub(r"\1", whole) + "]}"
        try:
            found = json.loads(repaired, strict=False)
        except (ValueError, RecursionError):
            raise Unusable(f"its JSON breaks off or is invalid ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise Unusable("its JSON is nested without end, or holds a number of thousands of digits") from error
    if not isinstance(found, dict):
        raise Unusable("it is not a JSON object")
    return found


def fingerprint(brief: Brief) -> str:
    """A short hash of everything that shapes the prompts, for the run's record."""
    whole = SYSTEM + brief.model_dump_json()
    return hashlib.sha256(whole.encode()).hexdigest()[:16]
