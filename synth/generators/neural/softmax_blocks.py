"""Softmax over many blocks of columns at once, for networks that draw one level per block.

The ctgan package walks over the columns in Python, several small operations each; here each step is one operation
over all columns. Sums within blocks, and their way back, are products with a 0/1 matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Blocks:
    """Consecutive blocks of `widths` columns each."""

    def __init__(self, widths: list[int], device: torch.device):
        self.widths = widths
        self.width = sum(widths)
        starts = [sum(widths[:place]) for place in range(len(widths))]
        self.starts = torch.tensor(starts, dtype=torch.int64, device=device)
        block = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths, dtype=torch.int64))
        self.member = torch.eye(len(widths))[block].to(device)
        """columns x blocks: 1 where the column belongs to the block."""
        self.columns = self.member.t().contiguous()

    def lit(self, values: Tensor, places: Tensor) -> Tensor:
        """The values of each row and behind them a 1 at each of its `places`, else 0."""
        rows = torch.zeros(len(values), values.shape[1] + self.width, device=values.device)
        rows[:, : values.shape[1]] = values
        return rows.scatter_(1, places + values.shape[1], 1.0)

    def brightest(self, scores: Tensor) -> Tensor:
        """The level of highest score in each block (rows x blocks)."""
        return torch.stack([block.argmax(1) for block in scores.split(self.widths, 1)], 1)

    def maxima(self, scores: Tensor) -> Tensor:
        return torch.cat([block.amax(1, keepdim=True) for block in scores.split(self.widths, 1)], 1)

    def exponentials(self, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """exp(score - maximum of the block), its sum over each block, and the maxima."""
        maxima = self.maxima(scores)
        powers = torch.sub(scores, maxima @ self.columns).exp_()
        return powers, powers @ self.member, maxima

    def softmax(self, scores: Tensor) -> Tensor:
        return _Softmax.apply(scores, self)

    def surprise(self, scores: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Summed cross-entropy of the scores at the rows' `places` within their blocks, and its gradient."""
        powers, sums, maxima = self.exponentials(scores)
        surprise = sums.log().sum() + maxima.sum() - scores.gather(1, places).sum()
        shares = powers.mul_(sums.reciprocal_() @ self.columns)
        return surprise, shares.scatter_add_(1, places, shares.new_full((), -1.0).expand(places.shape))


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, blocks: Blocks) -> Tensor:
        powers, sums, _ = blocks.exponentials(scores)
        shares = powers.mul_(sums.reciprocal_() @ blocks.columns)
        ctx.save_for_backward(shares)
        ctx.blocks = blocks
        return shares

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        (shares,) = ctx.saved_tensors
        slope = slope * shares
        return slope.addcmul_(shares, (slope @ ctx.blocks.member) @ ctx.blocks.columns, value=-1), None


def gumbel(rows: int, width: int, device: torch.device) -> Tensor:
    """Standard Gumbel noise. From uniform numbers: drawing exponential ones takes torch five times as long."""
    noise = torch.rand(rows, width, device=device).clamp_(min=1e-30)
    return noise.log_().neg_().log_().neg_()
