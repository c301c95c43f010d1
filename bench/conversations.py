"""What writing a dialogue costs us beside the model's own time: CPU and memory against a scripted server.

    python -m bench.conversations --dialogues 2000 --at-once 64 --latency-ms 50

The server answers at once but for its latency, in a process of its own; CPU and memory are those of the writer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from synth.conversations import Brief, Server, write


def serve(latency_s: float, ready) -> None:
    from tests.chat_server import ChatServer

    with ChatServer(latency_s=latency_s).running() as url:
        ready.put(url)
        time.sleep(3600)


def measure(url: str, dialogues: int, at_once: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of writing the set, and the process's peak memory in MB after it."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.monotonic(), time.process_time()
        server = Server(base_url=url, model="scripted", at_once=at_once)
        outcome = write(Brief(dialogues=dialogues), [], server, Path(folder) / "set.jsonl")
        if outcome.written != dialogues:
            raise SystemExit(f"only {outcome.written} of {dialogues} were written: {outcome.stopped}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return time.monotonic() - wall, time.process_time() - cpu, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=50)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=serve, args=(options.latency_ms / 1000, ready), daemon=True)
    process.start()
    url = ready.get()
    try:
        # The first, small set pays for imports and connections.
        _, _, before = measure(url, 100, options.at_once)
        wall, cpu, after = measure(url, options.dialogues, options.at_once)
    finally:
        process.terminate()
    print(f"{options.dialogues} dialogues, {options.at_once} at once, {options.latency_ms:g} ms latency")
    print(f"wall {wall:.1f} s, CPU {1000 * cpu / options.dialogues:.2f} ms a dialogue")
    print(f"peak memory {before:.0f} MB after 100 dialogues, {after:.0f} MB after {options.dialogues} more")


if __name__ == "__main__":
    main()
