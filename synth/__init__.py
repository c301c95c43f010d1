"""Generators of synthetic tables. To add one: write `synth/x.py`, and name it in `GENERATORS`."""

from synth.base import Generator, Params, Report, Stopped, quiet
from synth.bootstrap import Bootstrap
from synth.constraints.discovery import suggest_rules
from synth.copulagan import CopulaGAN
from synth.ctgan import CTGAN
from synth.ganeraid import GANerAid
from synth.gaussian_copula import GaussianCopula
from synth.great import GReaT
from synth.sampling.conditions import Conditions, Unmet
from synth.schema.schema import Column, Schema, conform
from synth.trees import Trees
from synth.tvae import TVAE

GENERATORS: dict[str, type[Generator]] = {
    generator.name: generator
    for generator in (Trees, Bootstrap, GaussianCopula, CTGAN, TVAE, CopulaGAN, GANerAid, GReaT)
}

__all__ = [
    "GENERATORS",
    "Column",
    "Conditions",
    "Generator",
    "Params",
    "Report",
    "Schema",
    "Stopped",
    "Unmet",
    "conform",
    "quiet",
    "suggest_rules",
]
