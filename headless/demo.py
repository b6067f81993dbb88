"""``demo``: the demo workflow end to end, with its table and pictures."""

from __future__ import annotations

import json
from pathlib import Path

from . import workflow as workflows
from .client import Client, Result
from .environment import Environment
from .errors import UsageError
from .paths import ROOT
from .progress import Progress, Timings
from .server import Server
from .workflow import Setting, Workflow

# The only nodes that this file knows, by title: where the sentence goes and where the table is.
_PROMPT = "LLM Progressive Prompt.prompt"
_SCORE = "Score Demo Scene"


def workflow_file(regions: int) -> Path:
    """The demo workflow for this many regions.

    Raises:
        UsageError: there is none.
    """
    folder = ROOT / "workflows" / "api"
    path = folder / f"demo_{regions}_regions.json"
    if not path.is_file():
        there = sorted(folder.glob("demo_*_regions.json"))
        counts = ", ".join(p.name.split("_")[1] for p in there) or "none"
        raise UsageError(f"There is no demo for {regions} regions; --regions can be: {counts}.")
    return path


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
    regions: int,
    prompt: str | None,
    seed: int | None,
    out: Path,
    cpu: bool | None,
) -> Result:
    """Start a server, run the demo workflow, print its table and where the pictures are."""
    graph = workflows.load(workflow_file(regions))
    workflows.apply(graph, settings(graph, prompt, seed))
    with Server(environment, progress, cpu=cpu) as server:
        progress.line(f"ComfyUI runs on {server.url} ({timings.mark('server start'):.1f} s)")
        client = Client(server.url, progress, models=environment.models, alive=server.alive)
        result = client.run(graph, out)
        timings.mark("workflow")
    timings.mark("server stop")
    show_texts(graph, result, only=_SCORE)
    show_files(result)
    progress.line(f"Times: {timings.summary()}.")
    return result


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
