"""``demo``: the demo workflow end to end, with its table and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..environment.choice import Environment
from ..errors import UsageError
from ..paths import ROOT
from ..progress import Progress, Timings
from ..queue import workflow as workflows
from ..queue.client import Client, Result
from ..queue.workflow import Setting, Workflow
from ..server.start import Server

# The only nodes that this file knows, by title: where the sentence goes and where the table is.
_PROMPT = "LLM Progressive Prompt.prompt"
_SCORE = "Score Demo Scene"


MODELS = {"hunyuan_dit": "demo_", "flux": "demo_flux_"}
"""The demo models, and how the names of their workflows begin."""
BOTH = "both"


def workflow_file(regions: int, model: str = "hunyuan_dit") -> Path:
    """The demo workflow for this many regions.

    Raises:
        UsageError: there is none.
    """
    folder = ROOT / "workflows" / "api"
    head, tail = MODELS[model], "_regions.json"
    path = folder / f"{head}{regions}{tail}"
    if not path.is_file():
        names = [
            p.name.removeprefix(head).removesuffix(tail) for p in folder.glob(f"{head}*{tail}")
        ]
        counts = ", ".join(sorted(filter(str.isdecimal, names), key=int)) or "none"
        raise UsageError(f"There is no demo for {regions} regions; --regions can be: {counts}.")
    return path


def workflow_files(regions: int, model: str) -> list[Path]:
    """The workflows that ``--model`` means: one, or one per demo model."""
    return [workflow_file(regions, name) for name in (MODELS if model == BOTH else [model])]


def settings(graph: Workflow, prompt: str | None, seed: int | None) -> list[Setting]:
    """What the demo's options change in its workflow."""
    wanted = [] if prompt is None else [Setting(_PROMPT, json.dumps(prompt))]
    if seed is not None:
        seeded = {
            f"{node_id}.{name}"
            for node_id, node in graph.items()
            for name in ("seed", "noise_seed")
            if isinstance(node["inputs"].get(name), int) and "sampler" in node["class_type"].lower()
        }
        wanted += [Setting(address, str(seed)) for address in sorted(seeded)]
    return wanted


def run(
    environment: Environment,
    progress: Progress,
    timings: Timings,
    *,
    files: Sequence[Path],
    prompt: str | None,
    seed: int | None,
    out: Path,
    cpu: bool | None,
) -> list[Result]:
    """Start a server, run demo workflows, print their tables and where the pictures are."""
    results = []
    with Server(environment, progress, cpu=cpu) as server:
        progress.line(f"ComfyUI runs on {server.url} ({timings.mark('server start'):.1f} s)")
        client = Client(server.url, progress, models=environment.models, alive=server.alive)
        for file in files:
            graph = workflows.load(file)
            workflows.apply(graph, settings(graph, prompt, seed))
            result = client.run(graph, out)
            timings.mark("workflow" if len(files) == 1 else file.stem)
            if len(files) > 1:
                print(f"{file.stem}:\n")
            show_texts(graph, result, only=_SCORE)
            show_files(result)
            results.append(result)
    timings.mark("server stop")
    progress.line(f"Times: {timings.summary()}.")
    return results


def show_texts(graph: Workflow, result: Result, only: str | None = None) -> None:
    """Print the text outputs; those of nodes with the title ``only``, if it is given and there."""
    names = {node_id: workflows.title(graph, node_id) for node_id in result.texts}
    chosen = [i for i in result.texts if only is not None and names[i].startswith(f"{only} (")]
    printed: set[str] = set()
    for node_id in chosen or result.texts:
        text = "\n".join(result.texts[node_id]).rstrip()
        if text in printed:  # a preview of what a node has shown by itself
            continue
        printed.add(text)
        if not chosen:
            print(f"{names[node_id]}:")
        print(text, end="\n\n")


def show_files(result: Result) -> None:
    """Print where the downloaded files lie."""
    files = [path for paths in result.files.values() for path in paths]
    print("Pictures:" if files else "The workflow saved no pictures.")
    for path in files:
        print(f"  {path}")
