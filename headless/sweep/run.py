"""Work through the jobs of a sweep on one or several ComfyUI servers."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..errors import RunError, ServerError
from ..progress import Progress, human_seconds
from ..server.start import Server
from .file import Job
from .job import Pictures, Runner, ServerLost
from .store import JobResult, Store

# Jobs that each server holds: while one runs the next waits, so that the server never idles.
_PER_SERVER = 2
# If that many jobs failed and none succeeded, the fault is common to all.
_HOPELESS = 3
# How often in a row a server of this program's own may die before a job is done on it.
_DEATHS = 3

_Outcome = tuple[Job, JobResult, Pictures] | BaseException


class _Share:
    """Gives each job to one server; a job that a server was given before goes to that one."""

    def __init__(self, store: Store, jobs: Sequence[Job], urls: Sequence[str]) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._left = len(jobs)
        self._ended = False
        self._free: deque[Job] = deque()
        self._claimed: dict[str, deque[Job]] = {url: deque() for url in urls}
        for job in jobs:
            owner = store.claimed_by(job)
            self._claimed.get(owner or "", self._free).append(job)

    def take(self, url: str) -> Job | None:
        """The next job for a server, claimed on disk before it is queued; None if all are done.

        While others still work it waits: what they have may come back if their server is lost.
        """
        with self._changed:
            while self._left and not self._ended:
                if self._claimed[url]:
                    return self._claimed[url].popleft()
                if self._free:
                    job = self._free.popleft()
                    self._store.claim(job, url)
                    return job
                self._changed.wait()
        return None

    def finished(self) -> None:
        """A job is done."""
        with self._changed:
            self._left -= 1
            self._changed.notify_all()

    def end(self) -> None:
        """No job is taken any more, and none is just being claimed: the process may end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def give_back(self, url: str, job: Job) -> None:
        """A server is lost: what it had goes to the others."""
        with self._changed:
            self._free.appendleft(job)
            self._free.extendleft(self._claimed[url])
            self._claimed[url].clear()
            self._changed.notify_all()


def run_on_own_server(
    store: Store,
    jobs: Sequence[Job],
    total: int,
    make: Callable[[], Server],
    progress: Progress,
) -> None:
    """Run jobs on a server that is started for them, and again where it dies in between.

    Args:
        store: where results go.
        jobs: those that are not done.
        total: of the whole sweep, for the bar.
        make: gives a server that is not started yet.
        progress: where to show the steps.

    Raises:
        ServerError: it dies again and again without finishing a job.
        RunError: as ``run_on_servers``.
    """
    deaths = 0
    while True:
        with make() as server:
            try:
                return run_on_servers(store, jobs, total, [server.url], progress, server.alive)
            except RunError:
                if server.alive():
                    raise
            end_of_log = server.log_tail()
        left = [job for job in jobs if store.result(job) is None]
        deaths = deaths + 1 if len(left) == len(jobs) else 1
        jobs = left
        suspects = " and ".join(job.key for job in left[:_PER_SERVER])
        if deaths == _DEATHS:
            raise ServerError(
                f"The server has died {deaths} times in a row before it finished a job, with the "
                f"jobs {suspects} on it. Does their size fit the memory? Nothing that is done is "
                "lost; start the same command again to go on. The end of the server's log:\n"
                f"{end_of_log}"
            )
        progress.clear()
        progress.line(
            f"warning: The server died with the jobs {suspects} on it. Starting it again, "
            f"{len(left)} jobs to do."
        )


def run_on_servers(
    store: Store,
    jobs: Sequence[Job],
    total: int,
    urls: Sequence[str],
    progress: Progress,
    alive: Callable[[], bool] | None = None,
) -> None:
    """Run jobs on all servers at once and keep each result as it comes.

    Args:
        store: where results go.
        jobs: those that are not done.
        total: of the whole sweep, for the bar.
        urls: addresses of the servers.
        progress: where to show the steps.
        alive: tells whether a server that this program started still runs.

    Raises:
        RunError: all servers are lost, or one lacks what the workflow needs.
    """
    runners = [Runner(url, progress, alive) for url in urls for _ in range(_PER_SERVER)]
    share = _Share(store, jobs, [runner.url for runner in runners])
    outcomes: queue.Queue[_Outcome] = queue.Queue()

    def work(runner: Runner) -> None:
        job = None
        try:
            while (job := share.take(runner.url)) is not None:
                outcome = (job, *runner.run(job, store.prompt_id(job)))
                share.finished()
                outcomes.put(outcome)
        except ServerLost as error:
            if job is not None:
                share.give_back(runner.url, job)
            outcomes.put(error)
        except BaseException as error:  # handed to the main thread, which raises it
            outcomes.put(error)

    threads = [threading.Thread(target=work, args=(r,), daemon=True) for r in runners]
    for thread in threads:
        thread.start()
    try:
        _keep_results(store, jobs, total, outcomes, threads, progress)
    finally:
        share.end()


def _keep_results(
    store: Store,
    jobs: Sequence[Job],
    total: int,
    outcomes: queue.Queue[_Outcome],
    threads: Sequence[threading.Thread],
    progress: Progress,
) -> None:
    """Save results as they come until all jobs are done or nobody works any more."""
    done, failed, lost = 0, 0, ""
    before = total - len(jobs)
    started = time.monotonic()
    while done < len(jobs):
        try:
            outcome = outcomes.get(timeout=0.5)
        except queue.Empty:
            if any(thread.is_alive() for thread in threads):
                continue
            raise RunError(
                f"All servers are lost with {len(jobs) - done} jobs to do: {lost} Nothing that is "
                "done is lost; start the same command again when a server runs."
            ) from None
        if isinstance(outcome, ServerLost):
            lost = str(outcome)
            if len(threads) > _PER_SERVER:
                progress.line(f"warning: {lost} Its jobs go to the other servers.")
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        job, result, pictures = outcome
        store.save(result, pictures)
        done += 1
        if result.error:
            failed += 1
            progress.line(f"job {job.key} failed: {result.error}")
            if failed == done == _HOPELESS:
                raise RunError(
                    f"The first {_HOPELESS} jobs have all failed, so the sweep stops. Put right "
                    "what they say and start it again with --retry-failed."
                )
        show(progress, before + done, total, done, started)
    progress.clear()


def show(progress: Progress, at: int, total: int, done: int, started: float) -> None:
    """The bar, with the time that the rest will take at the pace so far."""
    left = (time.monotonic() - started) / done * (total - at)
    progress.bar("sweep", at, total, f"{at}/{total} jobs, {human_seconds(left)} left")
