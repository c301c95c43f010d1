"""Generators of synthetic tables. To add one: write `synth/x.py`, and name it in `GENERATORS`."""

from synth.constraints.discovery import suggest_rules
from synth.generators.base import Generator, Params, Report, Stopped, quiet
from synth.generators.bootstrap import Bootstrap
from synth.generators.copula.gaussian_copula import GaussianCopula
from synth.generators.language.great import GReaT
from synth.generators.neural.copulagan import CopulaGAN
from synth.generators.neural.ctgan import CTGAN
from synth.generators.neural.ganeraid import GANerAid
from synth.generators.neural.tvae import TVAE
from synth.generators.trees.trees import Trees
from synth.sampling.conditions import Conditions, Unmet
from synth.schema.schema import Column, Schema, conform

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
