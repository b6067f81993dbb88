"""Errors that reach the person as a sentence and an exit code."""

from __future__ import annotations

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
