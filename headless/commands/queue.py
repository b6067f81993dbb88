"""``queue``: run a workflow once and fetch its pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..environment import choice as environment
from ..environment.choice import Environment
from ..errors import ServerGone
from ..paths import OUTPUT
from ..progress import human_seconds
from ..queue import workflow as workflows
from ..queue.client import Client
from . import demo
from .options import enter, go_inside, make_server


def add_command(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register ``queue`` with the command line."""
    add = commands.add_parser(
        "queue", parents=list(parents), help="run an API-format workflow and fetch its pictures"
    )
    add.add_argument("file", type=Path, metavar="FILE", help="workflow in API format")
    add.add_argument(
        "--set", action="append", default=[], metavar="NODE.INPUT=VALUE", dest="settings",
        help="set an input; NODE is an id, a title or a class (may be repeated)",
    )  # fmt: skip
    add.add_argument("--server", metavar="URL", help="a ComfyUI that runs (default: start one)")
    add.add_argument("--out", type=Path, default=OUTPUT, metavar="DIR", help="where pictures go")
    add.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The command."""
    settings = [workflows.parse_setting(text) for text in options.settings]
    graph = workflows.load(options.file)
    if options.server:
        there = find_spec("aiohttp") is not None  # what the client needs
        found = None if there else environment.find(options.comfyui, options.python)
        code = None if found is None else go_inside(found, options)
        if code is not None:
            return code
        return _run_on(Client(options.server, options.progress), graph, settings, options)
    found, code = enter(options)
    if code is not None:
        return code
    options.progress.line(f"Using ComfyUI in {found.comfyui}, {found.reason}.")
    try:
        return _run_once(found, graph, settings, options)
    except ServerGone as error:
        options.progress.clear()
        options.progress.line(f"warning: {error}")
        options.progress.line("Starting the server and queueing the workflow once more.")
        return _run_once(found, graph, settings, options)


def _run_once(
    found: Environment,
    graph: workflows.Workflow,
    settings: list[workflows.Setting],
    options: argparse.Namespace,
) -> int:
    """Run a workflow on a server of its own."""
    server = make_server(found, options)
    with server:
        client = Client(server.url, options.progress, models=found.models, alive=server.alive)
        return _run_on(client, graph, settings, options)


def _run_on(
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
