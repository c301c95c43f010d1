"""The mean of a network's weights over its last training steps, which draws steadier than any one step's weights."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.nn import Module

LONGEST = 0.998
"""How much of the mean stays at each step, at most: it then looks some 500 steps back."""


class RunningMean:
    """`mean` follows `module`: early in the training closely, later as the mean of about its last ninth.

    Without `averaging` it is the module as it is. Source: Yazıcı et al. 2019, "The Unusual Effectiveness of
    Averaging in GAN Training".
    """

    def __init__(self, module: Module, averaging: bool):
        self.mean = deepcopy(module).eval().requires_grad_(False)
        self.averaging = averaging
        self.steps = 0
        self.pairs = [
            (mean, now)
            for mean, now in zip(self.mean.state_dict().values(), module.state_dict().values(), strict=True)
            if now.is_floating_point()
        ]

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the module's weights after one more step."""
        self.steps += 1
        new = max(1 - LONGEST, 9 / (10 + self.steps)) if self.averaging else 1.0
        for mean, now in self.pairs:
            mean.lerp_(now, new)

    @property
    def state(self) -> dict:
        return {"steps": self.steps, "mean": self.mean.state_dict()}

    @state.setter
    def state(self, state: dict) -> None:
        self.steps = state["steps"]
        self.mean.load_state_dict(state["mean"])
