"""``study``: every rule on the same scenes of one's own model, scored, with a page of pictures."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..json_file import read_json
from ..paths import OUTPUT, ROOT
from ..queue import workflow as workflows
from ..study import table as study_table
from ..study.graph import Base, Scene, add_score, apply_rule, base_of, with_scene
from ..sweep.file import Axis, Job, Point, Sweep, job_key
from ..sweep.store import Store
from . import report, sweep

STUDY_FILE = ROOT / "evaluation" / "study" / "study.json"
FIRST_SEED = 1000


@dataclass(frozen=True, slots=True)
class Model:
    """A workflow of the pack and how a study of it is done.

    Attributes:
        workflow: name below ``workflows/api``.
        attention: "cross" or "joint": which rules fit.
        world: "demo" (shapes, judged by the detector) or "photo" (judged by a CLIP).
    """

    workflow: str
    attention: str
    world: str = "photo"


MODELS = {
    "demo-hunyuan_dit": Model("demo_2_regions", "cross", "demo"),
    "demo-flux": Model("demo_flux_2_regions", "joint", "demo"),
    "hunyuan_dit": Model("hunyuan_dit_2_regions", "cross"),
    "flux1-dev": Model("flux_2_regions", "joint"),
    "sd3.5-large": Model("sd35_2_regions", "joint"),
    "qwen-image": Model("qwen_image_2_regions", "joint"),
}
ATTENTION = ("cross", "joint")


def add_command(commands: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register ``study`` with the command line."""
    add = commands.add_parser(
        "study", parents=list(parents),
        help="score every rule on your own model: the same scenes, a table, a page of pictures",
        epilog="Stopped or killed at any moment, the same command goes on where it was. Rules and "
        "prompts are in evaluation/study/study.json; give a changed copy with --file.",
    )  # fmt: skip
    add.add_argument(
        "--model", required=True, metavar="NAME",
        help=f"{', '.join(MODELS)}, or an API-format workflow like those in workflows/api",
    )  # fmt: skip
    add.add_argument("--attention", choices=ATTENTION, help="of a workflow of your own")
    add.add_argument(
        "--set", action="append", default=[], metavar="NODE.INPUT=VALUE", dest="settings",
        help="set an input of the workflow, as in CheckpointLoaderSimple.ckpt_name=NAME",
    )  # fmt: skip
    add.add_argument("--scenes", type=int, default=8, metavar="N", help="per layout (default 8)")
    add.add_argument(
        "--layouts", type=int, nargs="+", choices=(2, 4), default=[2, 4], help="regions: 2, 4"
    )
    add.add_argument("--rules", nargs="+", metavar="RULE", help="only these, by their labels")
    add.add_argument("--clip-vision", default="clip_vision_l.safetensors", metavar="FILE")
    add.add_argument("--clip", default="clip_l.safetensors", metavar="FILE", help="its text half")
    add.add_argument("--file", type=Path, default=STUDY_FILE, help="prompts and rules")
    add.add_argument(
        "--server", action="append", default=[], metavar="URL",
        help="a ComfyUI that runs (may be repeated; default: start one)",
    )  # fmt: skip
    add.add_argument("--out", type=Path, metavar="DIR", help="folder of the results")
    add.add_argument("--retry-failed", action="store_true", help="run failed jobs again")
    add.add_argument("--dry-run", action="store_true", help="list the jobs and end")
    add.set_defaults(command=run, dask=None)


def run(options: argparse.Namespace) -> int:
    """The command; exit code 1 if a job failed."""
    declared, jobs = make_study(options)
    if options.dry_run:
        sweep.list_jobs(jobs)
        return 0
    store = Store(options.out or OUTPUT / "studies" / declared.name)
    code = sweep.work(store, declared, jobs, options)
    if not any((found := store.result(job)) and not found.error for job in jobs):
        return code
    print(f"\n{study_table.table(store, jobs, compared_with(options, jobs))}\n")
    options.folder = store.folder
    return report.run(options) or code


def make_study(options: argparse.Namespace) -> tuple[Sweep, list[Job]]:
    """What is declared, and its jobs: scene by scene, in each all rules.

    Raises:
        UsageError: no such model, rule or file, or one that is not understood.
    """
    content = read_json(options.file, "a study file", finite=True)
    model = find_model(options)
    base = base_of(workflow_path(options.model), settings_of(options))
    rules = chosen_rules(content, model, options.rules)
    if options.scenes < 1:
        raise UsageError(f"--scenes is {options.scenes}; expected 1 or more.")
    scores, collect = judges(model, options)
    jobs = []
    for number in range(options.scenes):
        for layout in options.layouts:
            scene = scene_of(content, model, layout, number)
            for rule in rules:
                graph = with_scene(base, scene, FIRST_SEED + number)
                apply_rule(base, graph, rule, scene)
                add_score(base, graph, scores)
                labels = {"rule": rule["label"], "regions": layout, "scene": number + 1}
                jobs.append(Job(job_key(graph, collect), labels, graph, collect))
    return _declared(base, model, options, rules, collect), jobs


def compared_with(options: argparse.Namespace, jobs: Sequence[Job]) -> str:
    """The label of the default rule among the jobs, or else the first label."""
    content = read_json(options.file, "a study file", finite=True)
    labels = dict.fromkeys(job.labels["rule"] for job in jobs)
    marked = [r["label"] for rules in content["rules"].values() for r in rules if r.get("default")]
    return next((label for label in marked if label in labels), next(iter(labels)))


