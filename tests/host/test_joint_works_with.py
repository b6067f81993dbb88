"""Regional prompts in joint attention together with the host's other nodes, each the real one.

Every combination is held to the same two things. With the global prompt's own text in all regions
it must give what the host gives without the patch (so the other node has its full effect), and with
other texts it must give something else that is finite and still shows the other node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.controlnet
import comfy.model_management
import comfy.ops
import comfy.samplers
import comfy.utils
import folder_paths
import pytest
import torch
from comfy_extras.nodes_custom_sampler import (
    BasicGuider,
    CFGGuider,
    DualCFGGuider,
    RandomNoise,
    SamplerCustomAdvanced,
)
from comfy_extras.nodes_edit_model import ReferenceLatent
from comfy_extras.nodes_flux import FluxGuidance, FluxKontextMultiReferenceLatentMethod
from comfy_extras.nodes_hooks import (
    ConditioningSetProperties,
    CreateHookKeyframe,
    CreateHookLoraModelOnly,
    SetHookKeyframes,
)
from comfy_extras.nodes_model_advanced import ModelComputeDtype, ModelSamplingFlux, ModelSamplingSD3
from comfy_extras.nodes_slg import SkipLayerGuidanceDiT
from regional_dit.attention.host import install
from regional_dit.attention.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_dit.attention.regions import RegionSet
from regional_dit.attention.rules import Bind
from regional_dit.attention.sampling import RegionalPatch
from regional_dit.attention.schedule import PercentRange
from regional_dit.attention.split import split_canvas
from regional_models import is_pristine
from tiny_joint import TINY

from nodes import (
    ConditioningCombine,
    ConditioningSetArea,
    ControlNetApplyAdvanced,
    KSampler,
    LoraLoader,
    SetLatentNoiseMask,
)

UID = "regions-a"
BASE, NEGATIVE, LEFT, RIGHT = 1, 2, 3, 4
HEIGHT, WIDTH = 16, 12
STRONG = Bind(0.3, isolate_until=0.6, release_at=1.0)
# Two half-strong masks over the whole canvas: see test_joint_invariants.
EVERYWHERE = RegionSet.from_masks([torch.full((64, 48), 0.5)] * 2)
FAMILIES = [name for name in ("Flux", "SD3") if name in TINY]


class Case:
    """One family's tiny model."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tiny = TINY[name]
        self.model = self.tiny.model()

    def patch(self, model: Any, seeds: list[int], rule: Any = STRONG) -> Any:
        texts = tuple(text_from_conditioning(self.tiny.conditioning(s), "region") for s in seeds)
        same = set(seeds) == {BASE}
        regions = EVERYWHERE if same else split_canvas(1, len(seeds))
        prompts = RegionalPrompts(UID, regions, texts, ("",) * len(seeds))
        layers = tuple(range(self.tiny.n_layers))
        return install(model, RegionalPatch(prompts, rule, layers, PercentRange()))

    def latent(self, batch: int = 1, seed: int | None = None) -> dict[str, torch.Tensor]:
        shape = (batch, self.tiny.channels, HEIGHT, WIDTH)
        if seed is None:
            return {"samples": torch.zeros(shape)}
        return {"samples": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}

    def conds(self, seed: int = BASE) -> tuple[Any, Any]:
        marked = self.tiny.conditioning(seed, **{MARKER: UID})
        return marked, self.tiny.conditioning(NEGATIVE)


@pytest.fixture(scope="module", params=FAMILIES)
def case(request):
    return Case(request.param)


@pytest.fixture(scope="module", autouse=True)
def lora_folder(tmp_path_factory):
    """The host's folder of LoRAs, with one file per family."""
    folder = tmp_path_factory.mktemp("loras")
    for name in FAMILIES:
        tensors = {}
        generator = torch.Generator().manual_seed(7)
        for key, weight in TINY[name].build().diffusion_model.named_parameters():
            if key.endswith(("qkv.weight", "linear1.weight", "proj.weight")) and weight.ndim == 2:
                stem = f"diffusion_model.{key.removesuffix('.weight')}"
                for part, shape in (("A", (4, weight.shape[1])), ("B", (weight.shape[0], 4))):
                    tensors[f"{stem}.lora_{part}.weight"] = (
                        torch.randn(shape, generator=generator) * 0.3
                    )
        comfy.utils.save_torch_file(tensors, str(folder / f"{name}.safetensors"))
    folder_paths.add_model_folder_path("loras", str(folder))
    folder_paths.filename_list_cache.pop("loras", None)


def ksample(
    case: Case, model: Any, positive: Any, negative: Any, latent: Any = None, **changes: Any
) -> torch.Tensor:
    """The KSampler node."""
    inputs = {"cfg": 3.0, "steps": 2, "sampler_name": "euler", "denoise": 1.0, **changes}
    with torch.inference_mode():
        return KSampler().sample(
            model,
            seed=1,
            scheduler="sgm_uniform",
            positive=positive,
            negative=negative,
            latent_image=latent or case.latent(),
            **inputs,
        )[0]["samples"]


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


