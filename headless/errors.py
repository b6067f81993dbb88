"""Errors that reach the person as a sentence and an exit code."""

from __future__ import annotations

import errno

FAILED = 1
USAGE = 2
INTERRUPTED = 130


class HeadlessError(Exception):
    """Something went wrong that the person can act on; its text is shown as it is."""

    exit_code = FAILED


class UsageError(HeadlessError):
    """The command line or a file it names is wrong."""

    exit_code = USAGE


class InstallError(HeadlessError):
    """ComfyUI could not be found or installed."""


class ServerError(HeadlessError):
    """The ComfyUI server did not start, died, or lacks this pack."""


class WorkflowError(HeadlessError):
    """The workflow, or a value in it, cannot run on this server."""


class RunError(HeadlessError):
    """The server accepted the workflow and did not finish it."""


class ServerGone(RunError):
    """The server ended or fell silent while a workflow was on it."""


class Stopped(BaseException):
    """A signal asked the program to end; like KeyboardInterrupt it passes ``except Exception``."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.exit_code = INTERRUPTED if signum == 2 else 128 + signum


_ADVICE = {
    **dict.fromkeys(
        (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)),
        "Free some space, or let --out or --base-dir name a folder on another disk.",
    ),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Name a folder that you may write to; a file that another program has open may be meant.",
    ),
}


def system_error(error: OSError) -> str:
    """What the system refused, on which file, and what to do, as a sentence."""
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}. {_ADVICE.get(error.errno or 0, '')}".rstrip()
