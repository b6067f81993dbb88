"""Region Guidance (CFG), and the guidance function of one sampling."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any

import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import io, ui

from ...attention.calls.schedule import PercentRange
from ...attention.calls.step import Step
from ...attention.canvas.region_list import region_indices
from ...attention.canvas.regions import RegionSet
from ...attention.errors import HostError, PromptError
from ...attention.sampling.guidance import MAX_CFG, RegionGuidance, Scale, guidance_shares
from ...attention.sampling.host import WITH_NEGATIVE, seen
from ..newer import newer
from ..types import CATEGORY, Regions, percents_in_order, share_input

KEY = "regional_dit_guidance"
POST_CFG = "sampler_post_cfg_function"  # where the host keeps what follows its guidance


class GuidanceRun:
    """Guidance by region during one sampling: the first function that the host calls after its own.

    What it gives in a region is what the sampler's guidance, its own or that of another node, gives
    at the region's scale; functions that add to the guidance (PAG, SLG) then do so everywhere.

    Args:
        parts: the model's, first node first.
        guider: the host's, while it samples.
        sigmas: of the sampling.
        noise: [B, C, ...] latent of the sampling, for its shape.
    """

    def __init__(
        self, parts: Sequence[RegionGuidance], guider: Any, sigmas: torch.Tensor, noise: Any
    ) -> None:
        self.parts = parts
        self.asked = False
        model = guider.inner_model
        self._shape = tuple(seen(noise, getattr(model, "latent_shapes", None)).shape)
        self._schedule = sigmas.tolist()
        self._percent_to_sigma = cache(model.model_sampling.percent_to_sigma)
        self._shares: dict[Hashable, list[tuple[Scale, torch.Tensor]]] = {}

    def __call__(self, args: dict[str, Any]) -> torch.Tensor:
        denoised: torch.Tensor = args["denoised"]
        if args["uncond"] is None:
            return denoised
        self.asked = True
        step = Step(args["sigma"], self._schedule, self._percent_to_sigma)
        acting = [part for part in self.parts if part.percent.holds(step)]
        own = args["cond_scale"]
        if all(part.cfg == own for part in acting):
            return denoised
        guided = torch.zeros_like(denoised)
        for scale, share in self._shares_of(acting, denoised):
            at_scale = denoised if scale is None or scale == own else guided_at(scale, args)
            guided.addcmul_(share, at_scale)
        return guided

    def _shares_of(
        self, acting: list[RegionGuidance], like: torch.Tensor
    ) -> list[tuple[Scale, torch.Tensor]]:
        key = (tuple(map(id, acting)), like.shape, like.device, like.dtype)
        if key not in self._shares:
            shares = guidance_shares(acting, self._shape[2:])
            packed = {scale: self._packed(scale, share, like) for scale, share in shares.items()}
            self._shares[key] = [
                (scale, share.to(like.device, like.dtype))
                for scale, share in packed.items()
                if share.any()
            ]
        return self._shares[key]

    def _packed(self, scale: Scale, share: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Broadcastable to the latent, which newer hosts may give as one flat row: what is seen,
        then its sound, which keeps the sampler's guidance."""
        if like.ndim == share.ndim:
            return share
        flat = share.expand(1, *self._shape[1:]).reshape(1, 1, -1)
        rest = torch.full((1, 1, like.shape[-1] - flat.shape[-1]), float(scale is None))
        return torch.cat([flat, rest], dim=-1)


def guided_at(scale: float, args: dict[str, Any]) -> torch.Tensor:
    """What the sampler's guidance gives at another scale.

    Args:
        scale: 0..100.
        args: of the host's post-cfg functions, before any of them has changed ``denoised``.
    """
    own = args["cond_scale"]
    if "empty_cond_denoised" in args:  # Perp-Neg Guider goes from the empty prompt, by itself
        if own == 0.0:
            raise HostError(
                "Perp-Neg Guider has cfg 0, of which Region Guidance cannot make the guidance of "
                "its regions. Set cfg of the guider above 0, or remove Region Guidance."
            )
        start = args["empty_cond_denoised"]
        return start + (args["denoised"] - start) * (scale / own)
    return comfy.samplers.cfg_function(
        args["model"],
        args["cond_denoised"],
        args["uncond_denoised"],
        scale,
        args["input"],
        args["sigma"],
        model_options={**args["model_options"], POST_CFG: []},
        cond=args["cond"],
        uncond=args["uncond"],
    )


def install_guidance(model: Any, part: RegionGuidance) -> Any:
    """A clone of the model, of any family, with the guidance of some regions after what it has."""
    parts = (*guidance_of(model), part)
    patched = model.clone()
    patched.set_attachments(KEY, parts)
    patched.remove_wrappers_with_key(WrappersMP.SAMPLER_SAMPLE, KEY)
    patched.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, KEY, _sampler_wrapper(parts))
    if part.needs_negative:
        patched.model_options[WITH_NEGATIVE] = True
    return patched


def guidance_of(model: Any) -> tuple[RegionGuidance, ...]:
    """What a ModelPatcher has by region, first node first."""
    return model.get_attachment(KEY) or ()


