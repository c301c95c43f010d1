"""How much of badly written CSV files is read right: the Pollock benchmark's score for a folder of files.

    python -m bench.robust FOLDER        FOLDER holds csv/, clean/ and, for reference, parameters/

Each file of csv/ is read as an upload is, with nothing told, and compared with the file of the same name in clean/.
Ten numbers each: success, then precision, recall and F1 of header, records and cells as multisets; their means over
the files, summed, are the score. After Vitagliano et al. 2023, "Pollock: A Data Loading Benchmark".
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workspace.ingest.ingest import ReadError, texts_of

MEASURES = ("success", *(f"{what} {how}" for what in ("header", "record", "cell") for how in ("P", "R", "F1")))


def scores(folder: Path, name: str) -> list[float]:
    """The ten numbers of one file."""
    with (folder / "clean" / name).open(encoding="utf-8", newline="") as file:
        expected = list(csv.reader(file))
    names = expected.pop(0) if expected and _has_header(folder, name) else []
    try:
        texts = texts_of(folder / "csv" / name, name)
    except ReadError:
        return [0.0] * len(MEASURES)
    rows = list(zip(*(column.to_pylist() for column in texts.columns.columns), strict=True))
    return [
        1.0,
        *compare(names, texts.names),
        *compare(map(_record, expected), map(_record, rows)),
        *compare((cell for row in expected for cell in row), (cell for row in rows for cell in row)),
    ]


def _has_header(folder: Path, name: str) -> bool:
    """Whether the clean file begins with a header; a folder without parameters holds none that does not."""
    told = folder / "parameters" / f"{name}_parameters.json"
    return not told.exists() or json.loads(told.read_text(encoding="utf-8"))["header_lines"] > 0


def _record(row: Iterable[str]) -> str:
    return "".join(cell or "null" for cell in row)


def compare(expected: Iterable[str], found: Iterable[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of what was found, as multisets; all 1 where nothing was expected, as in Pollock.

    Texts are compared as they stand, which is stricter than Pollock, where 1.0 equals 1.
    """
    expected, found = Counter(expected), Counter(found)
    common = (expected & found).total()
    if not expected:
        return 1.0, 1.0, 1.0
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / found.total(), common / expected.total()
    return precision, recall, 2 * precision * recall / (precision + recall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds csv/, clean/ and parameters/")
    folder = parser.parse_args().folder
    names = sorted(file.name for file in (folder / "csv").iterdir())
    measured = {name: scores(folder, name) for name in names}
    for name, numbers in measured.items():
        short = [f"{what} {value:.3f}" for what, value in zip(MEASURES, numbers, strict=True) if value < 1]
        print(f"{sum(numbers):7.4f}  {name}  {', '.join(short)}")
    total = sum(sum(numbers) for numbers in measured.values()) / max(len(names), 1)
    print(f"score {total:.3f} of 10 over {len(names)} files")


if __name__ == "__main__":
    main()
