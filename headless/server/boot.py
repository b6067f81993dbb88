"""Runs inside the server process: start ComfyUI's ``main.py``, end when the starter is gone.

Usage: ``python boot.py MAIN_PY [ARGUMENT ...]``, with a pipe from the starter as standard input.
The starter writes to that pipe once ComfyUI answers; the pipe closes when the starter ends, even if
it was killed and could not clean up. This works alike on Linux, macOS and Windows.

Until ComfyUI answers nothing is searched for rubbish: of the million objects that its imports make
none is, and the searches are a fifth of its start.
"""

from __future__ import annotations

import contextlib
import gc
import os
import runpy
import signal
import sys
import threading


def _end_with(pipe: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(pipe, 64):
            gc.freeze()  # what is there now stays, and need not be looked through again
            gc.enable()
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # the whole group, so that no child outlives it
    os._exit(1)


def main() -> None:
    """Watch standard input from a thread and run the script named by the first argument."""
    pipe = os.dup(0)
    os.set_inheritable(pipe, False)
    # A pending read on fd 0 can block child processes on Windows, so ComfyUI gets an empty input.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    gc.disable()
    script = os.path.abspath(sys.argv[1])
    sys.argv[:] = [script, *sys.argv[2:]]
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