def _sampler_wrapper(parts: Sequence[RegionGuidance]) -> Any:
    def sampler_sample(
        executor: Any,
        guider: Any,
        sigmas: Any,
        extra_args: dict,
        callback: Any,
        noise: Any,
        *rest: Any,
    ) -> Any:
        if any(part.needs_negative for part in parts):
            _check_guider(guider)
        run = GuidanceRun(parts, guider, sigmas, noise)
        options = extra_args["model_options"]
        options = {**options, POST_CFG: [run, *options.get(POST_CFG, [])]}
        extra_args = {**extra_args, "model_options": options}
        samples = executor(guider, sigmas, extra_args, callback, noise, *rest)
        if not run.asked:
            logging.warning(
                "Region Guidance had no effect: %s computed no negative, or calls no guidance "
                "functions. Use KSampler, SamplerCustom or CFGGuider.",
                type(guider).__name__,
            )
        return samples

    return sampler_sample


def _check_guider(guider: Any) -> None:
    """Raise where there is nothing to guide; warn where guidance costs what it did not.

    Raises:
        PromptError: the sampler has no negative.
        HostError: it has two scales.
    """
    if sum(bool(conds) for conds in guider.conds.values()) < 2:
        raise PromptError(
            "Region Guidance goes from the negative to the positive prompt, but this sampler has "
            "no negative (BasicGuider). Use CFGGuider or KSampler with a negative; at cfg 1 only "
            "the regions are then guided. Or remove Region Guidance: models with built-in guidance "
            "(Flux dev, turbo models) run without."
        )
    if hasattr(guider, "cfg1"):
        raise HostError(
            "Dual CFG Guider has two scales, and Region Guidance is to take the place of one. Use "
            "CFGGuider or KSampler, or remove Region Guidance."
        )
    if math.isclose(getattr(guider, "cfg", 0.0), 1.0):
        logging.warning(
            "Region Guidance: the sampler's cfg is 1, at which the negative is usually left out. "
            "As regions have a cfg of their own it is computed, and a step takes about twice as "
            "long."
        )


def guidance_report(model: Any) -> str:
    """What the model's regions have, in words."""
    parts = guidance_of(model)
    lines = ["Guidance by region; elsewhere the sampler's cfg:"]
    for part in parts:
        empty = " (an empty part of the denoising: changes nothing)"
        lines.append(f"  {part.describe()}{empty if part.percent.is_empty else ''}")
    network = getattr(model.model, "diffusion_model", None)
    if getattr(getattr(network, "params", None), "guidance_embed", False):
        lines.append(
            "Note: this model has its guidance built in (the number of FluxGuidance, which is not "
            "changed here) and is usually sampled at cfg 1. With cfg in a region its negative is "
            "computed too, and a step takes about twice as long."
        )
    return "\n".join(lines)


class RegionGuidanceNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionGuidance",
            display_name="Region Guidance (CFG)",
            category=CATEGORY,
            description="Give single regions their own guidance scale (cfg); elsewhere the "
            "sampler's stays. Works with any model, with the regional patch or without. Chain "
            "several for several values.",
            **newer("cfg per region", "regional cfg", "cfg mask", "guidance mask", "spatial cfg"),
            inputs=[
                io.Model.Input("model", tooltip="The model, patched or not."),
                Regions.Input("regions", tooltip="From any node that makes regions."),
                io.String.Input(
                    "which",
                    default="1",
                    tooltip="Numbers or names of the regions that this is for, such as 1, 3. 'all' "
                    "or empty: all of them, but not the canvas that is left over.",
                ),
                io.Float.Input(
                    "cfg",
                    default=4.0,
                    min=0.0,
                    max=MAX_CFG,
                    step=0.1,
                    tooltip="Guidance scale in these regions instead of the sampler's. Lower: "
                    "softer and less literal; higher: nearer to the prompt, more contrast. 1: the "
                    "positive prompt alone.",
                ),
                share_input(
                    "start_percent",
                    default=0.0,
                    tooltip="Part of the denoising at which it begins, 0 = first step.",
                ),
                share_input(
                    "end_percent",
                    default=1.0,
                    tooltip="Part of the denoising at which it ends, 1 = last step.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model"),
                io.String.Output(display_name="report", tooltip="What the regions have, in words."),
            ],
        )

    @classmethod
    def validate_inputs(cls, start_percent: float, end_percent: float) -> bool | str:
        return percents_in_order(start_percent, end_percent)

    @classmethod
    def execute(
        cls,
        model: Any,
        regions: RegionSet,
        which: str,
        cfg: float,
        start_percent: float,
        end_percent: float,
    ) -> io.NodeOutput:
        chosen = region_indices(which, regions, what="The guidance", empty_is_all=True)
        percent = PercentRange(start_percent, end_percent)
        patched = install_guidance(model, RegionGuidance(regions, chosen, cfg, percent))
        report = guidance_report(patched)
        return io.NodeOutput(patched, report, ui=ui.PreviewText(report))
