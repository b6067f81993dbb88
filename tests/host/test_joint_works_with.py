"""Regional prompts in joint attention together with the host's other nodes, each the real one.

Every combination is held to the same two things. With the global prompt's own text in all regions
it must give what the host gives without the patch (so the other node has its full effect), and with
other texts it must give something else that is finite and still shows the other node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import comfy.controlnet
import comfy.ops
import comfy.samplers
import comfy.utils
import folder_paths
import pytest
import torch
from comfy_extras.nodes_apg import APG
from comfy_extras.nodes_custom_sampler import (
    BasicGuider,
    CFGGuider,
    DualCFGGuider,
    RandomNoise,
    SamplerCustomAdvanced,
)
from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion
from comfy_extras.nodes_easycache import EasyCacheNode
from comfy_extras.nodes_edit_model import ReferenceLatent
from comfy_extras.nodes_flux import FluxGuidance, FluxKontextMultiReferenceLatentMethod
from comfy_extras.nodes_hooks import (
    ConditioningSetProperties,
    CreateHookKeyframe,
    CreateHookLoraModelOnly,
    SetHookKeyframes,
)
from comfy_extras.nodes_model_advanced import (
    ModelComputeDtype,
    ModelSamplingFlux,
    ModelSamplingSD3,
    RescaleCFG,
)
from comfy_extras.nodes_perpneg import PerpNegGuider
from comfy_extras.nodes_slg import SkipLayerGuidanceDiT
from regional_models import is_pristine
from tiny_joint import TINY
from tiny_joint_case import BASE, HEIGHT, LEFT, RIGHT, WIDTH, Case, host, shared_case

pytestmark = pytest.mark.filterwarnings("ignore:Should have ta:UserWarning")  # of torchsde

FAMILIES = tuple(TINY)
KONTEXT = ("Flux", "Flux.2", "Qwen-Image")  # take reference images


@pytest.fixture(scope="module", autouse=True)
def lora_folder(tmp_path_factory):
    """The host's folder of LoRAs, with one file per family."""
    folder = tmp_path_factory.mktemp("loras")
    for name in FAMILIES:
        tensors = {}
        generator = torch.Generator().manual_seed(7)
        for key, weight in TINY[name].build().diffusion_model.named_parameters():
            in_attention = any(part in key for part in ("att", "qkv", "linear1"))
            if in_attention and key.endswith(".weight") and weight.ndim == 2:
                stem = f"diffusion_model.{key.removesuffix('.weight')}"
                for part, shape in (("A", (4, weight.shape[1])), ("B", (weight.shape[0], 4))):
                    tensors[f"{stem}.lora_{part}.weight"] = (
                        torch.randn(shape, generator=generator) * 0.3
                    )
        comfy.utils.save_torch_file(tensors, str(folder / f"{name}.safetensors"))
    folder_paths.add_model_folder_path("loras", str(folder))
    folder_paths.filename_list_cache.pop("loras", None)


def advanced(
    make_guider: Callable[[Case, Any, Any, Any], Any],
) -> Callable[[Case, Any, Any, Any], torch.Tensor]:
    """SamplerCustomAdvanced with a guider node."""

    def run(case: Case, model: Any, positive: Any, negative: Any) -> torch.Tensor:
        sampling = model.get_model_object("model_sampling")
        with torch.inference_mode():
            out = SamplerCustomAdvanced.execute(
                RandomNoise.execute(3)[0],
                make_guider(case, model, positive, negative),
                comfy.samplers.sampler_object("euler"),
                comfy.samplers.calculate_sigmas(sampling, "sgm_uniform", 2),
                case.latent(),
            )
        return out[0]["samples"]

    return run


def dual_cfg(case: Case, model: Any, positive: Any, negative: Any) -> Any:
    middle = case.tiny.conditioning(8)
    return DualCFGGuider.execute(model, positive, middle, negative, 3.0, 2.0, "regular")[0]


def perp_neg(case: Case, model: Any, positive: Any, negative: Any) -> Any:
    empty = case.tiny.conditioning(13)
    return PerpNegGuider.execute(model, positive, negative, empty, 4.0, 1.0)[0]


def soft_masked_latent(case: Case) -> dict[str, Any]:
    mask = torch.linspace(0, 1, WIDTH * 8)[None].repeat(HEIGHT * 8, 1)
    return host.SetLatentNoiseMask().set_mask(case.latent(seed=2), mask)[0]


def masked_latent(case: Case) -> dict[str, Any]:
    mask = torch.zeros(HEIGHT * 8, WIDTH * 8)
    mask[:, 40:] = 1
    return host.SetLatentNoiseMask().set_mask(case.latent(seed=2), mask)[0]


def sampled(**changes: Any) -> Callable[[Case, Any, Any, Any], torch.Tensor]:
    """KSampler with other inputs; a callable is called with the case."""

    def run(case: Case, model: Any, positive: Any, negative: Any) -> torch.Tensor:
        values = {k: v(case) if callable(v) else v for k, v in changes.items()}
        return case.sample(model, positive, negative, **values)

    return run


