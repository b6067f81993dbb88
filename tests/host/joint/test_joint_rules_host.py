"""What must hold for every joint rule, through ComfyUI's own KSampler on tiny random models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from host_sampling import assert_only_positive_rows_differ, first_call
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.errors import RegionalError
from regional_dit.attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux, Rule
from regional_dit.attention.sampling.host import install, patches_of
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import RegionalPrompts, text_from_conditioning
from regional_models import is_pristine
from tiny_joint import TINY
from tiny_joint_case import BASE, LEFT, NEGATIVE, RIGHT, UID, Case, host, shallow_case, shared_case
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

RULES: dict[str, Rule] = {
    "rpf": RegionalPromptingFlux(0.3, 10, 2, 2),
    "rpf pure base": RegionalPromptingFlux(0.3, 1, 2, 2, "pure base", "alone"),
    "eligen": EliGen(),
    "bias": Bias(),
    "bind": Bind(0.3, isolate_until=0.6, release_at=1.0),
}
# Rules that with the global prompt in every region are the model without regions.
NEUTRAL = ("rpf", "rpf pure base", "bind")

SOFT = torch.linspace(0, 1, 48)[None].repeat(64, 1)
HOLE = torch.zeros(64, 48)
HOLE[8:40, 8:40] = 0.7


@pytest.fixture(params=["Flux", "SD3"])
def case(request):
    return shared_case(request.param)


@pytest.fixture(params=list(RULES))
def rule(request):
    return RULES[request.param]


def patched(
    case: Case,
    seeds: list[int],
    masks: list[torch.Tensor],
    rule: Rule,
    layers: Any = None,
    model: Any = None,
) -> Any:
    texts = tuple(text_from_conditioning(case.tiny.conditioning(s), "region") for s in seeds)
    prompts = RegionalPrompts(UID, RegionSet.from_masks(masks), texts, ("",) * len(seeds))
    used = tuple(range(case.tiny.n_layers) if layers is None else layers)
    return install(model or case.model, RegionalPatch(prompts, rule, used, PercentRange()))


def stock(case: Case, **kwargs: Any) -> torch.Tensor:
    return case.sample(case.model, **kwargs) if kwargs else case.stock


def test_regions_act_and_nothing_is_left_behind(case, rule):
    before = stock(case)
    out = case.sample(case.patch(case.model, [LEFT, RIGHT], rule))
    assert out.isfinite().all() and (out - before).abs().max() > 1e-3
    assert is_pristine(case.model)
    assert case.model.model_options == {"transformer_options": {}}
    assert torch.equal(case.sample(case.model), before)


def test_soft_overlapping_and_uncovered_masks(case, rule):
    out = case.sample(patched(case, [LEFT, RIGHT], [SOFT, HOLE], rule))
    assert out.isfinite().all()


def test_no_layers_is_bit_exact(case, rule):
    out = case.sample(patched(case, [LEFT, RIGHT], [SOFT, HOLE], rule, layers=()))
    assert torch.equal(out, stock(case))


def test_no_steps_is_bit_exact(case):
    idle = RegionalPromptingFlux(0.2, 0)
    out = case.sample(patched(case, [LEFT, RIGHT], [SOFT, HOLE], idle))
    assert torch.equal(out, stock(case))


def test_an_interrupted_run_leaves_nothing(case, rule):
    class StopError(Exception):
        pass

    model = case.patch(case.model, [LEFT, RIGHT], rule)
    calls = []

    def stop(func: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 9:
            raise StopError
        return func(*args, **kwargs)

    model.model_options["transformer_options"]["optimized_attention_override"] = stop
    with pytest.raises(StopError):
        case.sample(model)
    assert is_pristine(case.model)


def test_negative_rows_are_bit_exact(case, rule):
    regional = patched(case, [LEFT, RIGHT], [SOFT, HOLE], rule)
    before, after = first_call(case.model, case.sample), first_call(regional, case.sample)
    assert_only_positive_rows_differ(before, after)


def test_batch_rows_equal_the_runs_alone(case, rule):
    model = case.patch(case.model, [LEFT, RIGHT], rule)
    together = case.sample(model, latent=case.latent(batch=2))
    torch.testing.assert_close(together[:1], case.sample(model), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(15, 12), (9, 17)])
def test_odd_sizes(case, rule, size):
    latent = {"samples": torch.zeros(1, case.tiny.channels, *size)}
    out = case.sample(case.patch(case.model, [LEFT, RIGHT], rule), latent=latent)
    assert out.shape[2:] == size and out.isfinite().all()


def test_no_guidance_and_prompts_apart(case, rule):
    model = case.patch(case.model, [LEFT, RIGHT], rule)
    assert case.sample(model, cfg=1.0).isfinite().all()
    longer = case.tiny.conditioning(NEGATIVE, 7)  # cannot share a batch with the positive
    assert case.sample(model, negative=longer).isfinite().all()


@pytest.mark.parametrize("name", NEUTRAL)
def test_one_full_region_with_the_base_prompt_is_stock(case, name):
    out = case.sample(case.patch(case.model, [BASE], RULES[name]))
    torch.testing.assert_close(out, stock(case), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layers", [(0,), (1, 2), (1, 3), (3,)], ids=str)
@pytest.mark.parametrize("name", NEUTRAL)
def test_the_base_prompt_in_some_layers_is_stock(case, name, layers):
    model = patched(case, [BASE], [torch.ones(8, 8)], RULES[name], layers)
    torch.testing.assert_close(case.sample(model), stock(case), atol=1e-4, rtol=1e-4)


def test_rpf_without_base_in_one_full_region_is_stock_with_its_prompt(case):
    model = case.patch(case.model, [LEFT], RegionalPromptingFlux(0.0, 10))
    positive, _ = case.conds(LEFT)
    wanted = case.sample(case.model, positive=positive)
    torch.testing.assert_close(case.sample(model), wanted, atol=1e-4, rtol=1e-4)


def test_two_rules_take_turns_in_one_model(case):
    """Bind in a layer between two of rpf's, where the second image stream passes through."""
    full = [torch.ones(8, 8)]
    one = patched(case, [BASE], full, RegionalPromptingFlux(0.3, 10), (0, 2, 4))
    both = patched(case, [BASE], full, RULES["bind"], (1, 3), one)
    assert len(patches_of(both)) == 2
    torch.testing.assert_close(case.sample(both), stock(case), atol=1e-4, rtol=1e-4)
    other = patched(case, [LEFT, RIGHT], [SOFT, HOLE], RegionalPromptingFlux(0.3, 10), (0, 2, 4))
    mixed = patched(case, [6, 7], [HOLE, SOFT], RULES["bind"], (1, 3), other)
    assert (case.sample(mixed) - case.sample(other)).abs().max() > 1e-3


