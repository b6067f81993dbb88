"""Options that several commands share, and what they ask for: an environment, a server."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection
from pathlib import Path

from ..environment import choice as environment
from ..environment.choice import Environment
from ..process import become
from ..server.start import Server

# Set, to the time of the start, for the second half of a command, which runs in the environment's
# own Python.
INSIDE = "REGIONAL_DIT_INSIDE"
HOST_OPTIONS = ("--comfyui", "--python", "--torch-index")


def host_options() -> argparse.ArgumentParser:
    """Which ComfyUI; a parent of other parsers, as are the next two."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("which ComfyUI")
    group.add_argument("--comfyui", metavar="PATH", help="folder of a ComfyUI of your own")
    group.add_argument("--python", metavar="PATH", help="the Python that runs that ComfyUI")
    group.add_argument(
        "--torch-index", metavar="URL", help="package index for torch when it is installed"
    )
    return parser


def device_options() -> argparse.ArgumentParser:
    """What a server computes on."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("the server")
    group.add_argument(
        "--cpu", action="store_true", default=None, help="run on the CPU even where there is a GPU"
    )
    return parser


def server_options() -> argparse.ArgumentParser:
    """Where a server listens and works."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--port", type=int, help="loopback port (default: a free one)")
    parser.add_argument("--base-dir", type=Path, metavar="DIR", help="folder the server works in")
    parser.add_argument(
        "--models", type=Path, action="append", default=[], metavar="DIR",
        help="a further folder laid out like ComfyUI's models/ (may be repeated)",
    )  # fmt: skip
    return parser


def prepare(
    options: argparse.Namespace, with_tests: bool = False, of_tests: Collection[str] = ()
) -> Environment:
    """The environment that the host options name."""
    return environment.prepare(
        options.comfyui,
        options.python,
        options.progress,
        torch_index=options.torch_index,
        with_tests=with_tests,
        of_tests=of_tests,
    )


def go_inside(found: Environment, options: argparse.Namespace) -> int | None:
    """Go on in the environment's Python, which has what the client needs; None if in it already."""
    if os.environ.get(INSIDE) or Path(sys.executable) == found.python:
        return None
    variables = {**os.environ, INSIDE: str(options.started)}
    return become([str(found.python), str(Path(__file__).parents[1]), *options.argv], variables)


def enter(options: argparse.Namespace) -> tuple[Environment, int | None]:
    """Prepare the environment and go on in its Python; the exit code if that has ended already."""
    found = prepare(options)
    return found, go_inside(found, options)


def make_server(
    found: Environment,
    options: argparse.Namespace,
    *,
    base: Path | None = None,
    output: Path | None = None,
) -> Server:
    """The server that the options describe, not started yet.

    Args:
        found: the environment it runs in.
        options: with those of ``device_options`` and ``server_options``.
        base: folder it works in where ``--base-dir`` names none.
        output: folder of its pictures, if not below the folder it works in.
    """
    return Server(
        found,
        options.progress,
        port=options.port,
        base=options.base_dir or base,
        output=output,
        models=options.models,
        cpu=options.cpu,
        extra=options.rest,
    )
