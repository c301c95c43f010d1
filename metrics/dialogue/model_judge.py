"""The marks a language model gives: how to read them."""

from __future__ import annotations

from metrics.base import Card

MODEL_JUDGE = Card(
    name="model_judge",
    title="A model's marks",
    family="dialogue",
    question="Does it hang together, does everybody keep to their part, does it end well?",
    low=1,
    high=5,
    good="high",
    cost="dear",
    matters=0.25,
    source="Zheng et al. 2023, LLM-as-a-judge",
)
"""How to read the marks a language model gives, which whoever holds the model's key asks it for."""
