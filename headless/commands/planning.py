"""``plan`` and ``evaluate``: what a planner makes of a sentence, and how good it is on a list."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import FAILED, HeadlessError, UsageError
from ..saving import write_atomically
from .options import enter

_PICTURES = {".svg": "SVG", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_SHOWN_PROBLEMS = 20


def add_command(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register ``plan`` and ``evaluate`` with the command line."""
    add = commands.add_parser(
        "plan", parents=list(parents), help="plan a sentence: regions, boxes, prompts",
        epilog="Offline plans, also drawn as .svg, need nothing but this Python.",
    )  # fmt: skip
    add.add_argument("text", metavar="TEXT", help='such as "a cat to the left of a dog"')
    _planner_options(add)
    add.add_argument("--regions", type=int, metavar="N", help="how many (default: as many as said)")
    add.add_argument("--json", action="store_true", help="print the plan as JSON")
    add.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw it: .svg (any script), .png, .jpg, .webp"
    )
    add.set_defaults(command=run_plan)

    add = commands.add_parser(
        "evaluate", parents=list(parents), help="score a planner on a list of sentences",
        epilog="A line is a plain prompt whose relation, pair or count is checked, or a labelled "
        "sentence: 'a cat left of a dog | W2 | cat ; dog'; planner/README.md has the format.",
    )  # fmt: skip
    add.add_argument("file", type=Path, metavar="FILE", help="list, a sentence a line")
    _planner_options(add)
    add.add_argument("--limit", type=int, metavar="N", help="only the first N lines")
    add.add_argument("--json", action="store_true", help="print every result as JSON")
    add.set_defaults(command=run_evaluate)


def _planner_options(add: argparse.ArgumentParser) -> None:
    add.add_argument(
        "--endpoint", default="offline", metavar="NAME",
        help="a language model of your endpoints file (default: offline, by rules)",
    )  # fmt: skip
    add.add_argument("--seed", type=int, default=0, help="passed to the language model")
    add.add_argument(
        "--aspect", type=float, metavar="W/H", help="width / height of the canvas (default: square)"
    )


def run_plan(options: argparse.Namespace) -> int:
    """The command."""
    picture = options.picture
    if picture is not None and picture.suffix.lower() not in _PICTURES:
        raise UsageError(
            f"A plan cannot be drawn as {picture.name!r}; --picture can end in: "
            f"{', '.join(_PICTURES)}."
        )
    needed = ["PIL"] if picture is not None and picture.suffix.lower() != ".svg" else []
    code = _enter_for(options, needed)
    if code is not None:
        return code
    planner = _Planner(options)
    plan = planner.told(lambda: planner.plan(options.text, None, options.regions))
    if options.json:
        print(plan.to_json())
    else:
        print("\n".join(plan_lines(plan)))
        if planner.usage_line():
            print(planner.usage_line())
    if picture is not None:
        drawing = _module("picture")
        kind = _PICTURES[picture.suffix.lower()]
        drawn = planner.told(
            lambda: (
                drawing.plan_svg(plan).encode("utf-8")
                if kind == "SVG"
                else drawing.plan_image(plan, kind)
            )
        )
        write_atomically(picture, drawn)
        options.progress.line(f"Drawn: {picture}")
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """The command; exit code 1 if a plan is wrong."""
    try:
        text = options.file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no file {options.file}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{options.file} is not UTF-8 text.") from None
    evaluate = _module("score.evaluate")
    try:
        entries = evaluate.read_list(text)[: options.limit]
    except _plan_error() as error:
        raise UsageError(f"{options.file}: {error}") from None
    code = _enter_for(options, [])
    if code is not None:
        return code
    planner = _Planner(options)
    results = []
    for number, result in enumerate(evaluate.score(entries, planner.plan), 1):
        results.append(result)
        if planner.online:
            options.progress.bar("plans", number, len(entries))
    options.progress.clear()
    if options.json:
        print(json.dumps([asdict(result) for result in results], ensure_ascii=False, indent=1))
    else:
        wrong = [result for result in results if result.problems]
        for result in wrong[:_SHOWN_PROBLEMS]:
            print(f"wrong: {result.text}\n  {'; '.join(result.problems)[:300]}")
        if len(wrong) > _SHOWN_PROBLEMS:
            print(f"... and {len(wrong) - _SHOWN_PROBLEMS} more; --json prints them all")
        print("\n".join(evaluate.summary(results)))
        if planner.usage_line():
            print(planner.usage_line())
    return FAILED if any(result.problems for result in results) else 0


