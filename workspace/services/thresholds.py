"""Thresholds: what the scores of a dataset's synthetic tables must meet before one is released."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from metrics import METRICS, THRESHOLDS, Threshold
from synth.atomic import write_atomic
from synth.errors import Invalid
from workspace.services.datasets import Datasets
from workspace.storage.damage import read_whole
from workspace.storage.files import Files

_THRESHOLDS = TypeAdapter(list[Threshold])


class Thresholds:
    """The thresholds of each dataset: those its owner chose, or the recommended ones."""

    def __init__(self, files: Files, datasets: Datasets):
        self.files, self.datasets = files, datasets

    def of(self, dataset_id: str) -> list[Threshold]:
        """What a synthetic table of this dataset must meet. Thresholds of metrics that are absent now are left out."""
        file = self.files.dataset(self.datasets.get(dataset_id).id).thresholds
        with read_whole("The thresholds of this table"):
            chosen = _THRESHOLDS.validate_json(file.read_bytes(), extra="ignore") if file.is_file() else THRESHOLDS
        return [threshold for threshold in chosen if threshold.metric in METRICS]

    def set(self, dataset_id: str, thresholds: Sequence[Threshold] | None) -> None:
        """Keep the owner's thresholds; None: the recommended ones again. Raises Invalid for an unknown metric."""
        if unknown := {threshold.metric for threshold in thresholds or ()} - METRICS.keys():
            raise Invalid(f"There is no metric {', '.join(sorted(unknown))}. There are {', '.join(METRICS)}.")
        chosen = list(THRESHOLDS if thresholds is None else thresholds)
        write_atomic(self.files.dataset(self.datasets.get(dataset_id).id).thresholds, _THRESHOLDS.dump_json(chosen))
