"""GANerAid: a generative adversarial network that draws several rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from synth.errors import Invalid
from synth.generators.base import generator
from synth.generators.neural.trainer import Network, TrainedModel, TrainingParams
from synth.params import knob

if TYPE_CHECKING:
    import torch


@generator(
    "ganeraid",
    title="GANerAid",
    summary="An adversarial network that draws rows in blocks. Made for small clinical tables; needs many epochs.",
    place=70,
    needs=("torch",),
    stops_early=True,
    quick={"epochs": 1},
    slow=True,
)
class GANerAid(TrainedModel):
    """An LSTM draws a block of rows from noise, and a discriminator tells these from blocks of real ones.

    Seeing many rows together, the discriminator sees their distribution and not only whether a row is possible. The method
    of the GANerAid package 1.8, written anew: the package pins nothing but pulls in matplotlib, seaborn and
    tab-gan-metrics, knows neither categories nor missing values nor seeds, and saves the real table with its
    model. Rows are coded as for CTGAN (`synth.generators.neural.mode_encoder`), categories one-hot as the package's users do.
    Source: Krenmayr et al. 2022, "GANerAid: Realistic synthetic patient data for clinical trials".
    """

    class Params(TrainingParams):
        epochs: int = knob(1000, "Passes over the table, at most.", ge=1, le=20_000, tune=(200, 2_000))
        batch_size: int = knob(
            100,
            "Blocks of rows per training step; fewer where the table has not enough for four steps.",
            ge=1,
            le=10_000,
            tune=[25, 50, 100],
            advanced=True,
        )
        embedding_dim: int = knob(
            5, "Random numbers per column that a block of rows is made from.", ge=1, le=128, tune=(2, 10), advanced=True
        )
        patience: int = knob(
            200,
            "Stop when the quality has not risen for this many epochs, and keep the best; 0: train all epochs.",
            title="Early-stopping patience",
            ge=0,
            le=20_000,
        )
        max_modes: int = knob(
            5, "Normal distributions fitted to a column of numbers, at most.", ge=1, le=50, advanced=True
        )
        max_levels: int = knob(
            100,
            "Codes per category column, at most. Where there are more levels, rare ones share codes, and which of "
            "them a row gets is drawn by frequency.",
            ge=2,
            le=5_000,
            advanced=True,
        )
        rows_per_block: int = knob(
            25,
            "Rows in a block: drawn together, and seen together by the discriminator.",
            ge=1,
            le=500,
            tune=(5, 50),
            advanced=True,
        )
        hidden: int = knob(200, "Width of the LSTM; a multiple of the rows per block.", ge=1, le=5_000, advanced=True)
        judge_width: int = knob(512, "Width of the discriminator's layers, at most.", ge=8, le=8_192, advanced=True)
        learning_rate: float = knob(
            5e-4, "Learning rate of both networks.", gt=0, le=0.1, tune=(1e-4, 2e-3), log=True, advanced=True
        )
        noise: float = knob(
            0.2,
            "How far real categories are blurred, so that the discriminator cannot go by their roundness.",
            ge=0,
            le=0.9,
            advanced=True,
        )

        @model_validator(mode="after")
        def _rows_share_the_lstm(self) -> Self:
            if self.hidden % self.rows_per_block:
                raise Invalid(
                    f"hidden must be a multiple of rows_per_block; {self.hidden} is not one of {self.rows_per_block}."
                )
            return self

    def network(self, numbers: int, widths: list[int], device: torch.device) -> Network:
        from synth.generators.neural import ganeraid_network

        return ganeraid_network.Network(self.params, numbers, widths, device)
