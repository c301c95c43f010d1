"""Generators of synthetic tables, one a module."""

from synth.generators.base import Generator
from synth.generators.bootstrap import Bootstrap
from synth.generators.copula.gaussian_copula import GaussianCopula
from synth.generators.language.great import GReaT
from synth.generators.neural.copulagan import CopulaGAN
from synth.generators.neural.ctgan import CTGAN
from synth.generators.neural.ganeraid import GANerAid
from synth.generators.neural.tvae import TVAE
from synth.generators.trees.trees import Trees

GENERATORS: dict[str, type[Generator]] = {
    generator.name: generator
    for generator in (Trees, Bootstrap, GaussianCopula, CTGAN, TVAE, CopulaGAN, GANerAid, GReaT)
}
