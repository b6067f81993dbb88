"""Spread a sweep over machines with Dask: each worker stands beside a ComfyUI of its own.

Start a scheduler (``dask scheduler``), and beside each ComfyUI one worker with one thread
(``dask worker tcp://SCHEDULER:8786 --nthreads 1``). A worker talks to the ComfyUI at the address in
its variable COMFYUI_URL, by default http://127.0.0.1:8188. Workers need nothing of this pack.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..errors import RunError, UsageError
from ..progress import Progress
from .file import Job
from .job import Pictures, Runner
from .run import show
from .store import JobResult, Store

DEFAULT_URL = "http://127.0.0.1:8188"
_CONNECT_S = 20
_RETRIES = 3


def run_on_dask(
    store: Store, jobs: Sequence[Job], total: int, address: str, progress: Progress
) -> None:
    """Run jobs on the workers of a Dask scheduler and keep each result as it comes.

    The tasks are published under the sweep's id, so they outlive this program: started again, it
    takes up what the workers finished meanwhile.

    Raises:
        UsageError: Dask is not installed. RunError: no scheduler, or a job failed on every try.
    """
    try:
        import cloudpickle
        import distributed
    except ImportError as error:
        raise UsageError(
            f"--dask needs Dask: {sys.executable} -m pip install 'dask[distributed]'"
        ) from error
    cloudpickle.register_pickle_by_value(
        sys.modules[(__package__ or "headless.sweep").rpartition(".")[0]]
    )
    try:
        client = distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise RunError(f"No Dask scheduler at {address}: {error}") from error
    with client:
        futures = [
            client.submit(
                run_beside, job, store.prompt_id(job), key=store.prompt_id(job), retries=_RETRIES
            )
            for job in jobs
        ]
        client.publish_dataset(futures, name=store.run_id, override=True)
        if not client.scheduler_info()["workers"]:
            progress.line("Dask has no workers yet; waiting for some.")
        started = time.monotonic()
        for done, future in enumerate(distributed.as_completed(futures), 1):
            if future.status == "error":
                raise RunError(f"A job failed on the Dask workers: {future.exception()}")
            result, pictures = future.result()
            store.save(result, pictures)
            show(progress, total - len(jobs) + done, total, done, started)
        client.unpublish_dataset(store.run_id)
    progress.clear()


def run_beside(job: Job, prompt_id: str) -> tuple[JobResult, Pictures]:
    """One job on the ComfyUI beside this worker."""
    from distributed import get_worker

    worker: Any = get_worker()
    runner = getattr(worker, "regional_dit_runner", None)
    if runner is None:
        url = os.environ.get("COMFYUI_URL", DEFAULT_URL)
        runner = worker.regional_dit_runner = Runner(url, Progress(io.StringIO()))
    return runner.run(job, prompt_id)
