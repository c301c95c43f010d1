"""Kill a server at random moments while it takes in real rows, and look where these rows must not be.

    python -m bench.leftovers [--rounds 20]

Each round starts a server, sends it a file of canary rows (Latin-1, gzip, JSON, Excel, plain) or trains on them, and
kills it, with its readers and workers or without, as `kill -9` does. No file outside the workspace may then hold a
canary row: not the system's folder for temporary files, not the home folder, not the current one, not shared memory. A last server is
started, everything is deleted through the API, and no file of the workspace may hold one either.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import httpx
import psutil

ROOT = Path(__file__).parent.parent
CANARY = f"Canary{token_hex(8)}"
ROWS = 400_000
UVICORN = ("uvicorn", "app:app", "--log-level=critical")
START_S, SETTLED_S = 120.0, 20.0


class Server:
    """The whole app in a process of its own, whose system folders lie in `folder`."""

    def __init__(self, folder: Path, *command: str):
        """`command` starts it without its port; unset: uvicorn."""
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.api = f"http://127.0.0.1:{port}/api"
        outside = {"TMPDIR": folder / "tmp", "HOME": folder / "home", "UNDERSTUDY_WORKSPACE": folder / "workspace"}
        for place in outside.values():
            place.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *(command or UVICORN), f"--{'server.' * ('streamlit' in command)}port={port}"],
            cwd=ROOT,
            env=os.environ | {name: str(place) for name, place in outside.items()} | {"UNDERSTUDY_CALIBRATE": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with suppress(httpx.HTTPError):
                httpx.get(self.api + "/health", timeout=5).raise_for_status()
                return
            time.sleep(0.1)
        raise RuntimeError("The server did not start.")

    def kill(self, *, whole: bool) -> None:
        """End it as kill -9 does, `whole` with all it started."""
        process = psutil.Process(self.process.pid)
        for one in [process, *(process.children(recursive=True) if whole else ())]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()


def files_of_canaries(folder: Path, rows: int = ROWS) -> list[Path]:
    """The same rows in several formats."""
    lines = ["name,city,n", *(f"{CANARY} {i},Málaga,{i}" for i in range(rows))]
    text = "\n".join(lines) + "\n"
    latin, packed, plain, objects = (folder / name for name in ("latin.csv", "packed.csv.gz", "plain.csv", "rows.json"))
    latin.write_bytes(text.encode("latin-1"))
    packed.write_bytes(gzip.compress(text.encode("latin-1"), 1))
    # A quote in the wrong place: every line is read with care.
    plain.write_text(text.replace("Málaga,7", 'M"laga,7'), encoding="utf-8")
    objects.write_text(json.dumps([{"name": f"{CANARY} {i}", "n": i} for i in range(rows)]), encoding="utf-8")
    return [latin, packed, plain, objects]


def holding(canary: str, *places: Path) -> list[Path]:
    """The files in these folders that hold the canary in clear."""
    found = []
    for place in places:
        for file in sorted(place.rglob("*")):
            # A file may go while it is looked for, and some are no files to read.
            with suppress(OSError):
                if file.is_file() and not file.is_symlink() and _holds(file, canary.encode()):
                    found.append(file)
    return found


def _holds(file: Path, wanted: bytes) -> bool:
    tail = b""
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            if wanted in tail + chunk:
                return True
            tail = chunk[-len(wanted) :]
    return False


def killed_once(folder: Path, file: Path, rng: random.Random) -> list[Path]:
    """Kill a server at a random moment after a file was sent to it; the files outside its workspace that hold rows."""
    server = Server(folder)
    before = set((folder / "workspace" / "tmp").iterdir())
    sending = threading.Thread(target=_send, args=(server.api, file, rng.random() < 0.3), daemon=True)
    sending.start()
    end = time.monotonic() + SETTLED_S
    while set((folder / "workspace" / "tmp").iterdir()) <= before and time.monotonic() < end:
        time.sleep(0.01)
    # The file has come, and is being read, described, split, listed or trained on.
    time.sleep(rng.uniform(0.0, 2.5))
    server.kill(whole=rng.random() < 0.5)
    sending.join()
    time.sleep(0.5)
    return holding(CANARY, *_outside(folder))


def _send(api: str, file: Path, train: bool) -> None:
    # The server is killed meanwhile.
    with suppress(httpx.HTTPError), file.open("rb") as content:
        if train:
            httpx.post(api + "/train", files={"file": (file.name, content)}, data={"model": "trees"}, timeout=60)
        else:
            httpx.post(api + "/datasets", files={"files": (file.name, content)}, timeout=60)


def _outside(folder: Path) -> list[Path]:
    shared = [Path("/dev/shm")] if Path("/dev/shm").is_dir() else []
    return [folder / "tmp", folder / "home", *shared]


def left_after_delete(folder: Path) -> list[Path]:
    """Start again, delete all through the API; the files anywhere that still hold rows."""
    server = Server(folder)
    try:
        for dataset in httpx.get(server.api + "/datasets", params={"limit": 1000}, timeout=60).json():
            httpx.delete(f"{server.api}/datasets/{dataset['id']}", timeout=60).raise_for_status()
        end = time.monotonic() + SETTLED_S
        while (found := holding(CANARY, folder / "workspace", *_outside(folder))) and time.monotonic() < end:
            time.sleep(0.5)
        return found
    finally:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def measured(rounds: int, seed: int = 0) -> dict[str, int]:
    """How many of so many kills left rows outside the workspace, and how many files held some after a delete."""
    rng = random.Random(seed)
    with _place() as place:
        sent, served = place / "sent", place / "served"
        sent.mkdir()
        served.mkdir()
        files = files_of_canaries(sent)
        left = sum(bool(killed_once(served, rng.choice(files), rng)) for _ in range(rounds))
        return {"kills": rounds, "with rows outside": left, "files after delete": len(left_after_delete(served))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    for name, count in measured(parser.parse_args().rounds).items():
        print(f"{name:20}{count:6}")


if __name__ == "__main__":
    main()
