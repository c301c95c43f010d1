"""What a generator's model is: the contract that every module in `synth/generators` keeps.

A model learns columns of numbers, dates, categories and booleans, and draws rows of them. What else an analyst expects
of a generator (new ids, faked personal data, rules, conditions, exact row counts) is done around it by
`synth.synthesizer.Synthesizer`. To add one: a module with a class such as

    @generator("coin", title="Coin", summary="Tosses a coin for every cell.")
    class Coin(Model):
        ...

and a row in the README. `synth.checks.check_generator(Coin)` tells whether it does what is expected.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from synth.errors import Invalid
from synth.params import Params as BaseParams
from synth.registry import Registry
from synth.report import Report
from synth.schema import Schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BUSINESS_SOURCE = (
    "Business Source License 1.1: free to use inside your organisation; offering it to others as a synthetic-data "
    "service is not allowed until four years after each release."
)
"""The licence of sdv, ctgan, rdt and copulas."""


class Model(ABC):
    """Learns columns and draws rows that stand in for them.

    The constructor stores. `fit` sees a table of at least one row and one column that conforms to its schema; the other
    methods are called on a fitted model. Randomness comes from `seed` in `fit` and from `rng` elsewhere: the same seed
    gives the same rows.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    place: ClassVar[int]
    needs: ClassVar[tuple[str, ...]]
    needs_gpu: ClassVar[bool]
    stops_early: ClassVar[bool]
    completes: ClassVar[bool]
    private: ClassVar[bool]
    licence: ClassVar[str]
    slow: ClassVar[bool]
    _quick_params: ClassVar[Mapping[str, Any]]
    """Tags, set and explained by the decorator `generator`."""
    Params: ClassVar[type[BaseParams]] = BaseParams
    params: Any
    """Of the class's own `Params`."""

    def __init__(self, params: BaseParams | None = None, seed: int = 0):
        self.params = params if params is not None else self.Params()
        self.seed = seed

    @classmethod
    def available(cls) -> bool:
        """Whether the packages that it needs are installed."""
        return all(find_spec(package) is not None for package in cls.needs)

    @classmethod
    def quick(cls, **given: Any) -> BaseParams:
        """Parameters that train for a moment, for tests; `given` ones as they are."""
        return cls.Params.model_validate({**cls._quick_params, **given})

    # The hooks -------------------------------------------------------------------------------------------------

    @abstractmethod
    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        """Learn the columns of `table`. Raises Stopped when cancelled."""

    @abstractmethod
    def sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Draw exactly `rows` rows."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `load` needs into `folder`, which exists. No pickle: a model may come from elsewhere."""

    @abstractmethod
    def load(self, folder: Path, schema: Schema) -> None:
        """Read what `save` wrote; `schema` is that of the fitted table."""

    def complete(self, given: pd.DataFrame, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Draw rows to go with `given`, which holds some of the columns without missing values.

        Optional: for a model without it, trees fitted on its own rows complete (`synth.sampling.completion`).
        """
        raise NotImplementedError(f"{self.title} does not complete rows.")

    def knows(self, column: str, value: str) -> bool | None:
        """Whether the model ever draws `value` of a category column. Optional; None: draw some rows and see."""
        return None

    def epsilon_for(self, step: str, reads: str) -> float:
        """The share of its privacy budget that a step before the fit may spend; infinite: there is no budget.

        `reads` says in words what the step learns of the real rows. A private model refuses (Invalid, with the
        sentence) what it does not pay for; to pay, it overrides this.
        """
        if self.private:
            raise Invalid(
                f"{self.title} is differentially private and does not pay for {step}, which learns {reads} from the "
                "real rows as they are. Leave that step out, or choose a generator that is not private."
            )
        return math.inf

    # What a fit costs, for those who estimate it ---------------------------------------------------------------

    @classmethod
    def passes(cls, params: BaseParams, rows: int) -> float:
        """How often a fit goes over a table of `rows` rows, at most: what its time grows with."""
        return float(getattr(params, "epochs", 1))

    @classmethod
    def lasting(cls, passes: int, rows: int) -> BaseParams:
        """The parameters of a fit that goes over the table `passes` times, if it can, and is otherwise usual."""
        return cls.Params.model_validate({"epochs": passes} if "epochs" in cls.Params.model_fields else {})

    @classmethod
    def variant(cls, params: BaseParams) -> str:
        """Which of several models the parameters choose, where these cost very differently; empty: there is one."""
        return ""


GENERATORS: Registry[type[Model]] = Registry(
    "generator",
    "synth.generators",
    group="understudy.generators",
    place=lambda kind: kind.place,
    decorator="generator",
)
"""All generators by name, in the order in which they are offered."""

M = TypeVar("M", bound=Model)


def generator(
    name: str,
    *,
    title: str,
    summary: str,
    place: int = 1_000,
    needs: tuple[str, ...] = (),
    needs_gpu: bool = False,
    stops_early: bool = False,
    private: bool = False,
    licence: str = "",
    quick: Mapping[str, Any] | None = None,
    slow: bool = False,
) -> Callable[[type[M]], type[M]]:
    """Offer the model below as a generator.

    `name` is its name in the API and in saved runs, `title` as people write it, `summary` one sentence for the analyst
    who must choose, `place` where it stands in lists. `needs`: packages that a fit imports; the generator is offered
    only where they are installed. `needs_gpu`: useless without a graphics card. `stops_early`: a fit can be asked to
    stop and keep what is trained. `private`: fitted under differential privacy. `licence`: a restriction that its
    packages carry, in words. `quick`: parameters that train for a moment; `slow`: even those take minutes, so that its
    checks belong to the long tests. The tag `completes` follows from whether the model has a `complete` of its own.
    """

    def declare(kind: type[M]) -> type[M]:
        kind.name, kind.title, kind.summary, kind.place = name, title, summary, place
        kind.needs, kind.needs_gpu, kind.licence = needs, needs_gpu, licence
        kind.stops_early, kind.private, kind.slow = stops_early, private, slow
        kind.completes = kind.complete is not Model.complete
        kind._quick_params = dict(quick or {})
        GENERATORS.add(name, kind)
        return kind

    return declare