def lora(case: Case, model: Any) -> Any:
    return host.LoraLoader().load_lora(model, None, f"{case.name}.safetensors", 1.0, 1.0)[0]


def control_net(case: Case) -> comfy.controlnet.ControlNet:
    """A tiny random ControlNet of the host's class for the family."""
    config = dict(case.model.model.model_config.unet_config)
    common = {"device": "cpu", "operations": comfy.ops.manual_cast}
    if case.name == "Flux":
        from comfy.ldm.flux.controlnet import ControlNetFlux

        network = ControlNetFlux(**{**config, "depth": 1, "depth_single_blocks": 1}, **common)
        options = {"extra_conds": ["y", "guidance"]}
    else:
        from comfy.cldm.mmdit import ControlNet as ControlNetSD3

        network = ControlNetSD3(
            **{**config, "num_blocks": 1, "control_latent_channels": 3}, **common
        )
        options = {"compression_ratio": 1}
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in (*network.parameters(), *network.buffers()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    device = torch.device("cpu")
    return comfy.controlnet.ControlNet(network, load_device=device, **options)


def controlled(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    image = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3, generator=torch.Generator().manual_seed(5))
    return host.ControlNetApplyAdvanced().apply_controlnet(
        positive, negative, control_net(case), image, 1.0, 0.0, 1.0
    )


def referenced(*methods: str) -> Callable[[Case, Any, Any], tuple[Any, Any]]:
    """Two reference images of unlike sizes on both sides."""

    def change(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
        generator = torch.Generator().manual_seed(6)
        for size in ((8, 8), (10, 6)):
            frames = (1,) if case.tiny.frames else ()
            samples = torch.randn(1, case.tiny.channels, *frames, *size, generator=generator)
            positive = ReferenceLatent.execute(positive, {"samples": samples})[0]
            negative = ReferenceLatent.execute(negative, {"samples": samples})[0]
        for method in methods:
            positive = FluxKontextMultiReferenceLatentMethod.execute(positive, method)[0]
            negative = FluxKontextMultiReferenceLatentMethod.execute(negative, method)[0]
        return positive, negative

    return change


def with_area(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    area = host.ConditioningSetArea().append(positive, 64, 64, 16, 32, 1.0)[0]
    return host.ConditioningCombine().combine(area, case.tiny.conditioning(9))[0], negative


def with_mask(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    """The regional prompts on one part of the picture only, by the host's own output weights."""
    mask = torch.zeros(HEIGHT * 8, WIDTH * 8)
    mask[:, :60] = 1
    masked = host.ConditioningSetMask().append(positive, mask, "default", 1.0)[0]
    return host.ConditioningCombine().combine(masked, case.tiny.conditioning(9))[0], negative


def with_ranges(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    """The regional prompts first, another prompt afterwards."""
    first = host.ConditioningSetTimestepRange().set_range(positive, 0.0, 0.25)[0]
    later = host.ConditioningSetTimestepRange().set_range(case.tiny.conditioning(9), 0.25, 1.0)[0]
    return host.ConditioningCombine().combine(first, later)[0], negative


def with_hooks(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    """A LoRA that a hook brings in from the second half on, on the positive side only."""
    hooks = CreateHookLoraModelOnly().create_hook_model_only(f"{case.name}.safetensors", 1.0)[0]
    frames = CreateHookKeyframe().create_hook_keyframe(0.0, 0.0)[0]
    frames = CreateHookKeyframe().create_hook_keyframe(1.0, 0.5, frames)[0]
    hooks = SetHookKeyframes().set_hook_keyframes(hooks, frames)[0]
    positive = ConditioningSetProperties().set_properties(positive, 1.0, "default", hooks=hooks)[0]
    return positive, negative


@dataclass(frozen=True)
class Combination:
    """What is done besides the regional patch.

    Attributes:
        model: a node on the model, before or after the patch.
        conds: nodes on positive and negative.
        run: the sampler.
        families: for which it exists.
    """

    model: Callable[[Case, Any], Any] | None = None
    conds: Callable[[Case, Any, Any], tuple[Any, Any]] | None = None
    run: Callable[[Case, Any, Any, Any], torch.Tensor] = Case.sample
    families: tuple[str, ...] = FAMILIES

    def execute(self, case: Case, seeds: list[int] | None, after: bool) -> torch.Tensor:
        """With regions of these texts, or without the patch; ``after``: which node comes last."""
        model = case.model
        steps: list[Callable[[Any], Any]] = []
        if seeds is not None:
            steps.append(lambda m: case.patch(m, seeds))
        if self.model is not None:
            changed = self.model
            steps.insert(len(steps) if after else 0, lambda m: changed(case, m))
        for step in steps:
            model = step(model)
        positive, negative = case.conds()
        if self.conds is not None:
            positive, negative = self.conds(case, positive, negative)
        return self.run(case, model, positive, negative)


COMBINATIONS = {
    "KSampler": Combination(),
    "LoraLoader": Combination(model=lora),
    "ControlNetApplyAdvanced": Combination(conds=controlled, families=("Flux", "SD3")),
    "LoRA and ControlNet": Combination(model=lora, conds=controlled, families=("Flux", "SD3")),
    "FluxGuidance": Combination(
        conds=lambda case, p, n: (FluxGuidance.execute(p, 9.0)[0], n), families=("Flux",)
    ),
    "ModelSamplingFlux": Combination(
        model=lambda case, m: ModelSamplingFlux().patch(m, 1.15, 0.5, 512, 512)[0],
        families=("Flux",),
    ),
    "ModelSamplingSD3": Combination(model=lambda case, m: ModelSamplingSD3().patch(m, 6.0)[0]),
    "cfg 1": Combination(run=sampled(cfg=1.0)),
    "cfg 7": Combination(run=sampled(cfg=7.0)),
    "another negative": Combination(conds=lambda case, p, n: (p, case.tiny.conditioning(12, 23))),
    "batch 3": Combination(run=sampled(latent=lambda case: case.latent(3))),
    "img2img": Combination(run=sampled(latent=lambda case: case.latent(seed=2), denoise=0.6)),
    "SetLatentNoiseMask": Combination(run=sampled(latent=masked_latent, denoise=0.8)),
    "BasicGuider": Combination(run=advanced(lambda c, m, p, n: BasicGuider.execute(m, p)[0])),
    "CFGGuider": Combination(run=advanced(lambda c, m, p, n: CFGGuider.execute(m, p, n, 4.0)[0])),
    "DualCFGGuider": Combination(run=advanced(dual_cfg)),
    "dpmpp_2m_sde": Combination(run=sampled(sampler_name="dpmpp_2m_sde", steps=3)),
    "heun": Combination(run=sampled(sampler_name="heun", steps=3)),
    "ConditioningSetArea": Combination(conds=with_area),
    "ConditioningSetMask": Combination(conds=with_mask),
    "ConditioningSetTimestepRange": Combination(conds=with_ranges),
    "RescaleCFG": Combination(
        model=lambda case, m: RescaleCFG().patch(m, 0.7)[0], run=sampled(cfg=7.0)
    ),
    "APG": Combination(model=lambda case, m: APG.execute(m, 0.5, 2.0, 0.3)[0]),
    "DifferentialDiffusion": Combination(
        model=lambda case, m: DifferentialDiffusion.execute(m)[0],
        run=sampled(latent=soft_masked_latent, steps=4),
    ),
    "EasyCache": Combination(
        model=lambda case, m: EasyCacheNode.execute(m, 2.0, 0.1, 0.95, False)[0],
        run=sampled(steps=6),
        families=("Flux",),  # the host's SD3 has no place for it
    ),
    "PerpNegGuider": Combination(run=advanced(perp_neg)),
    "ReferenceLatent": Combination(conds=referenced(), families=KONTEXT),
    "ReferenceLatent index": Combination(conds=referenced("index"), families=KONTEXT),
    "ReferenceLatent uxo": Combination(conds=referenced("uxo/uno"), families=KONTEXT),
    "SkipLayerGuidanceDiT": Combination(
        model=lambda case, m: SkipLayerGuidanceDiT.execute(m, 3.0, 0.0, 1.0, "1", "2")[0],
        families=("Flux", "Flux.2", "SD3", "AuraFlow", "Chroma", "Qwen-Image"),
    ),
    "scheduled LoRA hook": Combination(conds=with_hooks, run=sampled(steps=4)),
    "ModelComputeDtype": Combination(model=lambda case, m: ModelComputeDtype().patch(m, "fp32")[0]),
}
# float32 is what the tiny models compute in
CHANGES_NOTHING = {"KSampler", "ModelComputeDtype"}


# All of them were seen working in all families; a family's own code shows in these.
IN_EVERY_FAMILY = {
    "LoraLoader",
    "another negative",
    "batch 3",
    "SetLatentNoiseMask",
    "DualCFGGuider",
    "ConditioningSetArea",
    "ReferenceLatent",
    "SkipLayerGuidanceDiT",
    "scheduled LoRA hook",
}
RUNS = [
    pytest.param(family, name, after, id=f"{family}-{name}{'' if after else '-before'}")
    for family in FAMILIES
    for name, combination in COMBINATIONS.items()
    for after in (True, False)
    if family in combination.families
    and (after or combination.model is not None)
    and (family in ("Flux", "SD3") or (after and name in IN_EVERY_FAMILY))
]


@pytest.mark.parametrize(("family", "name", "after"), RUNS)
def test_works_with(family, name, after):
    case, combination = shared_case(family), COMBINATIONS[name]
    stock = combination.execute(case, None, after)
    same = combination.execute(case, [BASE, BASE], after)
    torch.testing.assert_close(same, stock, atol=2e-4, rtol=2e-4)
    regional = combination.execute(case, [LEFT, RIGHT], after)
    assert regional.isfinite().all()
    assert (regional - stock).abs().max() > 1e-3
    if name not in CHANGES_NOTHING:
        is_sampler = combination.model is None and combination.conds is None
        without = Combination() if is_sampler else replace(combination, model=None, conds=None)
        plain = without.execute(case, [LEFT, RIGHT], after)
        assert regional.shape != plain.shape or (regional - plain).abs().max() > 1e-3
    assert is_pristine(case.model)
