"""Regions that fade in a video, on tiny video models: whole samplings against dense restatements.

The share of a region is written out here, frame by frame, as place times
exp(-relu(|f - mid| - w)^2 / (2 sigma^2)).
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from host_sampling import sampled
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.frame_fade import FrameFade
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import RegionError
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import Bind, Couple, EliGen, Joint, Rule
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.report import patch_report
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_dit.nodes.regions.frames import RegionFrames
from tiny_cross import TINY as CROSS
from tiny_cross import TinyCross
from tiny_cross_runs import BASE, LEFT, RIGHT, UID, assert_close, patched
from tiny_dense_rules import DenseRule
from tiny_dense_runs import blocks_of
from tiny_joint import TINY as JOINT

OWN: dict[str, Any] = {MARKER: UID}  # what tells a positive that the regions are its own
FRAMES = 6  # latent frames
SIGMA, INSET = 0.11, 0.08
RANGES = ((0.0, 0.5), (1 / 3, 5 / 6))  # of the left half, and of the right
REGIONS = RegionSet(
    tuple(
        Region(box, frames=frames, fade=FrameFade(SIGMA, INSET))
        for box, frames in zip((Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)), RANGES, strict=True)
    )
)


def shares(rows: int, cols: int) -> torch.Tensor:
    """Place times time, [2, FRAMES * rows * cols]; an even number of columns."""
    out = torch.zeros(2, FRAMES, rows, cols, dtype=torch.float64)
    for region, (start, end) in enumerate(RANGES):
        columns = slice(0, cols // 2) if region == 0 else slice(cols // 2, cols)
        mid, w = (start + end) / 2, (end - start) / 2 - INSET
        for frame in range(FRAMES):
            f = (frame + 0.5) / FRAMES
            beyond = max(abs(f - mid) - w, 0.0)
            if start == 0.0 and f < mid:  # the video's own beginning
                beyond = 0.0
            out[region, frame, :, columns] = math.exp(-(beyond**2) / (2 * SIGMA**2))
    return out.flatten(1).masked_fill(out.flatten(1) < 1e-3, 0.0)


def owned(rows: int, cols: int) -> torch.Tensor:
    """[3, N]: what the two leave is the global prompt's."""
    both = shares(rows, cols)
    return torch.cat([1 - both.sum(0, keepdim=True), both])


class Cross:
    """A tiny video model with cross-attention, one row a call, and its texts at each layer."""

    def __init__(self, name: str) -> None:
        self.tiny: TinyCross = CROSS[name]
        self.model = self.tiny.model()
        base = self.model.model
        self.modules: Any = find_family(base).modules(base)
        size = (FRAMES, 8, 8)  # an even number of tokens across
        generator = torch.Generator().manual_seed(5)
        self.noise = torch.randn(1, self.tiny.latent[0], *size, generator=generator)
        shape = find_family(base).token_shape(base, size, 0)
        self.size = shape.rows, shape.cols

    def run(self, model: Any, seed: int = BASE, **extra: Any) -> torch.Tensor:
        positive = self.tiny.conditioning(seed, **extra)
        return self.tiny.sample(model, positive, positive, cfg=1.0, noise=self.noise)

    def texts(self, seed: int) -> dict[Any, tuple[Any, dict[str, Any]]]:
        """What each module is given as its text in an unpatched run."""
        seen: dict[Any, tuple[Any, dict[str, Any]]] = {}

        def spy(module: Any) -> Any:
            def forward(x: Any, context: Any = None, **kwargs: Any) -> Any:
                seen[module] = context, {k: v for k, v in kwargs.items() if "mask" in k}
                return type(module).forward(module, x, context, **kwargs)

            return forward

        self.with_forwards(spy, seed)
        return seen

    def with_forwards(self, make: Any, seed: int = BASE) -> torch.Tensor:
        for module in self.modules:
            module.forward = make(module)
        try:
            return self.run(self.model, seed)
        finally:
            for module in self.modules:
                del module.forward


@pytest.mark.parametrize("name", ["wan_t2v", "ltxv"])
def test_couple_mixes_one_output_per_prompt_by_place_times_time(name):
    case = Cross(name)
    texts = [case.texts(seed) for seed in (BASE, LEFT, RIGHT)]
    omega = owned(*case.size).float()

    def dense(module: Any) -> Any:
        def forward(x: Any, context: Any = None, **kwargs: Any) -> Any:
            outs = []
            for text in texts:
                states, masks = text[module]
                outs.append(type(module).forward(module, x, states, **{**kwargs, **masks}))
            return sum(w[None, :, None] * out for w, out in zip(omega, outs, strict=True))

        return forward

    wanted = case.with_forwards(dense)
    model = patched(case.tiny, case.model, [LEFT, RIGHT], REGIONS, Couple(0.0))
    assert_close(case.run(model, **OWN), wanted)
    assert (wanted - case.run(case.model)).abs().max() > 1e-2
    hard = RegionSet(tuple(Region(r.shape, frames=r.frames) for r in REGIONS.regions))
    other = case.run(patched(case.tiny, case.model, [LEFT, RIGHT], hard, Couple(0.0)), **OWN)
    assert (wanted - other).abs().max() > 1e-2


