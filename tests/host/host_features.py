"""The host's own nodes around a tiny joint model: samplers, LoRA, ControlNet, references, areas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.controlnet
import comfy.ops
import comfy.samplers
import comfy.utils
import torch
from comfy_extras.nodes_custom_sampler import (
    DualCFGGuider,
    RandomNoise,
    SamplerCustomAdvanced,
)
from comfy_extras.nodes_edit_model import ReferenceLatent
from comfy_extras.nodes_flux import FluxKontextMultiReferenceLatentMethod
from comfy_extras.nodes_hooks import (
    ConditioningSetProperties,
    CreateHookKeyframe,
    CreateHookLoraModelOnly,
    SetHookKeyframes,
)
from comfy_extras.nodes_perpneg import PerpNegGuider
from tiny_joint_case import HEIGHT, WIDTH, Case, host


def outputs(node: Any, *args: Any) -> Any:
    """What a node of the host gives; older hosts have some in the style before ``execute``."""
    if hasattr(node, "execute"):
        return node.execute(*args)
    return getattr(node(), node.FUNCTION)(*args)


def advanced(
    make_guider: Callable[[Case, Any, Any, Any], Any],
) -> Callable[[Case, Any, Any, Any], torch.Tensor]:
    """SamplerCustomAdvanced with a guider node."""

    def run(case: Case, model: Any, positive: Any, negative: Any) -> torch.Tensor:
        sampling = model.get_model_object("model_sampling")
        with torch.inference_mode():
            out = outputs(
                SamplerCustomAdvanced,
                outputs(RandomNoise, 3)[0],
                make_guider(case, model, positive, negative),
                comfy.samplers.sampler_object("euler"),
                comfy.samplers.calculate_sigmas(sampling, "sgm_uniform", 2),
                case.latent(),
            )
        return out[0]["samples"]

    return run


def dual_cfg(case: Case, model: Any, positive: Any, negative: Any) -> Any:
    middle = case.tiny.conditioning(8)
    return outputs(DualCFGGuider, model, positive, middle, negative, 3.0, 2.0, "regular")[0]


def perp_neg(case: Case, model: Any, positive: Any, negative: Any) -> Any:
    empty = case.tiny.conditioning(13)
    return outputs(PerpNegGuider, model, positive, negative, empty, 4.0, 1.0)[0]


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


def control_net(case: Any) -> comfy.controlnet.ControlNet:
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


def unet_control_net(model: Any) -> comfy.controlnet.ControlNet:
    """A tiny random ControlNet of Stable Diffusion's kind, for the tiny UNet."""
    from comfy.cldm.cldm import ControlNet

    config = dict(model.model.model_config.unet_config)
    config.pop("out_channels")
    network = ControlNet(hint_channels=3, device="cpu", operations=comfy.ops.manual_cast, **config)
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return comfy.controlnet.ControlNet(network, load_device=torch.device("cpu"))


def controlled(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    return controlled_by(control_net(case), positive, negative)


def controlled_by(control: Any, positive: Any, negative: Any) -> tuple[Any, Any]:
    """A ControlNet with a random picture on both sides."""
    image = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3, generator=torch.Generator().manual_seed(5))
    return host.ControlNetApplyAdvanced().apply_controlnet(
        positive, negative, control, image, 1.0, 0.0, 1.0
    )


def referenced(*methods: str) -> Callable[[Case, Any, Any], tuple[Any, Any]]:
    """Two reference images of unlike sizes on both sides."""

    def change(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
        generator = torch.Generator().manual_seed(6)
        for size in ((8, 8), (10, 6)):
            frames = (1,) if case.tiny.frames else ()
            samples = torch.randn(1, case.tiny.channels, *frames, *size, generator=generator)
            positive = outputs(ReferenceLatent, positive, {"samples": samples})[0]
            negative = outputs(ReferenceLatent, negative, {"samples": samples})[0]
        for method in methods:
            positive = outputs(FluxKontextMultiReferenceLatentMethod, positive, method)[0]
            negative = outputs(FluxKontextMultiReferenceLatentMethod, negative, method)[0]
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
    return from_half_on(positive, hooks), negative


def from_half_on(positive: Any, hooks: Any) -> Any:
    """A conditioning with hooks that begin in the middle of the denoising."""
    frames = CreateHookKeyframe().create_hook_keyframe(0.0, 0.0)[0]
    frames = CreateHookKeyframe().create_hook_keyframe(1.0, 0.5, frames)[0]
    hooks = SetHookKeyframes().set_hook_keyframes(hooks, frames)[0]
    return ConditioningSetProperties().set_properties(positive, 1.0, "default", hooks=hooks)[0]
