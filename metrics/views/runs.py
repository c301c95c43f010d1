"""Which of several runs nobody should choose, because another one is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CRITERIA = {"fidelity": 1, "privacy": 1, "seconds": -1}
"""What counts in a run, and whether more of it is good."""


def runs_view(runs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The runs, each with `front`: no other run has at least its fidelity and privacy, and more of one of them.

    A run has `id`, `name`, `model`, `fidelity`, `privacy`, `utility` (0 to 1, or None) and `seconds` (or None).
    Keys: `runs` [{..., front, worthwhile}]; `worthwhile` is the same with the cost as a third criterion.
    """
    runs = [dict(run) for run in runs]
    for run in runs:
        judged = run["fidelity"] is not None and run["privacy"] is not None
        run["front"] = judged and not any(_better(other, run, ("fidelity", "privacy")) for other in runs)
        run["worthwhile"] = judged and not any(_better(other, run, tuple(CRITERIA)) for other in runs)
    return {"runs": runs}


def _better(one: Mapping[str, Any], other: Mapping[str, Any], criteria: tuple[str, ...]) -> bool:
    """Whether `one` is at least as good as `other` in all criteria known of both, and better in one of them."""
    gains = []
    for name in criteria:
        if one[name] is None or other[name] is None:
            if name != "seconds":
                return False
            continue
        gains.append(CRITERIA[name] * (one[name] - other[name]))
    return min(gains) >= 0 and max(gains) > 0
