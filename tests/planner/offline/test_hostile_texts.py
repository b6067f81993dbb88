"""No text breaks the offline planner: each gives a plan that is valid, or a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from regional_dit.planner.errors import PlanError
from regional_dit.planner.offline.planner import plan_offline
from regional_dit.planner.plan import Plan
from regional_dit.planner.score.evaluate import read_list

FOLDER = Path(__file__).parent
SENTENCES = [
    entry.text
    for name in ("sentences.txt", "sentences_strangers.txt", "sentences_de.txt")
    for entry in read_list((FOLDER / name).read_text(encoding="utf-8"))
]
JOINTS = (
    " ", ", ", " and ", "; ", "\n", "，", "。", "和", " und ", " on the left of ", " between ",
    " the other ", "one of the ", " each ", "foreground: ", "背景是", "前景", "的", "links von ",
    "zwischen ", "1. ", "2) ", "- ", "(", ")", ":", "\u200b", "\ue000", "\u3000", "\t", "\x00", "İ",
    "🐱", "א", "ก", "①", "²", "half of ", "the other half ",
)  # fmt: skip


def check(text: str, n: int | None = None, aspect: float | None = None) -> None:
    try:
        plan = plan_offline(text, n, aspect=aspect)
    except PlanError as error:
        assert len(str(error)) > 20
        return
    assert n is None or len(plan.regions) == n
    assert all(region.prompt().strip() and region.box for region in plan.regions)
    assert Plan.from_json(plan.to_json()) == plan


@settings(derandomize=True)
@given(st.text(max_size=200), st.none() | st.integers(1, 9), st.sampled_from([None, 0.5, 2.0]))
@example(", \t", None, None)  # raised IndexError
@example("nobody", None, None)  # gave an empty prompt
@example("there is nothing", 2, None)
@example("\ud800", None, None)
@example("which", None, None)
@example("1. 2. 3.", None, None)
@example("the other half", None, None)
@example("in front of", None, None)
@example("zwischen und", None, None)
@example("左右两边各有", None, None)
def test_any_text(text, n, aspect):
    check(text, n, aspect)


@settings(derandomize=True)
@given(st.lists(st.sampled_from(SENTENCES) | st.sampled_from(JOINTS), min_size=1, max_size=5))
def test_sentences_run_together(pieces):
    check("".join(pieces))


@settings(derandomize=True)
@given(st.sampled_from(SENTENCES), st.randoms(use_true_random=False))
def test_sentences_in_disorder(sentence, random):
    words = sentence.split() if " " in sentence else list(sentence)
    random.shuffle(words)
    check(" ".join(words[: random.randint(1, len(words))]))


def test_a_lone_surrogate_is_told():
    with pytest.raises(PlanError, match="broken Unicode character"):
        plan_offline("a cat \ud800")
