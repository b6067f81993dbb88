"""``sweep``: run a declared sweep, resumably, on one or several ComfyUI servers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FAILED
from ..paths import OUTPUT
from ..sweep import file as sweep_file
from ..sweep.dask import run_on_dask
from ..sweep.file import Job, Sweep
from ..sweep.run import run_on_own_server, run_on_servers
from ..sweep.store import Store
from .options import enter, make_server


def add_command(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register ``sweep`` with the command line."""
    add = commands.add_parser(
        "sweep", parents=list(parents), help="run a declared sweep; started again, it goes on",
        epilog="Stopped or killed at any moment, the same command goes on where it was.",
    )  # fmt: skip
    add.add_argument("file", type=Path, metavar="FILE", help="sweep file, see evaluation/sweeps/")
    add.add_argument(
        "--server", action="append", default=[], metavar="URL",
        help="a ComfyUI that runs (may be repeated; default: start one)",
    )  # fmt: skip
    add.add_argument("--dask", metavar="ADDRESS", help="scheduler whose workers run the jobs")
    add.add_argument("--out", type=Path, metavar="DIR", help="folder of the results")
    add.add_argument("--limit", type=int, metavar="N", help="only the first N jobs")
    add.add_argument("--retry-failed", action="store_true", help="run failed jobs again")
    add.add_argument("--dry-run", action="store_true", help="list the jobs and end")
    add.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The command; exit code 1 if a job failed."""
    sweep = sweep_file.load(options.file)
    jobs = sweep_file.make_jobs(sweep)[: options.limit]
    if options.dry_run:
        list_jobs(jobs)
        return 0
    return work(Store(options.out or OUTPUT / "sweeps" / sweep.name), sweep, jobs, options)


def list_jobs(jobs: Sequence[Job]) -> None:
    """What ``--dry-run`` prints."""
    for job in jobs:
        print(job.key, *(f"{name}={label}" for name, label in job.labels.items()))
    print(f"{len(jobs)} jobs")


def work(store: Store, sweep: Sweep, jobs: Sequence[Job], options: argparse.Namespace) -> int:
    """Run what is not done yet, where the options say, and write the tables.

    Args:
        store: where results are and go.
        sweep: its columns.
        jobs: all of them.
        options: with ``server``, ``dask`` and ``retry_failed``.

    Returns:
        The exit code: 1 if a job failed.
    """
    if not options.server and not options.dask:
        found, code = enter(options)
        if code is not None:
            return code
        with store.locked():
            todo = _open(store, sweep, jobs, options)
            if todo:
                progress, total = options.progress, len(jobs)
                run_on_own_server(store, todo, total, lambda: make_server(found, options), progress)
            return _finish(store, sweep, jobs, options)
    with store.locked():
        todo = _open(store, sweep, jobs, options)
        if todo and options.dask:
            run_on_dask(store, todo, len(jobs), options.dask, options.progress)
        elif todo:
            run_on_servers(store, todo, len(jobs), options.server, options.progress)
        return _finish(store, sweep, jobs, options)


def _open(
    store: Store, sweep: Sweep, jobs: Sequence[Job], options: argparse.Namespace
) -> list[Job]:
    """The jobs that are not done."""
    store.open(sweep)
    if options.retry_failed:
        for job in jobs:
            store.forget_failure(job)
    todo = [job for job in jobs if store.result(job) is None]
    done = len(jobs) - len(todo)
    options.progress.line(
        f"{sweep.name}: {len(jobs)} jobs, {done} done already, {len(todo)} to do."
    )
    return todo


def _finish(store: Store, sweep: Sweep, jobs: Sequence[Job], options: argparse.Namespace) -> int:
    paths, problem = store.write_tables(sweep, jobs)
    failed = sum(1 for job in jobs if (result := store.result(job)) and result.error)
    print("Results:")
    for path in paths:
        print(f"  {path}")
    if problem:
        options.progress.line(problem)
    print(f"  {store.pictures} (pictures)")
    print(f"Page of them: python3 -m headless report {store.folder}")
    if failed:
        options.progress.line(
            f"{failed} of {len(jobs)} jobs failed; the column 'error' says why. Run them again "
            "with --retry-failed."
        )
    return FAILED if failed else 0
