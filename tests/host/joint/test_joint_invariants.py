"""What must hold for any joint family, through ComfyUI's own KSampler on tiny random models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from host_sampling import assert_only_positive_rows_differ, first_call
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.errors import PromptError, RegionalError
from regional_dit.attention.families import find_family
from regional_dit.attention.rules import Bind, Couple
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_models import is_pristine
from tiny_joint import TINY
from tiny_joint_case import BASE, EVERYWHERE, HARD, LEFT, NEGATIVE, RIGHT, STRONG, UID


class Case:
    """One family's tiny model with the runs that several tests compare."""

    def __init__(self, name: str) -> None:
        self.tiny = TINY[name]
        self.name = name
        self.model = self.tiny.model()
        self.negative = self.tiny.conditioning(NEGATIVE)
        self.stock = self.run(self.model)

    def prompts(
        self, seeds: list[int], regions: RegionSet | None = None, lengths: list[int] | None = None
    ) -> RegionalPrompts:
        conds = [
            self.tiny.conditioning(s, lengths[i] if lengths else None) for i, s in enumerate(seeds)
        ]
        texts = tuple(text_from_conditioning(c, "region") for c in conds)
        names = tuple(map(str, seeds))
        return RegionalPrompts(UID, regions or split_canvas(1, len(seeds)), texts, names)

    def patched(
        self,
        seeds: list[int] | None = None,
        *,
        regions: RegionSet | None = None,
        rule: Any = STRONG,
        layers: tuple[int, ...] | None = None,
        percent: tuple[float, float] = (0.0, 1.0),
        lengths: list[int] | None = None,
        model: Any = None,
    ) -> Any:
        used = tuple(range(self.tiny.n_layers)) if layers is None else layers
        prompts = self.prompts(seeds or [LEFT, RIGHT], regions, lengths)
        return install(
            model or self.model, RegionalPatch(prompts, rule, used, PercentRange(*percent))
        )

    def run(self, model: Any, positive: int = BASE, marked: bool = False, **kwargs: Any) -> Any:
        extra: dict[str, Any] = {MARKER: UID} if marked else {}
        return self.tiny.sample(
            model, self.tiny.conditioning(positive, **extra), self.negative, **kwargs
        )

    def regional(self, model: Any, **kwargs: Any) -> torch.Tensor:
        return self.run(model, marked=True, **kwargs)


@pytest.fixture(scope="module", params=list(TINY))
def case(request):
    return Case(request.param)


@pytest.mark.invariant("found")
def test_the_family_is_found(case):
    family = find_family(case.model.model)
    assert family.name == (case.tiny.family or case.name)
    assert family.n_layers(case.model.model) == case.tiny.n_layers


@pytest.mark.invariant("acts, no trace")
def test_regions_change_the_picture(case):
    out = case.regional(case.patched())
    assert out.isfinite().all()
    assert (out - case.stock).abs().max() > 0.01


@pytest.mark.invariant("inert when empty")
@pytest.mark.parametrize(
    "noop",
    [
        {"layers": ()},
        {"percent": (0.5, 0.5)},
        {"percent": (1.0, 1.0)},
        {"rule": Bind(release_at=0.0)},
    ],
    ids=["layers", "percent", "percent-end", "released"],
)
def test_empty_ranges_are_bit_exact(case, noop):
    assert torch.equal(case.regional(case.patched(**noop)), case.stock)


@pytest.mark.invariant("acts, no trace")
def test_nothing_is_left_behind(case):
    patched = case.patched()
    case.regional(patched)
    assert is_pristine(case.model)
    assert case.model.model_options == {"transformer_options": {}}
    assert "optimized_attention_override" not in patched.model_options["transformer_options"]
    assert torch.equal(case.run(case.model), case.stock)


@pytest.mark.invariant("inert when empty")
def test_marker_is_inert_without_the_patch(case):
    assert torch.equal(case.regional(case.model), case.stock)


