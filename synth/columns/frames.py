"""Tables below each other, their categories united."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import union_categoricals


def stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """`frames` of the same columns below each other; pandas alone would make objects of differing categories."""
    if len(frames) == 1:
        return frames[0]
    return pd.DataFrame(
        {
            name: union_categoricals([frame[name] for frame in frames], sort_categories=True)
            if isinstance(frames[0][name].dtype, pd.CategoricalDtype)
            else pd.concat([frame[name] for frame in frames], ignore_index=True)
            for name in frames[0].columns
        }
    )
