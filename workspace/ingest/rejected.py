"""Lines of a file that are no rows. A file of its own, since the catalog keeps them and reads no files."""

from pydantic import BaseModel, Field


class Rejected(BaseModel):
    """A line that could not be read as a row."""

    line: int = Field(description="Its number in the file, from 1.")
    reason: str
