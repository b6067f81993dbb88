"""Negative prompts per region through Regional Conditioning: lines, plans and conditionings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.errors import PromptError
from regional_dit.attention.sampling.negatives import negative_uid
from regional_dit.attention.text.prompts import MARKER
from regional_dit.demo_model.loader import DemoTextEncoder
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import AppendRegionConditioning, RegionalConditioning
from regional_dit.nodes.regions.split import RegionSplit
from regional_dit.planner.plan import Plan, RegionPlan
from tiny_hunyuan import run_ksampler, tiny_hunyuan

CLIP = DemoTextEncoder()
PLAN = Plan(
    "two circles",
    negative_prompt="brown background",
    regions=(RegionPlan("a circle", negative="red"), RegionPlan("a circle")),
)


def conditioned(clip: Any = CLIP, n: int = 2, **changes: Any) -> Any:
    inputs = {
        "prompts": "\n".join(["a circle"] * n),
        "global_prompt": "two circles",
        "negative_prompt": "brown background",
        "level": "both",
        "weights": "",
        **changes,
    }
    regions = RegionSplit.execute("W (columns)", n, 1, 1, "", "", 0.0, 0.0)[0]
    return RegionalConditioning.execute(clip, regions, **inputs).args


def encoded(text: str) -> Any:
    return CLIP.encode_from_tokens_scheduled(CLIP.tokenize(text))


def test_without_any_the_negative_is_the_text_encoders():
    for lines in (None, " \n\n", ""):
        given: dict[str, Any] = {} if lines is None else {"negative_prompts": lines}
        regional, _, negative = conditioned(**given)
        assert regional.negative is None
        ((states, extra),) = negative
        ((wanted, wanted_extra),) = encoded("brown background")
        assert torch.equal(states, wanted) and extra.keys() == wanted_extra.keys()


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("red", ["red", None, None]),
        ("red\n\nblue", ["red", None, "blue"]),
        ("\nred\n", [None, "red", None]),
        (" \n \n a blue square ", [None, None, "a blue square"]),
    ],
)
def test_lines_go_to_their_regions(lines, wanted):
    regional, positive, negative = conditioned(n=3, negative_prompts=lines, weights="1 0.5 2")
    uid = positive[0][1][MARKER]
    assert regional.negative.uid == negative_uid(uid) == negative[0][1][MARKER]
    assert regional.negative.prompts == tuple(text or "" for text in wanted)
    weights = [region.weight for region in regional.negative.regions.regions]
    assert weights == [w if text else 0.0 for w, text in zip((1, 0.5, 2), wanted, strict=True)]
    for text, states in zip(wanted, regional.negative.texts, strict=True):
        assert torch.equal(states["cross_attn"], encoded(text or "brown background")[0][0])


def test_a_plans_negatives_are_used_and_the_box_replaces_them():
    given = {"prompts": "", "global_prompt": "", "negative_prompt": "", "plan": PLAN}
    assert conditioned(**given)[0].negative.prompts == ("red", "")
    assert conditioned(**given, negative_prompts="\nblue")[0].negative.prompts == ("", "blue")


def test_conditionings_instead_of_lines():
    chain = None
    for text in ("red", "blue"):
        chain = AppendRegionConditioning.execute(encoded(text), chain)[0]
    by_lines = conditioned(negative_prompts="red\nblue")[0].negative
    given = conditioned(negative_conditionings=chain)[0].negative
    for a, b in zip(by_lines.texts, given.texts, strict=True):
        assert torch.equal(a["cross_attn"], b["cross_attn"])
    assert [r.weight for r in given.regions.regions] == [1.0, 1.0]
    with pytest.raises(PromptError, match="expected one of the two"):
        conditioned(negative_conditionings=chain, negative_prompts="red")
    with pytest.raises(PromptError, match="Got 2 negative conditionings for 3 regions"):
        conditioned(n=3, negative_conditionings=chain)


def test_too_many_lines_are_refused():
    with pytest.raises(PromptError, match=r"Got 3 negative prompts \(lines\) for 2 regions"):
        conditioned(negative_prompts="a\nb\nc")


def test_two_nodes_for_one_picture_share_the_negatives_id():
    _, positive, _ = conditioned()
    second, _, negative = conditioned(
        global_prompt="", positive=positive, negative_prompts="red\nblue"
    )
    assert second.uid == positive[0][1][MARKER]
    assert second.negative.uid == negative[0][1][MARKER] == negative_uid(second.uid)


def test_from_text_to_picture(clip):
    """With HunyuanDiT's own text encoder; the report names what is not wanted where."""
    model = tiny_hunyuan(clip_len=77, t5_len=256)
    plain = conditioned(clip)
    made = conditioned(clip, negative_prompts="\nred")
    pictures = []
    for regional, positive, negative in (plain, made):
        out = PatchCrossAttention.execute(model, regional, 0, -1, 0.0, 1.0, 0.3)
        pictures.append(run_ksampler(out[0], positive, negative))
    assert "  2. a circle\n     not: red" in out[1]
    difference = (pictures[1] - pictures[0]).abs()
    assert pictures[1].isfinite().all() and difference.max() > 1e-3
