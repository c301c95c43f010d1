"""The plan of a set: what each dialogue is about, drawn before any is written.

The set as a whole meets the shares asked for: of 20 dialogues with intents at 50, 30 and 20 %, exactly 10, 6 and 4
are planned (largest-remainder method), in an order drawn from the seed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from synth.conversations.dialogue import Dialogue
from synth.conversations.layouts import roles_of
from synth.strict import StrictNumbers

if TYPE_CHECKING:
    import numpy as np

Value = TypeVar("Value", str, int)
SOME_SHARE: JsonDict = {"not": {"minProperties": 1, "additionalProperties": {"maximum": 0}}}
"""In a JSON schema: shares are not all 0."""
TURNS = "^([2-9]|[1-5][0-9]|60)$"
Share = Annotated[float, Field(json_schema_extra={"minimum": 0})]
LABELS = ("intent", "product", "outcome", "persona", "language", "tone")


class Brief(StrictNumbers):
    """What the analyst asks for. Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(
        "support",
        min_length=1,
        max_length=200,
        description="support, sales, or your own kind in words.",
        examples=["support"],
    )
    business: str = Field(
        "",
        max_length=5000,
        description="The business in words: what it sells, to whom, its rules.",
        examples=["A shop for bicycles that delivers within Norway."],
    )
    dialogues: int = Field(20, ge=1, le=100_000, description="How many dialogues to write.", examples=[20])
    roles: tuple[str, ...] = Field(
        ("customer", "agent"),
        description="Who speaks, at least two, each called differently; the first one opens.",
        examples=[["customer", "agent"]],
        json_schema_extra={"minItems": 2, "uniqueItems": True, "items": {"type": "string", "pattern": r"\S"}},
    )
    turns: dict[int, Share] = Field(
        default_factory=lambda: {4: 0.25, 6: 0.5, 8: 0.25},
        description="Share of dialogues with that many turns, 2 to 60.",
        examples=[{"4": 0.5, "6": 0.5}],
        json_schema_extra={"minProperties": 1, "propertyNames": {"pattern": TURNS}, **SOME_SHARE},
    )
    intents: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of each intent.",
        examples=[{"delivery": 0.6, "refund": 0.4}],
        json_schema_extra=SOME_SHARE,
    )
    products: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of each product.",
        examples=[{"bicycle": 1}],
        json_schema_extra=SOME_SHARE,
    )
    outcomes: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of each outcome.",
        examples=[{"solved": 0.8, "escalated": 0.2}],
        json_schema_extra=SOME_SHARE,
    )
    personas: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of each kind of customer.",
        examples=[{"new customer": 1}],
        json_schema_extra=SOME_SHARE,
    )
    languages: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of each language; none: English.",
        examples=[{"English": 1}],
        json_schema_extra=SOME_SHARE,
    )
    tones: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of each tone.",
        examples=[{"friendly": 0.7, "annoyed": 0.3}],
        json_schema_extra=SOME_SHARE,
    )
    examples: int = Field(
        2,
        ge=0,
        le=10,
        description="Real dialogues shown to the model for each new one; 0: no real text is sent.",
        examples=[2],
    )
    temperature: float = Field(0.9, ge=0, le=2, description="Sampling temperature of the model.", examples=[0.9])
    seed: int = Field(0, ge=0, description="Same seed, same plan.", examples=[0])

    @field_validator("roles")
    @classmethod
    def _two_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(roles)) < 2 or len(set(roles)) != len(roles) or not all(role.strip() for role in roles):
            raise ValueError("A conversation needs at least two different roles, such as customer and agent.")
        return roles

    @field_validator("turns")
    @classmethod
    def _turns_in_reach(cls, turns: dict[int, float]) -> dict[int, float]:
        if not turns or not all(2 <= count <= 60 for count in turns):
            raise ValueError("A dialogue has 2 to 60 turns.")
        return turns

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Brief:
        for name in ("turns", "intents", "products", "outcomes", "personas", "languages", "tones"):
            shares = getattr(self, name)
            if shares and (min(shares.values()) < 0 or sum(shares.values()) <= 0):
                raise ValueError(f"The shares of {name} must be at least 0 and not all 0.")
        return self


class Plan(BaseModel):
    """One dialogue to write."""

    model_config = ConfigDict(extra="forbid")

    index: int
    turns: int
    labels: dict[str, str] = Field(default_factory=dict)
    examples: list[str] = Field(default_factory=list, description="Ids of the real dialogues the prompt shows.")


def brief_from(source: list[Dialogue], *, intent: str | None = None, outcome: str | None = None, **asked: Any) -> Brief:
    """A brief with the roles, lengths and shares of `source`; `asked` overrides any field.

    `intent` and `outcome` name the labels to take those shares from.
    """
    spoken = [dialogue for dialogue in source if len(dialogue.turns) >= 2]
    found: dict[str, Any] = {}
    if spoken:
        lengths = Counter(min(max(len(dialogue.turns), 2), 60) for dialogue in spoken)
        found["turns"] = {count: lengths[count] / len(spoken) for count in sorted(lengths)}
        found["roles"] = tuple(roles_of(spoken))
    for field, label in (("intents", intent), ("outcomes", outcome)):
        if label:
            counts = Counter(dialogue.labels[label] for dialogue in source if label in dialogue.labels)
            total = sum(counts.values())
            found[field] = {value: count / total for value, count in counts.most_common()}
    return Brief(**{**found, **asked})


def plan(brief: Brief, source: list[Dialogue] = (), *, intent: str | None = None) -> list[Plan]:
    """The dialogues to write, in order; `intent` names the label by which examples are matched to them.

    The examples of each are real dialogues of its own intent where there are any, of any intent otherwise.
    """
    import numpy as np

    rng = np.random.default_rng(brief.seed)
    columns = {
        label: apportion(shares, brief.dialogues, rng)
        for label, shares in zip(
            LABELS,
            (brief.intents, brief.products, brief.outcomes, brief.personas, brief.languages, brief.tones),
            strict=True,
        )
        if shares
    }
    turns = apportion(brief.turns, brief.dialogues, rng)
    spoken = [dialogue for dialogue in source if dialogue.turns]
    by_intent: dict[str | None, list[str]] = {None: [dialogue.id for dialogue in spoken]}
    for dialogue in spoken:
        by_intent.setdefault(dialogue.labels.get(intent or ""), []).append(dialogue.id)
    plans = []
    for index in range(brief.dialogues):
        labels = {label: values[index] for label, values in columns.items()}
        pool = by_intent.get(labels.get("intent")) or by_intent[None]
        count = min(brief.examples, len(pool))
        chosen = rng.choice(len(pool), count, replace=False) if count else []
        plans.append(Plan(index=index, turns=turns[index], labels=labels, examples=[pool[at] for at in chosen]))
    return plans


def apportion(shares: dict[Value, float], total: int, rng: np.random.Generator) -> list[Value]:
    """`total` values whose counts meet `shares` as closely as whole numbers can, in random order."""
    import numpy as np

    values = list(shares)
    weights = np.array([shares[value] for value in values], dtype=float)
    exact = weights / weights.sum() * total
    counts = np.floor(exact).astype(int)
    # Ties between remainders are broken at random, so that no value is favoured for coming first.
    order = np.lexsort((rng.random(len(values)), -(exact - counts).round(9)))
    counts[order[: total - counts.sum()]] += 1
    at = np.repeat(np.arange(len(values)), counts)
    return [values[i] for i in rng.permutation(at)]
