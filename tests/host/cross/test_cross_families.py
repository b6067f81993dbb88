"""What must hold for any cross-attention family, through ComfyUI's own KSampler on tiny models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from host_sampling import assert_only_positive_rows_differ, first_call
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import Box, Region, RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import PromptError
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import RPG, Couple, Dense, Joint, LaRender, Omost, RCACLiteral
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_models import is_pristine
from tiny_cross import TINY
from tiny_cross_runs import BASE, LEFT, NEGATIVE, RIGHT, UID, assert_close


class Case:
    """One family's tiny model with the runs that several tests compare."""

    def __init__(self, name: str) -> None:
        self.tiny = TINY[name]
        self.model = self.tiny.model()
        self.negative = self.tiny.conditioning(NEGATIVE)
        self.stock = self.run(self.model)

    def patched(
        self,
        seeds: list[int] | None = None,
        *,
        regions: RegionSet | None = None,
        rule: Any = None,
        layers: tuple[int, ...] | None = None,
        percent: tuple[float, float] = (0.0, 1.0),
        lengths: list[int] | None = None,
        model: Any = None,
    ) -> Any:
        seeds = seeds or [LEFT, RIGHT]
        lengths = lengths or [self.tiny.length] * len(seeds)
        conds = [self.tiny.conditioning(*pair) for pair in zip(seeds, lengths, strict=True)]
        prompts = RegionalPrompts(
            UID,
            regions or split_canvas(1, len(seeds)),
            tuple(text_from_conditioning(c, "region") for c in conds),
            tuple(map(str, seeds)),
        )
        used = tuple(range(len(self.tiny.sides))) if layers is None else layers
        return install(
            model or self.model,
            RegionalPatch(prompts, rule or Couple(0.3), used, PercentRange(*percent)),
        )

    def run(
        self, model: Any, positive: int = BASE, extra: dict[str, Any] | None = None, **kwargs: Any
    ) -> torch.Tensor:
        cond = self.tiny.conditioning(positive, **(extra or {}))
        return self.tiny.sample(model, cond, kwargs.pop("negative", self.negative), **kwargs)

    def regional(
        self, model: Any, extra: dict[str, Any] | None = None, **kwargs: Any
    ) -> torch.Tensor:
        return self.run(model, extra={MARKER: UID, **(extra or {})}, **kwargs)

    def attention(self, layer: int) -> Any:
        base = self.model.model
        return find_family(base).modules(base)[layer]


@pytest.fixture(scope="module", params=list(TINY))
def case(request):
    return Case(request.param)


@pytest.mark.invariant("found")
def test_the_family_is_found(case):
    base = case.model.model
    family = find_family(base)
    assert family.name == case.tiny.family
    assert family.n_layers(base) == len(case.tiny.sides)
    assert base.diffusion_model.get_submodule(case.tiny.attention) is case.attention(0)


@pytest.mark.invariant("inert when empty")
@pytest.mark.parametrize("noop", [{"layers": ()}, {"percent": (0.5, 0.5)}], ids=["layers", "time"])
def test_empty_ranges_are_bit_exact(case, noop):
    assert torch.equal(case.regional(case.patched(**noop)), case.stock)


@pytest.mark.invariant("acts, no trace")
def test_regions_act_and_leave_nothing_behind(case):
    patch = case.patched()
    out = case.regional(patch, steps=2)
    assert out.isfinite().all()
    assert (case.regional(patch) - case.stock).abs().max() > 0.01
    assert is_pristine(case.model)
    assert case.model.model_options == {"transformer_options": {}}
    assert torch.equal(case.regional(case.model), case.stock)


@pytest.mark.invariant("own prompt")
def test_one_full_region_is_the_stock_run_with_its_prompt(case):
    wanted = case.run(case.model, LEFT)
    assert_close(case.regional(case.patched([LEFT], rule=Couple(0.0))), wanted)
    assert (wanted - case.stock).abs().max() > 0.01


