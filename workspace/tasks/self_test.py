"""The self-test of the evaluation."""

from __future__ import annotations

from synth.atomic import write_atomic
from workspace.arguments import SelfTestArguments
from workspace.jobs.kinds import job
from workspace.tasks.stages import Work


@job("Self-test of the evaluation", SelfTestArguments, offered=False, place=70)
def self_test(work: Work, asked: SelfTestArguments) -> None:
    """Evaluate tables whose verdict is known, made of a run's real rows, and keep beside the run what came of it."""
    from metrics.selftest import self_test as tested
    from workspace.services.releases import CHECKS

    run = work.run
    checks = tested(work.workspace.runs.scored_tables(run), work.progress.stage("Self-test", 0.0, 1.0))
    write_atomic(work.workspace.files.run(run.id).self_test, CHECKS.dump_json(checks))