def test_an_area_of_the_canvas_that_misses_a_region(case, rule):
    positive, _ = case.conds()
    (area,) = host.ConditioningSetArea().append(positive, 64, 64, 0, 0, 1.0)  # 8 x 8 latent pixels
    far = torch.zeros(16, 12)
    far[12:, 8:] = 1.0
    near = torch.zeros(16, 12)
    near[:6] = 1.0
    model = patched(case, [LEFT, RIGHT], [near, far], rule)
    assert case.sample(model, positive=[*area, *positive]).isfinite().all()


@pytest.mark.parametrize("name", list(RULES))
def test_reference_images(name):
    """Flux Kontext: reference tokens go with the global prompt and its image."""
    case = shared_case("Flux")
    positive, _ = case.conds()
    reference = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(5))
    positive = [[text, {**extra, "reference_latents": [reference]}] for text, extra in positive]
    wanted = case.sample(case.model, positive=positive)
    assert (wanted - stock(case)).abs().max() > 1e-3
    if name in NEUTRAL:
        out = case.sample(case.patch(case.model, [BASE], RULES[name]), positive=positive)
        torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)
    out = case.sample(patched(case, [LEFT, RIGHT], [SOFT, HOLE], RULES[name]), positive=positive)
    assert out.isfinite().all()


class LargestTensor(TorchDispatchMode):
    """The most elements that any operation returned."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sizes = [t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        self.numel = max(self.numel, *sizes, 0)
        return out


def fused(func: Any, q: Any, k: Any, v: Any, heads: int, mask: Any = None, **kw: Any) -> Any:
    """A backend that makes no score matrix of its own."""
    assert mask is None
    if not kw.get("skip_reshape"):
        q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


@pytest.mark.parametrize("masks", ["hard", "soft"])
def test_no_tensor_of_image_by_image_tokens(rule, masks):
    case = shallow_case("Flux")  # tensors are large here: one block of each kind
    side, n_tokens = 128, 64 * 64
    halves = torch.zeros(2, 64, 48)
    halves[0, :, :24], halves[1, :, 24:] = 1.0, 1.0
    model = patched(case, [LEFT, RIGHT], list(halves) if masks == "hard" else [SOFT, HOLE], rule)
    model.model_options["transformer_options"]["optimized_attention_override"] = fused
    latent = {"samples": torch.zeros(1, 16, side, side)}
    with LargestTensor() as largest:
        case.sample(model, latent=latent, cfg=1.0, steps=1)
    assert 0 < largest.numel < n_tokens * n_tokens / 4


@pytest.mark.parametrize("name", list(RULES))
def test_a_cross_attention_model_refuses_before_sampling(model, name):
    """``model`` is a tiny HunyuanDiT."""
    flux = TINY["Flux"]
    texts = (text_from_conditioning(flux.conditioning(LEFT), "region"),)
    regions = RegionSet.from_masks([torch.ones(4, 4)])
    prompts = RegionalPrompts(UID, regions, texts, ("",))
    with pytest.raises(RegionalError, match=r"made for joint attention.*HunyuanDiT"):
        install(model, RegionalPatch(prompts, RULES[name], (0,), PercentRange()))


def test_isolated_layers_outside_of_the_model_are_refused(case):
    rule = Bind(isolated_layers=(4, 60))
    with pytest.raises(RegionalError, match=r"4\.\.60 do not exist: this model has the layers 0"):
        case.patch(case.model, [LEFT, RIGHT], rule)