def workflow_path(model: str) -> Path:
    """The workflow that ``--model`` means."""
    if model in MODELS:
        return ROOT / "workflows" / "api" / f"{MODELS[model].workflow}.json"
    if model.endswith(".json"):
        return Path(model)
    raise UsageError(
        f"There is no model {model!r}; --model can be: {', '.join(MODELS)}, or an API-format "
        "workflow, a .json file like workflows/api/flux_2_regions.json."
    )


def find_model(options: argparse.Namespace) -> Model:
    """What is known of the model, with ``--attention`` where it is a workflow of one's own."""
    workflow_path(options.model)  # a wrong name is told first
    known = MODELS.get(options.model)
    if known is None and options.attention is None:
        raise UsageError(
            "A workflow of your own needs --attention joint (Flux, SD3, Qwen-Image ...) or "
            "--attention cross (HunyuanDiT, PixArt, SDXL, Wan ...), which says what rules fit."
        )
    if known is None:
        return Model("", options.attention)
    if options.attention not in (None, known.attention):
        raise UsageError(
            f"{options.model} has {known.attention} attention, not {options.attention}."
        )
    return known


def settings_of(options: argparse.Namespace) -> list[workflows.Setting]:
    return [workflows.parse_setting(text) for text in options.settings]


def chosen_rules(
    content: Mapping[str, Any], model: Model, labels: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    """The rules of the study file that fit the model, or those of them that were named."""
    rules = [*content["rules"]["any"], *content["rules"][model.attention]]
    known = {rule["label"]: rule for rule in rules}
    missing = [label for label in labels or () if label not in known]
    if missing:
        raise UsageError(f"There is no rule {missing[0]!r} for it; there are: {', '.join(known)}.")
    return [known[label] for label in labels] if labels else rules


def scene_of(content: Mapping[str, Any], model: Model, layout: int, number: int) -> Scene:
    """Scene ``number`` of the fixed set; after the last one the first comes again, with its own
    seed."""
    scenes = content["scenes"][model.world][str(layout)]
    found = scenes[number % len(scenes)]
    regions = tuple(found["regions"])
    return Scene(regions, found["picture"], tuple(found.get("phrases", regions)))


def judges(
    model: Model, options: argparse.Namespace
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Nodes that score a picture (see ``add_score``), and column -> "NODE:OUTPUT"."""
    seam = {"images": "IMAGE", "regions": "REGIONS"}
    judged = {**seam, "plan": "PLAN"}
    nodes: dict[str, Any] = {"seam": {"class_type": "RegionalDiT_SeamScore", "inputs": seam}}
    if model.world == "demo":
        nodes["score"] = {
            "class_type": "RegionalDiT_ScoreDemoScene",
            "inputs": {"regional": "IMAGE", "regions": "REGIONS", "plan": "PLAN"},
        }
        nodes["confusion"] = {"class_type": "RegionalDiT_DemoConfusion", "inputs": judged}
        return nodes, {
            "right object": "score:score", "own colour prevails": "confusion:dominance",
            "leakage": "confusion:leakage", "seam": "seam:seam",
        }  # fmt: skip
    nodes["clip_vision"] = {
        "class_type": "CLIPVisionLoader", "inputs": {"clip_name": options.clip_vision}
    }  # fmt: skip
    text = {"clip_name": options.clip, "type": "stable_diffusion", "device": "default"}
    nodes["clip_text"] = {"class_type": "CLIPLoader", "inputs": text}
    halves = {"clip_vision": ["clip_vision", 0], "clip": ["clip_text", 0], "prompts": ""}
    nodes["alignment"] = {
        "class_type": "RegionalDiT_RegionAlignment", "inputs": {**judged, **halves}
    }  # fmt: skip
    return nodes, {
        "own prompt fits best": "alignment:dominance", "own score": "alignment:own_score",
        "leakage": "alignment:leakage", "seam": "seam:seam",
    }  # fmt: skip


def _declared(
    base: Base,
    model: Model,
    options: argparse.Namespace,
    rules: Sequence[Mapping[str, Any]],
    collect: Mapping[str, str],
) -> Sweep:
    def axis(name: str, labels: Sequence[Any]) -> Axis:
        return Axis(name, name, tuple(Point(label, (), {}) for label in labels))

    name = Path(options.model).stem if options.model.endswith(".json") else options.model
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:50]
    first, *_ = collect
    note = "Mean and 95 % interval over the scenes."
    return Sweep(
        name=f"study_{name}",
        title=f"Rules on {name}",
        about=f"Every rule for {model.attention} attention on the same {options.scenes} scenes per "
        "layout, with the same seeds. What regions share is the seed alone: rules are compared in "
        "pairs, scene by scene.",
        workflow=base.graph,
        axes=(
            axis("rule", [rule["label"] for rule in rules]),
            axis("regions", options.layouts),
            axis("scene", range(1, options.scenes + 1)),
        ),
        collect=collect,
        plots=tuple(
            {"kind": "bar", "title": column, "x": "rule", "y": [column], "by": "regions",
             "y_title": column, "note": note}
            for column in (first, "leakage", "seam")
        ),
    )  # fmt: skip