def plan_lines(plan: Any) -> list[str]:
    """The plan as a person reads it."""
    lines = [f"global: {plan.global_prompt}"]
    for number, region in enumerate(plan.regions, 1):
        lines.append(f"{number}. {region.prompt()}")
        if region.box is not None:
            x0, y0, x1, y1 = (round(100 * edge) for edge in region.box)
            order = f", order {region.order}" if region.order else ""
            why = f" ({region.why})" if region.why else ""
            lines.append(f"   x {x0}-{x1} %, y {y0}-{y1} %{order}{why}")
    if plan.negative_prompt:
        lines.append(f"negative: {plan.negative_prompt}")
    return [*lines, *(f"note: {note}" for note in plan.notes)]


class _Planner:
    """The planner that the options name, and what its calls took."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.online = options.endpoint.strip() not in ("", "offline")
        self._totals: dict[str, float] = {}
        self._endpoint = self.told(self._find_endpoint) if self.online else None

    def plan(self, text: str, cells: Any, n_regions: int | None = None) -> Any:
        options = self._options
        if not self.online:
            offline = _module("offline.planner")
            return offline.plan_offline(text, n_regions, cells, aspect=options.aspect)
        return _module("llm.planner").plan_with_llm(
            text, n_regions, cells, self._endpoint, options.seed,
            aspect=options.aspect, progress=options.progress.busy, used=self._count,
        )  # fmt: skip

    def told(self, action: Callable[[], Any]) -> Any:
        """What the action gives; a planner's error as this program tells errors."""
        try:
            return action()
        except _plan_error() as error:
            raise HeadlessError(str(error)) from None

    def usage_line(self) -> str:
        """Requests, retries, tokens and time of all calls; "" offline."""
        if not self.online:
            return ""
        t = {**dict.fromkeys(_FIELDS, 0), **self._totals}
        return (
            f"{t['requests']:.0f} requests, {t['retries']:.0f} retries, "
            f"{t['corrections']:.0f} answers sent back, {t['prompt_tokens']:.0f} + "
            f"{t['completion_tokens']:.0f} tokens, {t['seconds']:.1f} s"
        )

    def _find_endpoint(self) -> Any:
        return _module("llm.endpoints").get_endpoint(self._options.endpoint.strip())

    def _count(self, usage: Any) -> None:
        for name in _FIELDS:
            self._totals[name] = self._totals.get(name, 0) + getattr(usage, name)


_FIELDS = ("requests", "retries", "corrections", "prompt_tokens", "completion_tokens", "seconds")


def _enter_for(options: argparse.Namespace, modules: list[str]) -> int | None:
    """Go on in ComfyUI's environment if this Python lacks what is needed; the exit code if so."""
    if options.endpoint.strip() not in ("", "offline"):
        modules = [*modules, "requests", "jsonschema"]
    if all(find_spec(name) is not None for name in modules):
        return None
    return enter(options)[1]


def _module(name: str) -> Any:
    """A module of the planner, which lies beside this package, whatever that is called."""
    parent = (__package__ or "").rpartition(".headless")[0]
    return import_module(f"{parent}.planner.{name}" if parent else f"planner.{name}")


def _plan_error() -> type[Exception]:
    return _module("errors").PlanError
