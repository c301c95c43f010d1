"""What calls take in their paths, described once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

DatasetId = Annotated[str, Path(description="Names the table.", examples=["cf5d245d1c27f9b9"])]
RunId = Annotated[str, Path(description="Names the run.", examples=["8a1f0c2b9d3e4f56"])]
JobId = Annotated[str, Path(description="Names the job.", examples=["0f1e2d3c4b5a6978"])]
BatchId = Annotated[str, Path(description="Names the batch.", examples=["5b1e7c9a3d2f4860"])]
SetId = Annotated[str, Path(description="Names the conversation set.", examples=["2d3c4b5a69780f1e"])]
KeyId = Annotated[str, Path(description="Names the key.", examples=["3d2f48605b1e7c9a"])]
