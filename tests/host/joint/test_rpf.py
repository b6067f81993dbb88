"""The rule 'rpf' over whole samplings of a tiny Flux, against the paper written out densely."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_torch_compile import TorchCompileModel
from host_features import outputs
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.rules import RegionalPromptingFlux
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from tiny_flux_rpf import DenseRPF
from tiny_joint import TINY
from tiny_joint_models import flux
from torch._dynamo.utils import counters

UID = "regions-a"
ROWS, COLS = 8, 6  # tokens of the latent of 16 x 12
SEEDS = (3, 4)  # of the two regional prompts
# Four single blocks, so that an interval of two meets each kind of block twice.
FLUX = replace(TINY["Flux"], build=partial(flux, depth_single_blocks=4), n_layers=6)

HALVES = torch.zeros(2, ROWS, COLS)
HALVES[0, :, :3], HALVES[1, :, 3:] = 1.0, 1.0
APART = torch.zeros(2, ROWS, COLS)  # overlapping, and much of the canvas uncovered
APART[0, 1:5, 1:4], APART[1, 3:7, 2:5] = 1.0, 1.0


@pytest.fixture(scope="module")
def model():
    return FLUX.model()


def with_control(model: Any) -> Any:
    """A clone that is given fixed ControlNet residuals at every call."""
    generator = torch.Generator().manual_seed(7)

    def residual() -> torch.Tensor:
        return torch.randn(1, ROWS * COLS, 64, generator=generator) * 0.1

    control = {"input": [residual() for _ in range(2)], "output": [residual() for _ in range(4)]}

    def wrapper(executor: Any, x: Any, t: Any, c: Any, text: Any, _: Any, options: Any, **kw: Any):
        return executor(x, t, c, text, control, options, **kw)

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "control", wrapper)
    return clone


def sample(model: Any, marked: bool, **kwargs: Any) -> torch.Tensor:
    """Four euler steps of the base prompt alone."""
    extra: dict[str, Any] = {MARKER: UID} if marked else {}
    positive = FLUX.conditioning(1, **extra)
    return FLUX.sample(model, positive, FLUX.conditioning(2), cfg=1.0, steps=4, **kwargs)


def ours(model: Any, masks: torch.Tensor, rule: RegionalPromptingFlux, **kwargs: Any) -> Any:
    texts = tuple(text_from_conditioning(FLUX.conditioning(s), "region") for s in SEEDS)
    regions = RegionSet.from_masks(list(masks))
    prompts = RegionalPrompts(UID, regions, texts, ("left", "right"))
    layers = tuple(range(FLUX.n_layers))
    patched = install(model, RegionalPatch(prompts, rule, layers, PercentRange()))
    return sample(patched, True, **kwargs)


def published(
    monkeypatch: Any, model: Any, masks: torch.Tensor, rule: RegionalPromptingFlux, **kwargs: Any
) -> torch.Tensor:
    """The same run with the dense statement in the place of the network's forward."""
    net = model.model.diffusion_model
    texts = torch.cat([FLUX.conditioning(s)[0][0] for s in SEEDS])
    dense = DenseRPF(
        net,
        net.forward_orig,
        texts,
        masks.flatten(1).bool(),
        rule.base_ratio,
        rule.inject_steps,
        rule.double_interval,
        rule.single_interval,
        rule.unmasked == "pure base",
        rule.uncovered == "global prompt",
    )
    with monkeypatch.context() as patch:
        patch.setattr(net, "forward_orig", dense)
        out = sample(model, False, **kwargs)
    assert dense.calls == 4
    return out


RULES = {
    "all blocks": RegionalPromptingFlux(0.3, 2),
    "all steps": RegionalPromptingFlux(0.1, 4),
    "single interval 2": RegionalPromptingFlux(0.1, 2, 1, 2),
    "both intervals": RegionalPromptingFlux(0.2, 3, 2, 3),
    "only block 0": RegionalPromptingFlux(0.2, 2, 100, 100),
    "no base": RegionalPromptingFlux(0.0, 2, 1, 2),
    "base alone": RegionalPromptingFlux(1.0, 2),
    "pure base": RegionalPromptingFlux(0.2, 2, 2, 2, "pure base"),
    "pure base, no base": RegionalPromptingFlux(0.0, 2, 2, 3, "pure base"),
    "pure base, only block 0": RegionalPromptingFlux(0.2, 2, 100, 100, "pure base"),
    "alone": RegionalPromptingFlux(0.2, 2, 1, 2, uncovered="alone"),
}


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("masks", [HALVES, APART], ids=["halves", "overlap and gaps"])
@pytest.mark.parametrize("control", [False, True], ids=["plain", "control"])
def test_rpf_equals_the_paper_written_out(
    monkeypatch, record_property, model, name, masks, control
):
    used = with_control(model) if control else model
    out = ours(used, masks, RULES[name])
    wanted = published(monkeypatch, used, masks, RULES[name])
    difference = float((out - wanted).abs().max())
    record_property("max_difference", difference)
    print(f"rpf, {name}: {difference:.1e}")  # noqa: T201
    torch.testing.assert_close(out, wanted, atol=2e-5, rtol=1e-5)
    effect = (out - sample(used, False)).abs().max()
    # The base stream knows no residuals of the single blocks: with ControlNet it is another image.
    is_stock = name == "base alone" and not control
    assert effect < 1e-4 if is_stock else effect > 0.01


def test_batch_equals_the_paper_written_out(monkeypatch, model):
    rule = RULES["single interval 2"]
    out = ours(model, APART, rule, batch=2)
    torch.testing.assert_close(
        out, published(monkeypatch, model, APART, rule, batch=2), atol=2e-5, rtol=1e-5
    )


def test_the_second_stream_is_seen_in_the_result(monkeypatch, model):
    """The tests above would notice its absence: mixing per block alone is something else."""
    rule = RULES["all steps"]
    net = model.model.diffusion_model
    family = "regional_dit.attention.families.flux.Flux.takes_stream"
    wanted = published(monkeypatch, model, HALVES, rule)
    monkeypatch.setattr(family, False)
    assert (ours(model, HALVES, rule) - wanted).abs().max() > 1e-3
    assert "forward" not in net.single_blocks[0].__dict__


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_second_stream_is_in_the_graph_beside_a_controlnet(model):
    """One graph of torch.compile for all steps; it adds residuals in place between the blocks."""
    rule, used = RULES["all steps"], with_control(model)
    wanted = ours(used, APART, rule)
    torch._dynamo.reset()
    counters.clear()
    try:
        for _ in range(2):
            compiled = outputs(TorchCompileModel, used, "eager")[0]
            torch.testing.assert_close(ours(compiled, APART, rule), wanted, atol=2e-5, rtol=1e-5)
            assert counters["stats"]["unique_graphs"] == 1 and not counters["graph_break"]
    finally:
        torch._dynamo.reset()
    assert not any("forward" in block.__dict__ for block in model.model.diffusion_model.modules())