def test_joint_adds_the_penalty_to_the_scores_of_the_regions_words():
    """Wan: one softmax over all words, plus the log of place times time for each region's."""
    case = Cross("wan_t2v")
    texts = [case.texts(seed) for seed in (BASE, LEFT, RIGHT)]
    added = owned(*case.size).log()

    def dense(module: Any) -> Any:
        def heads(t: torch.Tensor) -> torch.Tensor:
            return t.unflatten(-1, (module.num_heads, -1)).transpose(1, 2).double()

        def forward(x: Any, context: Any = None, **kwargs: Any) -> Any:
            q = heads(module.norm_q(module.q(x)))
            scores, values = [], []
            for text, bias in zip(texts, added, strict=True):
                states = text[module][0]
                k = heads(module.norm_k(module.k(states)))
                scores.append(q @ k.mT / q.shape[-1] ** 0.5 + bias[:, None])
                values.append(heads(module.v(states)))
            out = torch.cat(scores, -1).softmax(-1) @ torch.cat(values, 2)
            return module.o(out.transpose(1, 2).flatten(2).to(x.dtype))

        return forward

    wanted = case.with_forwards(dense)
    model = patched(case.tiny, case.model, [LEFT, RIGHT], REGIONS, Joint(0.0, False))
    assert_close(case.run(model, **OWN), wanted)
    assert (wanted - case.run(case.model)).abs().max() > 1e-2


@pytest.mark.parametrize(
    "rule", [EliGen(), Bind(0.3, isolate_until=0.4)], ids=lambda rule: rule.name
)
def test_hunyuan_video_equals_full_score_matrices(monkeypatch, rule: Rule):
    tiny = JOINT["HunyuanVideo 1.5"]
    model = tiny.model()
    size = (FRAMES, 8, 8)
    shape = find_family(model.model).token_shape(model.model, size, 0)
    seeds = ((3, 9), (4, 12))
    texts = tuple(text_from_conditioning(tiny.conditioning(*pair), "region") for pair in seeds)
    patch = RegionalPatch(
        RegionalPrompts(UID, REGIONS, texts, ("a", "b")),
        rule,
        tuple(range(tiny.n_layers)),
        PercentRange(),
    )
    dense = DenseRule(rule, shares(shape.rows, shape.cols), blocks_of("HunyuanVideo 1.5"))
    positive = tiny.conditioning(1, **OWN)

    def sample(model: Any) -> torch.Tensor:
        latent = torch.zeros(1, tiny.channels, *size)
        return sampled(model, positive, tiny.conditioning(2), latent, cfg=1.0, steps=3)

    regional = dense.following(install(model, patch))
    out = sample(regional)
    dense.step = -1
    with dense.in_place(monkeypatch):
        wanted = sample(regional)
    assert dense.n_calls >= 3 * tiny.n_layers
    torch.testing.assert_close(out, wanted, atol=5e-5, rtol=1e-4)
    assert (out - sample(model)).abs().max() > 1e-4


def frames_node(*values: object) -> Any:
    return RegionFrames.execute(split_canvas(1, 2), "0:0.5, 0.5:1", *values).args[0]


def test_the_node_gives_a_fade_and_none_by_default():
    assert [region.fade for region in frames_node().regions] == [None, None]
    assert [region.fade for region in frames_node(0.1).regions] == [FrameFade(0.1)] * 2
    assert frames_node(0.1, 0.0).regions[1].fade == FrameFade(0.1, 0.0)
    assert [region.frames for region in frames_node(0.1).regions] == [(0.0, 0.5), (0.5, 1.0)]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.0, 0.1), "inset of 0.1 and no softness.*Set softness above 0, or inset to -1"),
        ((1.5,), "softness of a frame range is 1.5"),
        ((-0.1,), "softness of a frame range is -0.1"),
        ((0.1, -0.5), "inset of a frame range is -0.5"),
    ],
)
def test_the_node_refuses_in_words(values, words):
    with pytest.raises(RegionError, match=words):
        frames_node(*values)


def test_the_report_says_how_a_region_comes_and_goes():
    case = Cross("wan_t2v")
    text = text_from_conditioning(case.tiny.conditioning(LEFT), "")
    prompts = RegionalPrompts(UID, REGIONS, (text, text), ("fox", "tree"))
    patch = RegionalPatch(prompts, Couple(), (0,), PercentRange())
    report = patch_report(find_family(case.model.model), 1, patch, None)
    assert "(frames 33% to 83%, fading with sigma 11.0%, inset 8.0%)" in report
