"""The preflight report of the patch node: what it says with and without a latent."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.families import find_family
from regional_dit.attention.sampling.host import install, patches_of
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning
from regional_dit.demo_model.loader import load_demo
from regional_dit.nodes.patching.preflight import preflight


def report(boxes: list[tuple[float, float, float, float]], latent: Any, layers: int = 8) -> str:
    model, clip, _ = load_demo()
    text = clip.encode_from_tokens_scheduled(clip.tokenize("a red circle"))
    prompts = RegionalPrompts(
        uid=uuid.uuid4().hex,
        regions=RegionSet(tuple(Region(Box(*box)) for box in boxes)),
        texts=tuple(text_from_conditioning(text, "a region") for _ in boxes),
        prompts=("a red circle",) * len(boxes),
    )
    family = find_family(model.model)
    patch = RegionalPatch(
        prompts, family.default_rule(0.0), tuple(range(layers)), PercentRange(0.0, 1.0)
    )
    fitted = patches_of(install(model, patch))[-1]
    return preflight(family, model.model, fitted, latent)


HALVES = [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 0.5)]


def test_backend_and_memory_are_named() -> None:
    said = report(HALVES, None)
    assert "Attention backend: " in said
    assert "MiB, for keys and values" in said
    assert "connect the latent" in said


def test_tokens_of_a_latent() -> None:
    said = report(HALVES, {"samples": torch.zeros(1, 4, 32, 32)})
    assert "Token grid: 16 x 16 = 256 tokens; 25% of them follow the global prompt." in said
    assert "Tokens per region: 1: 128, 2: 64." in said
    assert "Warning" not in said and "border" not in said


def test_borders_between_tokens_are_counted() -> None:
    said = report([(0.0, 0.0, 0.52, 1.0)], {"samples": torch.zeros(1, 4, 32, 32)})
    assert "16 tokens lie on a border and mix prompts." in said


@pytest.mark.parametrize("side", [0.0001, 0.03])
def test_a_region_without_tokens_is_warned_of(side: float) -> None:
    said = report([(0.0, 0.0, side, side)], {"samples": torch.zeros(1, 4, 32, 32)})
    assert "Warning: " in said


def test_a_patch_that_changes_nothing_needs_nothing() -> None:
    said = report(HALVES, None, layers=0)
    assert "memory" not in said
