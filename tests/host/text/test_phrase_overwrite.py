"""Phrases whose tokens are overwritten by those of the phrase alone, and the node that does it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from echo_clips import PAIRS, Case, bind, clip_of, spelled
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.errors import PromptError
from regional_dit.attention.phrases import Phrase, parse_phrase_lines
from regional_dit.attention.phrases.overwrite import matching_tokens, overwrite_spans
from regional_dit.attention.phrases.plain import fold
from regional_dit.nodes.prompts.phrases import BindPhrases
from regional_dit.planner.plan import Plan, RegionPlan


@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_overwrite_pairs_equal_characters(name: str, case: Case) -> None:
    clip = clip_of(name)
    master = bind(clip, case.prompt, list(case.phrases))
    equal, total = 0, 0
    for phrase in master.phrases:
        alone = bind(clip, phrase.text, [phrase.text])
        pairs = matching_tokens(phrase, alone.phrases[0])
        length = clip.encode(phrase.text).shape[1]
        assert all(source < length for _, source in pairs)
        for to, source in pairs:
            text = fold(spelled(clip, case.prompt, master, (to,)))
            own = fold(spelled(clip, phrase.text, alone, (source,)))
            equal += text == own
            assert text == own or set(text) & set(own) or "�" in text + own
        length = max(key[2] for key in alone.phrases[0].keys)
        inside = {
            token
            for key, token in zip(phrase.keys, phrase.tokens, strict=True)
            if 0 <= key[1] < key[2] <= length
        }
        assert inside <= {to for to, _ in pairs}  # all but space is overwritten
        total += len(pairs)
    assert equal >= 0.6 * total


def test_overwrite_spans_replaces_the_spans_alone() -> None:
    torch.manual_seed(0)
    master = torch.randn(1, 12, 4, dtype=torch.float16)
    phrase = torch.randn(1, 6, 4)
    kept = master.clone()
    result = overwrite_spans(master, [phrase, phrase], [((2, 0), (3, 1)), ()])
    assert torch.equal(master, kept) and result.dtype == master.dtype
    assert torch.equal(result[:, 2:4], phrase[:, :2].half())
    others = [i for i in range(12) if i not in (2, 3)]
    assert torch.equal(result[:, others], master[:, others])
    with pytest.raises(PromptError, match="wide"):
        overwrite_spans(master, [phrase[..., :2]], [((2, 0),)])
    with pytest.raises(PromptError, match="tokens long"):
        overwrite_spans(master, [phrase], [((2, 6),)])


def regions(n: int) -> RegionSet:
    return RegionSet(tuple(Region(Box(i / n, 0, (i + 1) / n, 1)) for i in range(n)))


def test_node_binds_and_overwrites() -> None:
    clip = clip_of("flux")
    prompt = "a red fox looks at a blue car in the snow"
    positive: Any = [[torch.zeros_like(clip.encode(prompt)), {"regional_dit": "id"}]]
    lines = "a red fox\na blue car | car"
    out = BindPhrases.execute(clip, regions(2), positive, prompt, lines, True, 64)
    binding, encoded, picture, report = out.args
    changed = encoded[0][0][0].any(-1).nonzero()[:, 0].tolist()
    assert changed == [t for p in binding.phrases for t in p.tokens]
    assert encoded[0][1] == {"regional_dit": "id"} and not positive[0][0].any()
    assert picture.ndim == 4 and picture.shape[-1] == 3
    assert "1. 'a red fox': tokens 0-4; instance 3-4; attributes 2" in report
    plain = BindPhrases.execute(clip, regions(2), positive, prompt, lines, False, 64)
    assert torch.equal(plain.args[1][0][0], positive[0][0])


def test_node_takes_a_plan() -> None:
    clip = clip_of("flux")
    prompt = "a red circle and a dark blue square on black background"
    plan = Plan(
        prompt,
        regions=(
            RegionPlan("a circle on black background", "red", None, 1.0, 0, "circle", ("red",)),
            RegionPlan("a square", "dark blue", None, 1.0, 0, "square", ("dark blue",)),
        ),
    )
    positive = [[clip.encode(prompt), {}]]
    out = BindPhrases.execute(clip, regions(2), positive, prompt, "", False, 64, plan)
    assert [p.text for p in out.args[0].phrases] == ["red circle", "a dark blue square"]
    with pytest.raises(PromptError, match="both the phrases box and a plan"):
        BindPhrases.execute(clip, regions(2), positive, prompt, "a fox", False, 64, plan)
    with pytest.raises(PromptError, match="1 phrases for 2 regions"):
        BindPhrases.execute(clip, regions(2), positive, prompt, "red circle", False, 64)


def test_phrase_lines() -> None:
    lines = "a red car | car\n\n a cat | #2 \na dog | dog | #1\n"
    assert parse_phrase_lines(lines) == (
        Phrase("a red car", "car"),
        Phrase("a cat", occurrence=2),
        Phrase("a dog", "dog", occurrence=1),
    )
    for wrong, message in (
        ("", "no phrases"),
        ("| car", "Line 1"),
        ("a | b | c", "Line 1"),
        ("a | #x", "occurrence"),
        ("a | #0", "occurrence"),
    ):
        with pytest.raises(PromptError, match=message):
            parse_phrase_lines(wrong)
