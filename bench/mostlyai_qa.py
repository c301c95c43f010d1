"""mostlyai-qa's report on the tables in a folder; prints its figures and what they cost as JSON.

    PYTHON bench/mostlyai_qa.py FOLDER

PYTHON belongs to an environment that has mostlyai-qa, whose packages clash with ours, so that nothing of ours is
imported here. FOLDER holds train.parquet, holdout.parquet and synthetic.parquet.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path


def clock() -> tuple[float, float]:
    """Time passed, and CPU seconds of this process and those it started and waited for."""
    return time.perf_counter(), sum(os.times()[:4])


def peak_mb() -> float:
    """The most memory any one of these processes held; what they hold at the same time adds up to more."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def main(folder: Path) -> None:
    started = clock()
    import pandas as pd
    from mostlyai import qa

    train, holdout, synthetic = (
        pd.read_parquet(folder / f"{side}.parquet") for side in ("train", "holdout", "synthetic")
    )

    def judged(rows: int | None) -> dict:
        sides = {"trn_tgt_data": train, "hol_tgt_data": holdout, "syn_tgt_data": synthetic}
        cut = {name: table.head(rows) for name, table in sides.items()}
        _, found = qa.report(**cut, report_path=folder / "mostlyai-qa.html")
        return found.model_dump(exclude_none=True)

    # On a few rows first: what is loaded when it is first used is told with the imports.
    judged(200)
    ready = clock()
    figures = judged(None)
    done = clock()
    costs = {"imports_s": ready[1] - started[1], "wall_s": done[0] - ready[0], "cpu_s": done[1] - ready[1]}
    print(json.dumps({**costs, "peak_mb": peak_mb(), "figures": figures}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