@pytest.mark.invariant("own prompt")
def test_one_full_region_is_the_stock_run_with_its_prompt(case):
    wanted = case.run(case.model, LEFT)
    out = case.regional(case.patched([LEFT], rule=HARD))
    assert (wanted - case.stock).abs().max() > 0.01
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("same prompt")
@pytest.mark.parametrize("rule", [HARD, STRONG, Bind(1.0, 1.0, 1.0)])
def test_full_regions_with_the_base_prompt_are_stock(case, rule):
    out = case.regional(case.patched([BASE, BASE], regions=EVERYWHERE, rule=rule))
    torch.testing.assert_close(out, case.stock, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("lengths and sizes")
def test_prompts_of_uneven_length(case):
    uneven = case.patched([LEFT, RIGHT, 5], lengths=[4, 17, 9])
    out = case.regional(uneven)
    assert out.isfinite().all() and (out - case.stock).abs().max() > 0.01
    one = case.regional(case.patched([LEFT], rule=HARD, lengths=[5]))
    wanted = case.tiny.sample(case.model, case.tiny.conditioning(LEFT, 5), case.negative)
    torch.testing.assert_close(one, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("negative exact")
def test_negative_rows_are_bit_exact(case):
    before = first_call(case.model, case.run)
    after = first_call(case.patched(), case.regional)
    assert_only_positive_rows_differ(before, after)


@pytest.mark.invariant("batches")
def test_batch_rows_equal_the_runs_alone(case):
    patched = case.patched()
    together = case.regional(patched, batch=2)
    alone = case.regional(patched)
    torch.testing.assert_close(together[:1], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.invariant("lengths and sizes")
@pytest.mark.parametrize("size", [(15, 12), (17, 11), (9, 16)])
def test_odd_sizes(case, size):
    once = {"height": size[0], "width": size[1], "steps": 1}  # a size is the same at each step
    stock = case.run(case.model, **once)
    everywhere = case.patched([BASE, BASE], regions=EVERYWHERE)
    torch.testing.assert_close(case.regional(everywhere, **once), stock, atol=1e-4, rtol=1e-4)
    assert case.regional(case.patched(), **once).isfinite().all()


@pytest.mark.invariant("lengths and sizes")
def test_cfg_one_and_unequal_negative(case):
    patched = case.patched()
    assert case.regional(patched, cfg=1.0).isfinite().all()
    negative = case.tiny.conditioning(NEGATIVE, 7)
    apart = case.tiny.sample(patched, case.tiny.conditioning(BASE, **{MARKER: UID}), negative)
    assert apart.isfinite().all()


@pytest.mark.invariant("same prompt")
@pytest.mark.parametrize("layers", [(0,), (1, 2), (2, 3)])
def test_the_base_prompt_in_any_layers_is_stock(case, layers):
    out = case.regional(case.patched([BASE, BASE], regions=EVERYWHERE, layers=layers))
    torch.testing.assert_close(out, case.stock, atol=1e-4, rtol=1e-4)
    assert (case.regional(case.patched(layers=layers)) - case.stock).abs().max() > 1e-3


@pytest.mark.invariant("lengths and sizes")
def test_soft_overlapping_and_uncovered_masks_are_finite(case):
    ramp = torch.linspace(0, 1, 48)[None].repeat(64, 1)
    hole = torch.zeros(64, 48)
    hole[8:40, 8:40] = 0.7
    masks = RegionSet.from_masks([ramp, hole])
    assert case.regional(case.patched(regions=masks)).isfinite().all()


@pytest.mark.invariant("acts, no trace")
def test_two_patches_in_a_row(case):
    """Disjoint layers, other prompts: finite, and unlike either alone; the first in all layers
    below a second in all layers changes nothing."""
    half = case.tiny.n_layers // 2
    low, high = tuple(range(half)), tuple(range(half, case.tiny.n_layers))
    first = case.patched([LEFT, RIGHT], layers=low)
    both = case.patched([5, 6], layers=high, model=first)
    out = case.regional(both)
    assert out.isfinite().all()
    assert (out - case.regional(first)).abs().max() > 1e-3
    over = case.patched([5, 6], model=case.patched([LEFT, RIGHT]))
    torch.testing.assert_close(
        case.regional(over), case.regional(case.patched([5, 6])), atol=1e-4, rtol=1e-4
    )


@pytest.mark.invariant("refuses others")
def test_a_rule_of_the_other_kind_is_refused(case):
    with pytest.raises(RegionalError, match=r"cross-attention.*joint attention"):
        case.patched(rule=Couple(0.3))


@pytest.mark.invariant("refuses others")
def test_text_of_another_model_is_refused(case):
    prompts = case.prompts([LEFT, RIGHT])
    wrong = [{**text, "cross_attn": text["cross_attn"][..., :-1]} for text in prompts.texts]
    prompts = RegionalPrompts(UID, prompts.regions, tuple(wrong), prompts.prompts)
    with pytest.raises(PromptError, match=r"width.*connect the CLIP"):
        install(case.model, RegionalPatch(prompts, STRONG, (0,), PercentRange()))
