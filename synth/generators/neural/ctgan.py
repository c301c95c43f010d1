"""CTGAN: two networks in contest, one drawing rows and one telling them from real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from synth.errors import Invalid
from synth.generators.base import BUSINESS_SOURCE, generator
from synth.generators.neural.trainer import Network, TrainedModel, TrainingParams
from synth.params import knob

if TYPE_CHECKING:
    import torch


@generator(
    "ctgan",
    title="CTGAN",
    summary="A generative adversarial network. Slow to train; at its best on large tables with many categories.",
    place=40,
    needs=("ctgan", "torch"),
    stops_early=True,
    licence=BUSINESS_SOURCE,
    quick={"epochs": 1},
)
class CTGAN(TrainedModel):
    """Trains a generator of rows against a discriminator that tells them from real ones.

    The ctgan package's algorithm and defaults, run faster (`synth.generators.neural.ctgan_network`). Source: Xu et al. 2019,
    "Modeling Tabular data using Conditional GAN".
    """

    class Params(TrainingParams):
        generator_lr: float = knob(
            2e-4, "Learning rate of the generator.", gt=0, le=0.1, tune=(5e-5, 1e-3), log=True, advanced=True
        )
        discriminator_lr: float = knob(
            2e-4, "Learning rate of the discriminator.", gt=0, le=0.1, tune=(5e-5, 1e-3), log=True, advanced=True
        )
        generator_decay: float = knob(1e-6, "Weight decay of the generator.", ge=0, le=1, advanced=True)
        discriminator_decay: float = knob(1e-6, "Weight decay of the discriminator.", ge=0, le=1, advanced=True)
        generator_layers: int = knob(2, "Hidden layers of the generator.", ge=1, le=10, advanced=True)
        generator_width: int = knob(
            256, "Width of the generator's layers.", ge=8, le=4_096, tune=[128, 256, 512], advanced=True
        )
        discriminator_layers: int = knob(2, "Hidden layers of the discriminator.", ge=1, le=10, advanced=True)
        discriminator_width: int = knob(
            256, "Width of the discriminator's layers.", ge=8, le=4_096, tune=[128, 256, 512], advanced=True
        )
        discriminator_steps: int = knob(
            1, "Steps of the discriminator for each one of the generator.", ge=1, le=20, tune=(1, 5), advanced=True
        )
        pac: int = knob(10, "Rows that the discriminator sees together.", ge=1, le=100, advanced=True)
        log_frequency: bool = knob(
            True, "Train rare levels more often than they occur, by the logarithm of their count.", advanced=True
        )

        @model_validator(mode="after")
        def _packs_fill_a_batch(self) -> Self:
            if self.batch_size % self.pac or self.batch_size % 2:
                raise Invalid(
                    f"batch_size must be even and a multiple of pac; {self.batch_size} is not one of {self.pac}."
                )
            return self

    def network(self, numbers: int, widths: list[int], device: torch.device) -> Network:
        from synth.generators.neural import ctgan_network

        return ctgan_network.Network(self.params, numbers, widths, device)
