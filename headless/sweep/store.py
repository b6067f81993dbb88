"""The folder of a sweep: one file per finished job, written at once or not at all.

DIR/sweep.json          what was declared, and the run's own id
DIR/jobs/KEY.json       result of a finished job
DIR/jobs/KEY.claim      server that an unfinished job was given to
DIR/pictures/KEY_*.png  its pictures
DIR/results.csv         the table: one line per job, in the order of the sweep
DIR/timings.csv         where and how long each job ran
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RunError, UsageError
from ..saving import remove_leftovers, write_atomically
from .file import PICTURE_COLUMN, Job, Sweep


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a finished job gave.

    Attributes:
        key: of the job.
        values: collected columns.
        pictures: file name -> title of the node that made it.
        error: why it failed, "" if it did not.
        server: address.
        seconds: from queueing to the end.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    server: str = ""
    seconds: float = 0.0


class Store:
    """Results of one sweep in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs, self.pictures = folder / "jobs", folder / "pictures"
        self.run_id = ""

    def open(self, sweep: Sweep) -> None:
        """Make the folder, or take up the sweep that lies in it.

        Raises:
            UsageError: it holds another sweep.
        """
        with self._writing():
            self.jobs.mkdir(parents=True, exist_ok=True)
            self.pictures.mkdir(exist_ok=True)
        remove_leftovers(self.folder)
        for claim in self.jobs.glob("*.claim"):
            if claim.with_suffix(".json").is_file():  # killed between the result and this
                claim.unlink(missing_ok=True)
        about = self.about() if (self.folder / "sweep.json").is_file() else {}
        if about and about["name"] != sweep.name:
            raise UsageError(
                f"{self.folder} holds the sweep {about['name']!r}, not {sweep.name!r}; give "
                "another folder with --out."
            )
        self.run_id = about.get("run_id") or uuid.uuid4().hex
        declared = {
            "name": sweep.name,
            "title": sweep.title,
            "about": sweep.about,
            "axes": [
                {"name": a.name, "title": a.title, "labels": [p.label for p in a.points]}
                for a in sweep.axes
            ],
            "collect": list(sweep.collect),
            "plots": list(sweep.plots),
            "run_id": self.run_id,
        }
        with self._writing():
            write_atomically(self.folder / "sweep.json", _json(declared))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in a sentence what a full disk, or one that may not be written to, means here.

        Raises:
            RunError: instead of the system's error.
        """
        try:
            yield
        except OSError as error:
            what = f" ({error.filename})" if error.filename else ""
            raise RunError(
                f"The sweep's folder {self.folder} could not be written: "
                f"{error.strerror or error}{what}. Every job that was done before is kept. Free "
                "some space, or move the folder and name it with --out, and start the same "
                "command again: it goes on where it was."
            ) from error

    def about(self) -> dict[str, Any]:
        """What ``sweep.json`` says.

        Raises:
            UsageError: the folder holds no sweep.
        """
        try:
            return json.loads((self.folder / "sweep.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(
                f"{self.folder} holds no sweep (no sweep.json in it); give a folder that "
                "'python3 -m headless sweep' made."
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second sweep out of the folder; the lock ends with the process.

        Raises:
            UsageError: another process works in it.
        """
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a+b")
        with lock as file:
            try:
                _lock(file.fileno())
            except OSError as error:
                raise UsageError(
                    f"Another sweep is at work in {self.folder}; wait for it or give another "
                    "folder with --out."
                ) from error
            yield

    def prompt_id(self, job: Job) -> str:
        """The id under which a job is queued: a server that has it already is not asked twice."""
        failures = len(list(self.jobs.glob(f"{job.key}.failed-*")))
        return str(uuid.uuid5(uuid.UUID(self.run_id), f"{job.key} {failures}"))

    def forget_failure(self, job: Job) -> None:
        """Put a failed job's result aside, so that it runs again."""
        result = self.result(job)
        if result is not None and result.error:
            failures = len(list(self.jobs.glob(f"{job.key}.failed-*")))
            os.replace(
                self.jobs / f"{job.key}.json", self.jobs / f"{job.key}.failed-{failures + 1}"
            )

    def result(self, job: Job) -> JobResult | None:
        path = self.jobs / f"{job.key}.json"
        if not path.is_file():
            return None
        return JobResult(**json.loads(path.read_text(encoding="utf-8")))

    def claim(self, job: Job, server: str) -> None:
        """Note which server a job is given to, before it gets it."""
        with self._writing():
            write_atomically(self.jobs / f"{job.key}.claim", server.encode())

    def claimed_by(self, job: Job) -> str | None:
        path = self.jobs / f"{job.key}.claim"
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def save(self, result: JobResult, pictures: Mapping[str, bytes]) -> None:
        """Keep a finished job: its pictures first, then the file that says that it is done."""
        with self._writing():
            for name, data in pictures.items():
                write_atomically(self.pictures / name, data)
            write_atomically(self.jobs / f"{result.key}.json", _json(asdict(result)))
        (self.jobs / f"{result.key}.claim").unlink(missing_ok=True)

    def write_tables(self, sweep: Sweep, jobs: Sequence[Job]) -> tuple[list[Path], str]:
        """Write the tables of all finished jobs; return the files and what is missing for Parquet.

        Results do not say when or where a job ran, so a resumed sweep gives the very same table.
        """
        rows, timings = [], []
        for job in jobs:
            result = self.result(job)
            if result is None:
                continue
            pictures = {f"{PICTURE_COLUMN}{title}": name for name, title in result.pictures.items()}
            row = {"job": job.key, **job.labels, **result.values, **pictures}
            rows.append({**row, "error": result.error})
            timings.append({"job": job.key, "server": result.server, "seconds": result.seconds})
        fixed = ["job", *(axis.name for axis in sweep.axes), *sweep.collect]
        shown = list(dict.fromkeys(name for row in rows for name in row if name not in fixed))
        columns = [*fixed, *(c for c in shown if c != "error"), "error"]
        paths = [self.folder / "results.csv", self.folder / "timings.csv"]
        with self._writing():
            write_atomically(paths[0], _csv(columns, rows))
            write_atomically(paths[1], _csv(["job", "server", "seconds"], timings))
            parquet, problem = _write_parquet(self.folder / "results.parquet", columns, rows)
        return [*paths, *parquet], problem


def picture_name(job: Job, title: str, index: int, suffix: str) -> str:
    """A picture's file name: the job, the node's title, and its place in the batch."""
    return f"{job.key}_{re.sub(r'[^A-Za-z0-9]+', '-', title).strip('-')}_{index}{suffix}"


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    # A lone carriage return is quoted by the newest Pythons only, and would end the line when read.
    has_return = any("\r" in str(value) for row in rows for value in row.values())
    quoting = csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_parquet(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[list[Path], str]:
    try:
        import pandas
        import pyarrow  # noqa: F401 - what pandas writes Parquet with
    except ImportError as error:
        return [], (
            f"no Parquet file: {error.name} is not installed ({sys.executable} -m pip install "
            "pandas pyarrow)"
        )
    frame: Any = pandas.DataFrame(list(rows), columns=list(columns))
    for name in [name for name, kind in frame.dtypes.items() if kind.name == "object"]:
        # A Parquet column has one type, and no whole numbers of more than 64 bits.
        known = frame[name].notna()
        if {type(value) for value in frame[name][known]} not in ({str}, {bool}):
            frame[name] = frame[name].astype(str).where(known, None)
    data = io.BytesIO()
    frame.to_parquet(data, index=False)
    write_atomically(path, data.getvalue())
    return [path], ""


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
