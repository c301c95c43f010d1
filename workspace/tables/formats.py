"""The formats in which a table can be downloaded, and their media types."""

from typing import Literal

Format = Literal["csv", "parquet", "jsonl", "xlsx"]

FORMATS: dict[Format, str] = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