@pytest.mark.invariant("same prompt")
@pytest.mark.parametrize("rule", [Couple(0.3), Joint(0.3)], ids=["mix", "merge"])
def test_soft_overlapping_masks_with_the_base_prompt_are_stock(case, rule):
    ramp = torch.linspace(0, 1, 96)[None].repeat(128, 1)
    masks = RegionSet.from_masks([ramp, 1 - ramp, torch.full((128, 96), 0.5)])
    out = case.regional(case.patched([BASE] * 3, regions=masks, rule=rule))
    assert_close(out, case.stock)


@pytest.mark.invariant("acts, no trace")
@pytest.mark.parametrize(
    "rule", [RPG(), LaRender(), Omost(), Dense(), RCACLiteral()], ids=lambda r: r.name
)
def test_every_rule_acts(case, rule):
    out = case.regional(case.patched(rule=rule))
    assert out.isfinite().all()
    assert (out - case.stock).abs().max() > 1e-3


@pytest.mark.invariant("negative exact")
def test_negative_rows_are_bit_exact(case):
    before = first_call(case.model, lambda spy: case.run(spy, batch=2))
    after = first_call(case.patched(), lambda spy: case.regional(spy, batch=2))
    assert_only_positive_rows_differ(before, after)


@pytest.mark.invariant("batches")
def test_batch_rows_equal_single_runs(case):
    patch = case.patched()
    noise = torch.randn(2, *case.tiny.latent, generator=torch.Generator().manual_seed(5))
    both = case.regional(patch, noise=noise)
    for row in range(2):
        alone = case.regional(patch, noise=noise[row : row + 1])
        assert_close(both[row : row + 1], alone)


@pytest.mark.invariant("lengths and sizes")
def test_cfg_one_and_prompts_of_uneven_length(case):
    n = case.tiny.length
    patch = case.patched(lengths=[n, 2 * n])
    alone = case.regional(patch, cfg=1.0)
    assert (alone - case.run(case.model, cfg=1.0)).abs().max() > 1e-3
    longer = case.tiny.conditioning(NEGATIVE, 3 * n)  # another length than the positive's
    assert case.regional(patch, negative=longer).isfinite().all()


@pytest.mark.invariant("weights")
def test_weight_patches_reach_regional_keys(case):
    name = f"{case.tiny.attention}.{case.tiny.key}.weight"
    weight = case.model.model.diffusion_model.get_parameter(name)
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)) * 0.3

    def with_noise(model):
        lora = model.clone()
        lora.add_patches({f"diffusion_model.{name}": ("diff", (noise,))}, 1.0)
        return lora

    wanted = case.run(with_noise(case.model), LEFT)
    out = case.regional(with_noise(case.patched([LEFT], rule=Couple(0.0))))
    assert_close(out, wanted)
    assert (wanted - case.run(case.model, LEFT)).abs().max() > 1e-3


@pytest.mark.invariant("weights")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn], ids=str)
def test_the_patch_adds_no_more_rounding_than_the_precision_costs_stock(case, dtype):
    low = case.tiny.model(dtype=dtype)
    soft = split_canvas(1, 2, feather=0.5)
    out = case.regional(case.patched(regions=soft, rule=Joint(0.3), model=low))
    exact = case.regional(case.patched(regions=soft, rule=Joint(0.3)))
    cost = (case.run(low) - case.stock).abs().max()
    assert out.isfinite().all() and (out - exact).abs().max() < 4 * cost


@pytest.mark.invariant("refuses others")
def test_prompts_of_another_model_are_refused(case):
    states = torch.zeros(1, 7, case.tiny.text_width + 8)
    wrong = text_from_conditioning([[states, {}]], "region 1")
    prompts = RegionalPrompts(UID, split_canvas(1, 1), (wrong,), ("",))
    with pytest.raises(PromptError, match=f"width {case.tiny.text_width + 8}.*{case.tiny.family}"):
        install(case.model, RegionalPatch(prompts, Couple(), (0,), PercentRange()))


# -- The published formula, restated with the stock forwards ---------------------------------------


