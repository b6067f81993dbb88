"""Soak: hundreds of random jobs on one server, good, bad and interrupted, with the demo model.

    python3 -m headless run benchmarks/soak.py [--jobs 300] [--check 20]

Jobs differ in rule, regions, sizes, base ratio, layers, percent range, batch, sampler, steps and
guidance; between them models are unloaded, and patched and unpatched models take turns. Reported:
whether the server lived, how its resident memory went, and whether pictures equal those of the same
job alone on a server that has done nothing else.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
from PIL import Image
from soak_jobs import Graph, make_jobs

from headless import api
from headless.environment.choice import Environment
from headless.errors import HeadlessError
from headless.progress import Progress
from headless.server.start import Server

AHEAD = 6  # jobs in the server's queue at a time
PATIENCE_S = 120.0


class Run:
    """Feeds one server and keeps what came of each job."""

    def __init__(self, server: Server, jobs: list[tuple[str, Graph]]) -> None:
        self.server, self.jobs = server, jobs
        self.results: dict[int, dict[str, Any]] = {}
        self.memory: list[tuple[int, float]] = []  # (jobs done, resident MiB)
        self._process = psutil.Process(server.pid)
        self._rng = random.Random(1)

    def go(self, until: float) -> None:
        waiting: dict[str, int] = {}
        numbers = iter(range(len(self.jobs)))
        running_since: dict[str, float] = {}
        more = True
        while more or waiting:
            while more and len(waiting) < AHEAD:
                number = next(numbers, None)
                more = number is not None and time.monotonic() < until
                if number is None or not more:
                    break
                prompt_id = self._post(number)
                if prompt_id:
                    waiting[prompt_id] = number
            self._collect(waiting)
            self._interrupt(waiting, running_since)
            if not self.server.alive():
                return
            time.sleep(0.1)

    def _post(self, number: int) -> str | None:
        try:
            body = {"prompt": self.jobs[number][1]}
            answer = api.post_json(f"{self.server.url}/prompt", body, timeout_s=PATIENCE_S)
        except api.Refused as error:
            self._done(number, "refused", error.body[:300], [])
            return None
        if number % 20 == 19:
            self._free()
        return str(answer["prompt_id"])

    def _free(self) -> None:
        body = {"unload_models": True, "free_memory": True}
        api.post_json(f"{self.server.url}/free", body, timeout_s=PATIENCE_S)

    def _collect(self, waiting: dict[str, int]) -> None:
        for prompt_id, number in list(waiting.items())[:3]:
            entry = api.get_json(f"{self.server.url}/history/{prompt_id}", PATIENCE_S).get(
                prompt_id
            )
            if entry is None:
                continue
            del waiting[prompt_id]
            state, said = "done", ""
            for event, message in entry["status"]["messages"]:
                if event == "execution_error":
                    kind = message["exception_type"].rsplit(".", 1)[-1]
                    state, said = "error", f"{kind}: {message['exception_message'].strip()}"
                elif event == "execution_interrupted":
                    state = "interrupted"
            images = entry["outputs"].get("save", {}).get("images", [])
            self._done(number, state, said, [image["filename"] for image in images])

    def _done(self, number: int, state: str, said: str, files: list[str]) -> None:
        kind = self.jobs[number][0]
        self.results[number] = {"kind": kind, "state": state, "said": said, "files": files}
        if len(self.results) % 5 == 0:
            self.memory.append((len(self.results), self._process.memory_info().rss / 2**20))

    def _interrupt(self, waiting: dict[str, int], running_since: dict[str, float]) -> None:
        for item in api.get_json(f"{self.server.url}/queue", PATIENCE_S)["queue_running"]:
            number = waiting.get(item[1])
            if number is None or self.jobs[number][0] != "interrupted":
                continue
            since = running_since.setdefault(item[1], time.monotonic())
            if time.monotonic() - since > self._rng.random() * 1.5:
                body = {"prompt_id": item[1]}
                api.post_json(f"{self.server.url}/interrupt", body, timeout_s=PATIENCE_S)


def environment() -> Environment:
    """The ComfyUI that this script runs in."""
    return Environment(Path(os.environ["COMFYUI_PATH"]), Path(sys.executable), "soak", False)


def pixels(folder: Path, files: list[str]) -> list[np.ndarray]:
    return [np.asarray(Image.open(folder / name)) for name in files]


def slope(points: list[tuple[int, float]]) -> float:
    """Least squares, MiB per 100 jobs."""
    if len(points) < 3:
        return float("nan")
    fit = statistics.linear_regression([p[0] for p in points], [p[1] for p in points])
    return round(100 * fit.slope, 2)


def compare(run: Run, base: Path, n: int, progress: Progress) -> tuple[int, list[int]]:
    """Run good jobs again, each alone on a fresh server whose memory is emptied in between."""
    good = [i for i, r in run.results.items() if r["kind"] == "good" and r["files"]]
    chosen = sorted(random.Random(2).sample(good, min(n, len(good))))
    different = []
    with Server(environment(), progress, base=base / "alone", cpu=True) as server:
        for number in chosen:
            alone = Run(server, [run.jobs[number]])
            alone._free()
            time.sleep(1.2)  # the server empties its memory when it is idle
            alone.go(time.monotonic() + PATIENCE_S)
            first = pixels(base / "together" / "output", run.results[number]["files"])
            second = pixels(base / "alone" / "output", alone.results[0]["files"])
            same = len(first) == len(second) and all(map(np.array_equal, first, second))
            if not same:
                different.append(number)
    return len(chosen), different


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--check", type=int, default=20, help="good jobs to run again alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="queue no more after that")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    args = parser.parse_args()
    jobs = make_jobs(args.jobs, args.seed)
    quiet = Progress(io.StringIO())
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        base = Path(folder)
        started = time.monotonic()
        with Server(environment(), quiet, base=base / "together", cpu=True) as server:
            run = Run(server, jobs)
            try:
                run.go(started + 60 * args.minutes)
            except HeadlessError as error:
                print(f"error: {error}", file=sys.stderr)
            alive = server.alive()
        took = time.monotonic() - started
        checked, different = compare(run, base, args.check, quiet)
    counts: dict[str, int] = {}
    for result in run.results.values():
        name = result["kind"] if result["kind"] in ("good", "interrupted") else "bad"
        key = f"{name}: {result['state']}"
        counts[key] = counts.get(key, 0) + 1
    third = len(run.memory) // 3
    figures = {
        "jobs": len(run.results),
        "seconds": round(took, 1),
        "server_alive": alive,
        "counts": dict(sorted(counts.items())),
        "refused_good_jobs": sorted(
            {r["said"][:160] for r in run.results.values() if r["kind"] == "good" and r["said"]}
        ),
        "bad_jobs_said": {
            r["kind"]: r["said"][:160]
            for r in run.results.values()
            if r["kind"] not in ("good", "interrupted")
        },
        "rss_mib": [[n, round(mib)] for n, mib in run.memory[:: max(1, len(run.memory) // 12)]],
        "rss_slope_mib_per_100_jobs": slope(run.memory),
        "rss_slope_after_first_third": slope(run.memory[third:]),
        "checked_alone": checked,
        "different_alone": different,
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    bad_done = sum(n for key, n in counts.items() if key == "bad: done")
    return 0 if alive and not different and not bad_done else 1


if __name__ == "__main__":
    sys.exit(main())
