"""Measurements: what stages of jobs took on machines like this one, for the estimates to come."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from synth import GENERATORS
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import MeasurementRow, Run
from workspace.jobs.estimate import CostModel, Measurement, Shape, machine, shipped, stage_cost
from workspace.jobs.kinds import KINDS
from workspace.settings import Settings

MOST_READ = 1000


class Measurements:
    """What was measured on this machine, in the catalog."""

    def __init__(self, catalog: Catalog, settings: Settings):
        self.catalog, self.settings = catalog, settings

    def find(self) -> list[Measurement]:
        """What jobs and calibrations took on machines like this one, the latest first."""
        here = machine(self.settings.threads_per_job)
        query = select(MeasurementRow).where(MeasurementRow.machine == here).order_by(MeasurementRow.id.desc())
        with self.catalog.session() as session:
            rows = session.scalars(query.limit(MOST_READ)).all()
        return [Measurement(row.stage, row.quantities, row.seconds, row.taken_mb, row.kept_mb) for row in rows]

    def cost_model(self) -> CostModel:
        """What work costs here, as far as is known."""
        return CostModel([*self.find(), *shipped()])

    def expected(self, kind_of_job: str, run: Run, shape: Shape, rows: int) -> dict[str, float]:
        """Seconds that each stage of a job on a run should take; fitting and drawing only for a known generator."""
        kind = GENERATORS.get(run.model)
        chosen = kind.Params.model_validate(run.params, extra="ignore") if kind is not None else None
        prices = self.cost_model()
        return {
            stage: stage_cost(prices, stage, kind, chosen, shape, rows)[0]
            for stage in KINDS[kind_of_job].stages
            if kind is not None or stage not in ("fit", "draw")
        }

    def keep(self, measured: Sequence[Measurement]) -> None:
        """Store what stages took."""
        here = machine(self.settings.threads_per_job)

        def add(session: Session) -> None:
            for one in measured:
                row = MeasurementRow(machine=here, stage=one.stage, quantities=one.quantities)
                row.seconds, row.taken_mb, row.kept_mb = one.seconds, one.taken_mb, one.kept_mb
                session.add(row)

        self.catalog.lasting(add)
