"""The offline planner on the training prompts of T2I-CompBench, which are not in this repository.

They are looked for in `T2I_COMPBENCH`, or in `shared/data/t2i_compbench` beside the clone; without
them the figures are skipped. The checks themselves are tested on lines of our own.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from regional_dit.planner.offline.planner import plan_offline
from regional_dit.planner.score.evaluate import score
from regional_dit.planner.score.prompt_lists import Prompt, prompt_problems, read_prompt

ROOT = Path(__file__).resolve().parents[3]
_FOLDERS = (os.environ.get("T2I_COMPBENCH"), ROOT.parent / "shared" / "data" / "t2i_compbench")
LISTS = next((Path(f) for f in _FOLDERS if f and Path(f).is_dir()), None)

# share right at least, of lines of these kinds
FLOORS = {
    "spatial": (0.98, ("relation",)),
    "3d_spatial": (0.90, ("relation",)),
    "color": (0.98, ("pair", "relation", "count")),
    "texture": (0.98, ("pair", "relation", "count")),
    "numeracy": (0.90, ("count",)),
}


def results_of(name: str, *, sound_only: bool = False):
    assert LISTS is not None
    lines = (LISTS / f"{name}_train.txt").read_text(encoding="utf-8").splitlines()
    prompts = [read_prompt(line) for line in lines if line.strip()]
    if sound_only:
        prompts = [Prompt(prompt.text, "sound") for prompt in prompts]
    return list(score(list(prompts), lambda text, cells: plan_offline(text, None, cells)))


needs_lists = pytest.mark.skipif(LISTS is None, reason="the lists of T2I-CompBench are not here")


@needs_lists
@pytest.mark.parametrize("name", FLOORS)
def test_list(name):
    floor, kinds = FLOORS[name]
    results = [result for result in results_of(name) if result.kind in kinds]
    wrong = [(result.text, result.problems) for result in results if result.problems]
    assert len(results) > 400
    assert 1 - len(wrong) / len(results) >= floor, wrong[:20]


@needs_lists
def test_complex_sentences():
    """No crash, no empty or cut prompt, and at most 15 % left whole."""
    results = results_of("complex", sound_only=True)
    assert [result.text for result in results if result.problems] == []
    assert sum(result.whole for result in results) / len(results) <= 0.15


@pytest.mark.parametrize(
    ("text", "kind", "things", "relation"),
    [
        ("a cup on the left of a turtle", "relation", (("cup",), ("turtle",)), "left"),
        ("The white book was on top of the blue shelf.", "relation",
         (("white book",), ("blue shelf",)), "above"),
        ("a mouse hidden by a bag", "relation", (("mouse",), ("bag",)), "behind"),
        ("a brown cat and a red chair", "pair", (("brown", "cat"), ("red", "chair")), ""),
        ("three plates and one shrimp", "count", (("three", "plates"), ("one", "shrimp")), ""),
        ("The grapes hung low on the vine, ripening in the sun.", "sound", (), ""),
    ],
)  # fmt: skip
def test_what_a_prompt_asks_for(text, kind, things, relation):
    assert read_prompt(text) == Prompt(text, kind, things, relation)


@pytest.mark.parametrize(
    ("asked", "planned", "said"),
    [
        ("a cup on the left of a cat", "a cat left of a cup", "not left"),
        ("a cup on the left of a cat", "a cup above a cat", "not left"),
        ("a cup in front of a cat", "a cup behind a cat", "not front"),
        ("a cup next to a cat", "a cup", "one region for both"),
        ("three cups and one cat", "two cups and one cat", "2 regions show 'cups' instead of 3"),
        ("three cups and one cat", "three cups", "no region shows 'cat'"),
        ("a red cup and a blue cat", "a blue cup and a red cat", "does not show 'red cup'"),
        ("a red cup and a blue cat", "a red cup", "1 regions"),
    ],
)
def test_a_wrong_plan_is_told(asked, planned, said):
    """Each check can fail: these plans are of another sentence."""
    found = prompt_problems(read_prompt(asked), plan_offline(planned))
    assert said in "; ".join(found)
    assert prompt_problems(read_prompt(asked), plan_offline(asked)) == []


@pytest.mark.parametrize("end", ["was", "on top of the", "stood", "and"])
def test_a_cut_prompt_is_told(end):
    plan = plan_offline("a cat and a dog")
    cut = replace(plan.regions[0], high_level=f"a cat {end}", phrase="")
    plan = replace(plan, regions=(cut, plan.regions[1]))
    assert "ends in the middle" in prompt_problems(Prompt("", "sound"), plan)[0]
