"""Softmax over many blocks of columns at once, for networks that draw one level per block.

The ctgan package walks over the columns in Python, several small operations each; here each step is one operation
over all columns. Sums within blocks, and their way back, are products with a 0/1 matrix.
"""

from __future__ import annotations

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

    def lit(self, levels: Tensor) -> Tensor:
        """One-hot rows (rows x width) of `levels` (rows x blocks)."""
        return torch.zeros(len(levels), self.width, device=levels.device).scatter_(1, levels + self.starts, 1.0)

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

    def surprise(self, scores: Tensor, lit: Tensor) -> Tensor:
        """Summed cross-entropy of the lit levels under the scores."""
        return _Surprise.apply(scores, lit, self)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores: Tensor, blocks: Blocks) -> Tensor:
        powers, sums, _ = blocks.exponentials(scores)
        shares = powers.mul_(sums.reciprocal_() @ blocks.columns)
        ctx.save_for_backward(shares)
        ctx.blocks = blocks
        return shares

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        (shares,) = ctx.saved_tensors
        slope = slope * shares
        return slope.addcmul_(shares, (slope @ ctx.blocks.member) @ ctx.blocks.columns, value=-1), None


class _Surprise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores: Tensor, lit: Tensor, blocks: Blocks) -> Tensor:
        powers, sums, maxima = blocks.exponentials(scores)
        surprise = sums.log().sum() + maxima.sum() - (scores * lit).sum()
        ctx.save_for_backward(powers.mul_(sums.reciprocal_() @ blocks.columns).sub_(lit))
        return surprise

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * slope, None, None


def gumbel(rows: int, width: int, device: torch.device) -> Tensor:
    """Standard Gumbel noise. From uniform numbers: drawing exponential ones takes torch five times as long."""
    noise = torch.rand(rows, width, device=device).clamp_(min=1e-30)
    return noise.log_().neg_().log_().neg_()