def masked_latent(case: Case) -> dict[str, Any]:
    mask = torch.zeros(HEIGHT * 8, WIDTH * 8)
    mask[:, 40:] = 1
    return SetLatentNoiseMask().set_mask(case.latent(seed=2), mask)[0]


def sampled(**changes: Any) -> Callable[[Case, Any, Any, Any], torch.Tensor]:
    """KSampler with other inputs; a callable is called with the case."""

    def run(case: Case, model: Any, positive: Any, negative: Any) -> torch.Tensor:
        values = {k: v(case) if callable(v) else v for k, v in changes.items()}
        return ksample(case, model, positive, negative, **values)

    return run


def lora(case: Case, model: Any) -> Any:
    return LoraLoader().load_lora(model, None, f"{case.name}.safetensors", 1.0, 1.0)[0]


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
    return ControlNetApplyAdvanced().apply_controlnet(
        positive, negative, control_net(case), image, 1.0, 0.0, 1.0
    )


def referenced(*methods: str) -> Callable[[Case, Any, Any], tuple[Any, Any]]:
    """Two reference images of unlike sizes on both sides."""

    def change(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
        generator = torch.Generator().manual_seed(6)
        for size in ((8, 8), (10, 6)):
            samples = torch.randn(1, case.tiny.channels, *size, generator=generator)
            positive = ReferenceLatent.execute(positive, {"samples": samples})[0]
            negative = ReferenceLatent.execute(negative, {"samples": samples})[0]
        for method in methods:
            positive = FluxKontextMultiReferenceLatentMethod.execute(positive, method)[0]
            negative = FluxKontextMultiReferenceLatentMethod.execute(negative, method)[0]
        return positive, negative

    return change


def with_area(case: Case, positive: Any, negative: Any) -> tuple[Any, Any]:
    area = ConditioningSetArea().append(positive, 64, 64, 16, 32, 1.0)[0]
    return ConditioningCombine().combine(area, case.tiny.conditioning(9))[0], negative


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
    run: Callable[[Case, Any, Any, Any], torch.Tensor] = field(default=ksample)
    families: tuple[str, ...] = ("Flux", "SD3")

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


FLUX = ("Flux",)
COMBINATIONS = {
    "KSampler": Combination(),
    "4 steps": Combination(run=sampled(steps=4)),
    "LoraLoader": Combination(model=lora),
    "ControlNetApplyAdvanced": Combination(conds=controlled),
    "LoRA and ControlNet": Combination(model=lora, conds=controlled),
    "FluxGuidance": Combination(
        conds=lambda case, p, n: (FluxGuidance.execute(p, 9.0)[0], n), families=FLUX
    ),
    "ModelSamplingFlux": Combination(
        model=lambda case, m: ModelSamplingFlux().patch(m, 1.15, 0.5, 512, 512)[0],
        families=FLUX,
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
    "ReferenceLatent": Combination(conds=referenced(), families=FLUX),
    "ReferenceLatent index": Combination(conds=referenced("index"), families=FLUX),
    "ReferenceLatent uxo": Combination(conds=referenced("uxo/uno"), families=FLUX),
    "SkipLayerGuidanceDiT": Combination(
        model=lambda case, m: SkipLayerGuidanceDiT.execute(m, 3.0, 0.0, 1.0, "1", "2")[0]
    ),
    "scheduled LoRA hook": Combination(conds=with_hooks, run=sampled(steps=4)),
    "ModelComputeDtype": Combination(model=lambda case, m: ModelComputeDtype().patch(m, "fp32")[0]),
}
# float32 is what the tiny models compute in
CHANGES_NOTHING = {"KSampler", "4 steps", "ModelComputeDtype"}


@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_works_with(case, name, after):
    combination = COMBINATIONS[name]
    if case.name not in combination.families:
        pytest.skip(f"{case.name} has no {name}")
    if combination.model is None and not after:
        pytest.skip("no node on the model")
    stock = combination.execute(case, None, after)
    same = combination.execute(case, [BASE, BASE], after)
    torch.testing.assert_close(same, stock, atol=2e-4, rtol=2e-4)
    regional = combination.execute(case, [LEFT, RIGHT], after)
    assert regional.isfinite().all()
    assert (regional - stock).abs().max() > 1e-3
    if name not in CHANGES_NOTHING:
        plain = COMBINATIONS["4 steps" if "hook" in name else "KSampler"]
        plain = plain.execute(case, [LEFT, RIGHT], after)
        assert regional.shape != plain.shape or (regional - plain).abs().max() > 1e-3
    assert is_pristine(case.model)
