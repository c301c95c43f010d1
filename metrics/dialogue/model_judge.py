"""LLM-as-a-judge: how to read the ratings of a language model."""

from __future__ import annotations

from metrics.base import Card

MODEL_JUDGE = Card(
    name="model_judge",
    title="Rating by a language model",
    family="dialogue",
    question="Are dialogues coherent, does everybody stay in their role, is the matter resolved?",
    low=1,
    high=5,
    good="high",
    cost="dear",
    matters=0.25,
    source="Zheng et al. 2023, LLM-as-a-judge",
)
"""The card of the ratings, which the job that holds the model's key requests."""
