"""Regional Prompt (simple) and the nodes that read and give layouts, as the host calls them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.errors import PromptError, RegionError
from regional_dit.nodes.patching.patch import PatchCrossAttention
from regional_dit.nodes.prompts.conditioning import RegionalConditioning
from regional_dit.nodes.prompts.imports import ImportRegionalPrompts
from regional_dit.nodes.prompts.simple import RegionalPrompt
from regional_dit.nodes.regions.boxes import BoxesFromPlan, PlanFromBoxes
from regional_dit.nodes.regions.split import RegionSplit
from regional_dit.planner.plan import Plan
from tiny_hunyuan import run_ksampler, tiny_hunyuan

LINES = "a red chair @ left\na blue chair @ right\n@ a room"


def simple(clip: Any, **inputs: Any) -> tuple[Any, Any, Any]:
    settings = {
        "prompts": "", "global_prompt": "", "negative_prompt": "blurry", "base_ratio": 0.2,
    }  # fmt: skip
    done = RegionalPrompt.execute(model=tiny_hunyuan(), clip=clip, **{**settings, **inputs})
    return done.args[0], done.args[1], done.args[2]


def split() -> Any:
    return RegionSplit.execute("W (columns)", 2, 2, 2, "", "", 0.0, 0.0).args[0]


def test_it_is_the_two_nodes_with_their_defaults(clip: Any) -> None:
    model, positive, negative = simple(clip, prompts=LINES)
    regional, positive_2, negative_2 = RegionalConditioning.execute(
        clip, split(), "a red chair\na blue chair", "a room", "blurry", "both", ""
    ).args
    patched = PatchCrossAttention.execute(
        tiny_hunyuan(), regional, 0, -1, 0.0, 1.0, 0.2
    ).args[0]  # fmt: skip
    torch.testing.assert_close(
        run_ksampler(model, positive, negative), run_ksampler(patched, positive_2, negative_2)
    )
    plain = run_ksampler(tiny_hunyuan(), positive, negative)
    assert (run_ksampler(model, positive, negative) - plain).abs().max() > 1e-3


def test_all_sources_say_the_same(clip: Any) -> None:
    wanted = run_ksampler(*simple(clip, prompts=LINES))
    done = ImportRegionalPrompts.execute(
        "a room ADDBASE a red chair ADDCOL a blue chair", "auto", "columns", "", "as written",
        "", 1024, 1024, "blend",
    )  # fmt: skip
    plan = done.args[0]
    assert isinstance(plan, Plan)
    torch.testing.assert_close(run_ksampler(*simple(clip, plan=plan)), wanted)
    boxes, elements, words = BoxesFromPlan.execute(plan, 512, 512).args
    assert words == "a room. On the left, a red chair. On the right, a blue chair."
    for layout in (boxes, elements):
        back = PlanFromBoxes.execute(layout, "", "a room", 512, 512, "front").args[0]
        torch.testing.assert_close(run_ksampler(*simple(clip, plan=back)), wanted)
    connected = simple(
        clip, prompts="a red chair\na blue chair", global_prompt="a room", regions=split()
    )
    torch.testing.assert_close(run_ksampler(*connected), wanted)


def test_errors_in_words(clip: Any) -> None:
    with pytest.raises(PromptError, match=r"The prompts box: Line 2 names no place"):
        simple(clip, prompts="a @ left\nb")
    with pytest.raises(PromptError, match="Both the prompts box and a plan"):
        simple(clip, prompts="a", plan=Plan("x"))
    with pytest.raises(PromptError, match="names a place too"):
        simple(clip, prompts="a @ left\nb @ right", regions=split())
    with pytest.raises(PromptError, match=r"Got 1 prompts \(lines\) for 2 regions"):
        simple(clip, prompts="a", regions=split())


def test_boxes_without_words_need_prompts() -> None:
    box = {"x": 0, "y": 0, "width": 64, "height": 64}
    latent = {"samples": torch.zeros(1, 4, 8, 16)}
    plan = PlanFromBoxes.execute([box], "a cat", "", 1, 1, "front", latent).args[0]
    assert plan.regions[0].box == (0, 0, 0.5, 1) and plan.aspect == 2.0
    with pytest.raises(RegionError, match="Box 1 has no description"):
        PlanFromBoxes.execute([box], "", "", 64, 64, "front")
    with pytest.raises(RegionError, match="Got 2 prompts for 1 boxes"):
        PlanFromBoxes.execute([box], "a\nb", "", 64, 64, "front")
    with pytest.raises(RegionError, match="There are no boxes"):
        PlanFromBoxes.execute([], "", "", 64, 64, "front")
