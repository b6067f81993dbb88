"""One picture of a study as a workflow: a shipped workflow, cut down, with a scene and a rule."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..queue import workflow as workflows
from ..queue.workflow import Setting, Workflow

PREFIX = "RegionalDiT_"
Link = list[Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """One prompt per region, the prompt of the whole picture, and its phrases for the regions."""

    regions: tuple[str, ...]
    picture: str
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Base:
    """A workflow that makes one regional picture, and its nodes' ids.

    Attributes:
        graph: all that the picture needs, and nothing else.
        split, planner, conditioning, patch, sampler, decode: ids of the nodes that a study changes.
    """

    graph: Workflow
    split: str
    planner: str
    conditioning: str
    patch: str
    sampler: str
    decode: str


def base_of(path: Path, settings: Sequence[Setting]) -> Base:
    """Cut a workflow down to the picture that its patched model makes.

    Raises:
        UsageError: it lacks one of the nodes, or has several of them.
    """
    graph = workflows.load(path)
    workflows.apply(graph, settings)
    split, planner, conditioning, patch = (
        _only(graph, path, PREFIX + name, {})
        for name in ("RegionSplit", "LLMProgressivePrompt", "RegionalConditioning",
                     "PatchCrossAttention")
    )  # fmt: skip
    sampler = _only(graph, path, "KSampler", {"model": [patch, 0]})
    decode = _only(graph, path, "VAEDecode", {"samples": [sampler, 0]})
    kept = _needed(graph, decode)
    return Base(
        {i: node for i, node in graph.items() if i in kept},
        split, planner, conditioning, patch, sampler, decode,
    )  # fmt: skip


def _only(graph: Workflow, path: Path, kind: str, inputs: Mapping[str, Any]) -> str:
    found = [
        i for i, node in graph.items()
        if node["class_type"] == kind and inputs.items() <= node["inputs"].items()
    ]  # fmt: skip
    if len(found) != 1:
        after = "".join(f" whose {name!r} is node {value[0]}" for name, value in inputs.items())
        raise UsageError(
            f"{path} has {len(found)} nodes of the class {kind}{after}; a study needs one. Give a "
            "workflow like workflows/api/flux_2_regions.json."
        )
    return found[0]


def _needed(graph: Workflow, end: str) -> set[str]:
    """The ids of a node and of all that it needs."""
    needed, waiting = set(), [end]
    while waiting:
        node_id = waiting.pop()
        if node_id not in needed:
            needed.add(node_id)
            values = graph[node_id]["inputs"].values()
            waiting += [value[0] for value in values if workflows.is_link(value)]
    return needed


def with_scene(base: Base, scene: Scene, seed: int) -> Workflow:
    """The workflow with as many equal cells as the scene has regions, and its prompts.

    Two regions stand side by side, four in a 2 x 2 grid.
    """
    graph = copy.deepcopy(base.graph)
    n = len(scene.regions)
    rows, columns = {2: (1, 2), 4: (2, 2)}[n]
    graph[base.split]["inputs"].update(
        split="grid" if rows > 1 else "W (columns)", n=n, rows=max(rows, 2), columns=columns
    )
    plan = {
        "version": 1,
        "global_prompt": scene.picture,
        "regions": [
            {
                "high_level": prompt,
                "box": [x / columns, y / rows, (x + 1) / columns, (y + 1) / rows],
            }
            for i, prompt in enumerate(scene.regions)
            for y, x in [divmod(i, columns)]
        ],
    }
    graph[base.planner]["inputs"].update(plan_json=json.dumps(plan), n=n, prompt=scene.picture)
    graph[base.sampler]["inputs"]["seed"] = seed
    return graph


def apply_rule(base: Base, graph: Workflow, rule: Mapping[str, Any], scene: Scene) -> None:
    """Change a scene's workflow to one way of the study, in place.

    Args:
        base: where the workflow's nodes are.
        graph: of :func:`with_scene`.
        rule: "kind" "merged" (no patch), "setmask" (no patch, ComfyUI's ConditioningSetMask) or
            none; "patch": inputs of the patch; "rule": class and inputs of a rule's node;
            "phrases": whether that node wants the phrases of Bind Phrases.
        scene: for its prompts.
    """
    patch, sampler = graph[base.patch]["inputs"], graph[base.sampler]["inputs"]
    if rule.get("kind") in ("merged", "setmask"):
        sampler["model"] = patch["model"]
        if rule["kind"] == "setmask":
            _replace(graph, [base.conditioning, 1], _masked(base, graph, scene))
        return
    patch.update(rule.get("patch") or {})
    if "rule" in rule:
        inputs = dict(rule["rule"]["inputs"])
        if rule.get("phrases"):
            inputs["phrases"] = _bound(base, graph, scene)
        graph["rule"] = {"class_type": PREFIX + rule["rule"]["class"], "inputs": inputs}
        patch["rule"] = ["rule", 0]


def _replace(graph: Workflow, old: Link, new: Link) -> None:
    """Whatever was linked to an output is linked to another."""
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if value == old and node_id != new[0]:
                node["inputs"][name] = new


def _masked(base: Base, graph: Workflow, scene: Scene) -> Link:
    """Each region's prompt under its mask, by ComfyUI's own nodes; the last node's output."""
    clip = graph[base.conditioning]["inputs"]["clip"]
    graph["masks"] = {"class_type": "MaskToImage", "inputs": {"mask": [base.split, 1]}}
    last: Link | None = None
    for i, prompt in enumerate(scene.regions):
        own = {
            f"one{i}": ("ImageFromBatch", {"image": ["masks", 0], "batch_index": i, "length": 1}),
            f"mask{i}": ("ImageToMask", {"image": [f"one{i}", 0], "channel": "red"}),
            f"text{i}": ("CLIPTextEncode", {"clip": clip, "text": prompt}),
            f"set{i}": ("ConditioningSetMask", {
                "conditioning": [f"text{i}", 0], "mask": [f"mask{i}", 0], "strength": 1.0,
                "set_cond_area": "default",
            }),
        }  # fmt: skip
        graph.update({k: {"class_type": c, "inputs": inputs} for k, (c, inputs) in own.items()})
        if last is None:
            last = [f"set{i}", 0]
            continue
        both = {"conditioning_1": last, "conditioning_2": [f"set{i}", 0]}
        graph[f"join{i}"] = {"class_type": "ConditioningCombine", "inputs": both}
        last = [f"join{i}", 0]
    assert last is not None  # a scene has regions
    return last


def _bound(base: Base, graph: Workflow, scene: Scene) -> Link:
    """Bind Phrases for a rule that tunes single words; the sampler follows its positive too."""
    positive = [base.conditioning, 1]
    graph["phrases"] = {
        "class_type": f"{PREFIX}BindPhrases",
        "inputs": {
            "clip": graph[base.conditioning]["inputs"]["clip"], "regions": [base.split, 0],
            "positive": positive, "prompt": scene.picture, "phrases": "\n".join(scene.phrases),
            "overwrite": True, "preview_tokens": 64,
        },
    }  # fmt: skip
    _replace(graph, positive, ["phrases", 1])
    graph["phrases"]["inputs"]["positive"] = positive
    return ["phrases", 0]


def add_score(base: Base, graph: Workflow, nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """Nodes that judge the picture, and one that saves it, in place.

    Links to "IMAGE", "REGIONS" and "PLAN" lead to the picture, its regions and its prompts.
    """
    named = {"IMAGE": [base.decode, 0], "REGIONS": [base.split, 0], "PLAN": [base.planner, 0]}
    for name, node in nodes.items():
        inputs = {
            k: named.get(v, v) if isinstance(v, str) else v for k, v in node["inputs"].items()
        }
        graph[name] = {"class_type": node["class_type"], "inputs": inputs}
    graph["save"] = {
        "class_type": "SaveImage",
        "inputs": {"images": [base.decode, 0], "filename_prefix": "study/picture"},
        "_meta": {"title": "Picture"},
    }