def half_masks(
    size: tuple[int, ...], side: int, frames: tuple[float, float] | None
) -> tuple[torch.Tensor, ...]:
    """Weights [3, N] of (base, left half, right half) by hand; the left one lives in ``frames``."""
    *time, height, width = size
    n_frames = time[0] if time else 1
    starts = torch.arange(0, width, side).float()
    stops = (starts + side).clamp_max(width)
    left = ((stops.clamp_max(width / 2) - starts) / (stops - starts)).clamp(0, 1)
    alive = torch.ones(n_frames)
    if frames is not None:
        edges = torch.arange(n_frames + 1) / n_frames
        inside = edges.clamp(*frames)
        alive = (inside.diff() * n_frames).clamp(0, 1)
    rows = -(-height // side)
    grid = torch.ones(n_frames, rows, len(starts))
    m_left = (grid * left * alive[:, None, None]).flatten()
    m_right = (grid * (1 - left)).flatten()
    return 1 - m_left - m_right, m_left, m_right


def recorded(case: Case, seed: int, **kwargs: Any) -> dict[int, tuple[tuple, dict]]:
    """Arguments (without x) of every layer's cross-attention in a stock run with this prompt."""
    calls: dict[int, tuple[tuple, dict]] = {}

    def recording(layer: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        def record(x, *args, **kw):
            calls[layer] = args, kw
            return forward(x, *args, **kw)

        return record

    swapped(case, recording, lambda: case.run(case.model, seed, **kwargs))
    return calls


def swapped(case: Case, make: Callable[..., Any], run: Callable[[], Any]) -> Any:
    modules = [case.attention(layer) for layer in range(len(case.tiny.sides))]
    for layer, module in enumerate(modules):
        module.forward = make(layer, module.forward)
    try:
        return run()
    finally:
        for module in modules:
            del module.forward


def restated(case: Case, size: tuple[int, ...], frames: tuple[float, float] | None) -> torch.Tensor:
    """Every cross-attention's output is sum_r m_r forward(x, text_r) for the positive rows.

    The output projection is affine and the masks sum to one, so mixing after it is the same.
    """
    calls = {seed: recorded(case, seed, size=size) for seed in (BASE, LEFT, RIGHT)}

    def mixing(layer: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        weights = half_masks(size, case.tiny.sides[layer], frames)

        def mix(x, *args, **kw):
            outs = []
            for seed in (BASE, LEFT, RIGHT):
                args_, kw_ = calls[seed][layer]
                outs.append(forward(x, *args_, **kw_).movedim(case.tiny.row_axis, 0))
            mixed = torch.stack([m[:, None] * out for m, out in zip(weights, outs, strict=True)])
            mixed = mixed.sum(0)
            half = len(outs[0]) // 2  # ComfyUI batches [uncond, cond]
            return torch.cat([outs[0][:half], mixed[half:]]).movedim(0, case.tiny.row_axis)

        return mix

    return swapped(case, mixing, lambda: case.run(case.model, size=size))


@pytest.mark.invariant("formula")
@pytest.mark.parametrize("frames", [None, (0.0, 0.5)], ids=["always", "first half"])
@pytest.mark.parametrize("odd", [False, True], ids=["even", "odd"])
def test_patch_equals_the_published_formula(case, odd, frames):
    size = case.tiny.odd if odd else case.tiny.latent[1:]
    if size is None:
        pytest.skip("ComfyUI itself takes no odd latents here")
    if frames and not case.tiny.is_video:
        pytest.skip("a picture has no frames")
    halves = RegionSet((Region(Box(0, 0, 0.5, 1), frames=frames), Region(Box(0.5, 0, 1, 1))))
    ours = case.regional(case.patched(regions=halves, rule=Couple(0.0)), size=size)
    theirs = restated(case, size, frames)
    assert_close(ours, theirs)
    stock = case.run(case.model, size=size)
    assert (ours - stock).abs().max() > 20 * (ours - theirs).abs().max()
