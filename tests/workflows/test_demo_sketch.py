"""The tuned layout in the tiny Flux: its phrases, and a run as shipped."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from workflow_runner import only

KIND = "demo_flux_sketch"


def test_the_prompt_holds_every_phrase_once(name: str, generate: ModuleType) -> None:
    sketch = generate.DEMO_SKETCHES[name]
    phrases = [phrase for phrase, _ in sketch.phrases]
    assert len(set(phrases)) == 3
    assert all(sketch.prompt.count(phrase) == 1 for phrase in phrases)


def test_the_sampler_sees_the_bound_prompt(api: dict[str, Any]) -> None:
    sampler, bound = only(api, "KSampler"), only(api, "RegionalDiT_BindPhrases")
    assert api[sampler]["inputs"]["positive"] == [bound, 1]
    assert api[only(api, "RegionalDiT_RuleSpecialtyTuning")]["inputs"]["phrases"] == [bound, 0]


@pytest.mark.usefixtures("registered")
def test_phrases_pull_their_regions(name: str, api: dict[str, Any], generate: ModuleType) -> None:
    """Own colour prevails where the layout says, and not without the patch."""
    from regional_dit.demo_model.score import score_picture

    shares = []
    for patched in (True, False):
        picture, regions, prompts = run(api, generate.load_nodes(), patched)
        scores = score_picture(picture, regions, prompts)
        shares.append(sum(s.own_share for s in scores) / len(scores))
    assert shares[0] > 0.8
    assert shares[0] > shares[1] + 0.2


def run(api: dict[str, Any], nodes: dict[str, Any], patched: bool) -> tuple[Any, Any, Any]:
    """The picture [H, W, 3] of the workflow, its boxes and its phrases; 8 steps."""
    made: dict[str, Any] = {}

    def value(source: Any) -> Any:
        if not isinstance(source, list):
            return source
        node, index = source
        return output(node)[index]

    def output(node_id: str) -> Any:
        if node_id not in made:
            node = api[node_id]
            inputs = {k: value(v) for k, v in node["inputs"].items()}
            if node["class_type"] == "KSampler":
                inputs["steps"] = 8
                if not patched:
                    inputs["model"] = output(only(api, "RegionalDiT_DemoDiTLoader"))[0]
            cls = nodes[node["class_type"]]
            if hasattr(cls, "execute"):
                made[node_id] = cls.execute(**inputs).args
            else:
                made[node_id] = getattr(cls(), cls.FUNCTION)(**inputs)
        return made[node_id]

    with torch.inference_mode():
        picture = output(only(api, "VAEDecode"))[0][0].numpy()
    regions, plan, *_ = output(only(api, "RegionalDiT_RegionEditor"))
    boxes = [r.bounds for r in regions.regions]
    return picture, boxes, [r.prompt() for r in plan.regions]
