"""The only place that touches ComfyUI's model patcher.

Three public wrapper hooks do it all. Before the model is loaded (PREPARE_SAMPLING) the host's
memory estimate hears of the regional text. When sampling starts (SAMPLER_SAMPLE) the conditioning
entries that carry our marker are found and a ``SamplingRun`` is put into ``transformer_options``.
At each model call (APPLY_MODEL) the host's own list of entry uuids tells which batch rows are
regional; the family then patches the network for that one call. Rows are never guessed from
``cond_or_uncond``, whose meaning depends on the guider.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP

from ..calls.call_plan import TextCache
from ..canvas.region_schedule import check_base_ratios
from ..errors import HostError, PromptError, RegionalError
from ..families import FAMILIES, CallInputs, Family, find_family
from ..families.host_checks import require_override
from ..families.joint import JointFamily
from ..joint.references import check_owners
from ..lora.bind import bound_loras
from ..lora.memory import lora_bytes
from ..lora.run import BoundLora, LoraRun
from ..rules import Rule
from .entries import check_bound_phrases, check_entries, read_entries
from .negatives import check_negatives, with_negatives
from .run import RegionalPatch, SamplingRun

KEY = "regional_dit"
WITH_NEGATIVE = "disable_cfg1_optimization"  # the host's: the negative is computed at cfg 1, too

# Share of the free device memory, and the most in bytes, that the keys and values of regional
# prompts may take during one sampling.
CACHE_SHARE = 0.25
CACHE_LIMIT_BYTES = 1 << 30


def install(model: Any, patch: RegionalPatch) -> Any:
    """A clone of the model that has the patch, after those it has already.

    Args:
        model: ComfyUI's ModelPatcher; left untouched.
        patch: what to add.

    Raises:
        UnsupportedModelError: the model is of no supported family.
        PromptError: the prompts were encoded for another model.
        RegionalError: a rule that this family cannot do.
    """
    family = find_family(model.model)
    check_rule(family, patch.rule)
    check_negatives(patch)
    check_base_ratios(patch.prompts.regions, patch.rule)
    if isinstance(family, JointFamily):
        require_override(family.name)
        patch = replace(patch, rule=patch.rule.fitted(family.block_kinds(model.model)))
    for each in with_negatives([patch]):
        check_texts(family, model.model, each)
    patch = replace(patch, loras=bound_loras(family, model.model, patch.prompts))
    patches = (*patches_of(model), patch)
    patched = model.clone()
    patched.set_attachments(KEY, patches)
    acting = with_negatives(patches)
    for kind, wrapper in (
        (WrappersMP.PREPARE_SAMPLING, _memory_wrapper(family, acting)),
        (WrappersMP.SAMPLER_SAMPLE, _sampler_wrapper(family, acting)),
        (WrappersMP.APPLY_MODEL, _apply_model_wrapper()),
    ):
        patched.remove_wrappers_with_key(kind, KEY)
        patched.add_wrapper_with_key(kind, KEY, wrapper)
    return patched


def patches_of(model: Any) -> tuple[RegionalPatch, ...]:
    """The regional patches that a ModelPatcher has, first node first."""
    return model.get_attachment(KEY) or ()


def check_rule(family: Family, rule: Rule[Any]) -> None:
    """Raise where the rule is for another kind of attention than the family has."""
    if rule.attention == family.attention:
        return
    kinds = {"cross": "cross-attention", "joint": "joint attention"}
    good = ", ".join(f.name for f in FAMILIES if f.attention == rule.attention)
    default = family.default_rule(0.3).name
    raise RegionalError(
        f"The rule '{rule.name}' is made for {kinds[rule.attention]} ({good}), but this model is "
        f"{family.name}, which has {kinds[family.attention]}. Disconnect the rule to get "
        f"'{default}', or connect a rule for {kinds[family.attention]}."
    )


def check_texts(family: Family, model: Any, patch: RegionalPatch) -> None:
    """Raise where a prompt is not what the family's text encoder gives."""
    width = family.text_width(model)
    for index, text in enumerate(patch.prompts.texts):
        got = text["cross_attn"].shape[-1]
        if got != width:
            raise PromptError(
                f"The prompt of region {index + 1} has text states of width {got}, but "
                f"{family.name} reads {width}. It was encoded with another model's text encoder: "
                "connect the CLIP that was loaded with this model."
            )
        missing = [key for key in family.text_keys if key not in text]
        if missing:
            raise PromptError(
                f"The prompt of region {index + 1} lacks {', '.join(missing)}, which {family.name} "
                "needs. It was encoded with another model's text encoder: connect the CLIP that "
                "was loaded with this model."
            )


def _memory_wrapper(family: Family, patches: Sequence[RegionalPatch]) -> Any:
    """Has the host keep memory free for the regional text in joint attention, and for LoRAs of
    single regions, before it loads.

    The text of all regions goes through every block with the image, in the negative's rows as well.
    The host estimates from the shape of the latent, which it uses for nothing else (its own context
    windows change it, too): ours is as much wider as the text has tokens, and as the LoRAs need.
    """
    loras = LoraRun(family, [lora for patch in patches for lora in patch.loras]).loras

    def prepare_sampling(
        executor: Any, model: Any, noise_shape: Sequence[int], *args: Any, **kwargs: Any
    ) -> Any:
        if isinstance(family, JointFamily):
            noise_shape = _with_text(family, model.model, patches, noise_shape)
        if loras:
            noise_shape = _with_loras(family, model.model, loras, noise_shape)
        return executor(model, noise_shape, *args, **kwargs)

    return prepare_sampling


def _with_text(
    family: JointFamily, model: Any, patches: Sequence[RegionalPatch], noise_shape: Sequence[int]
) -> list[int]:
    """The shape of a latent with as many more tokens as the regional prompts have."""
    size = tuple(noise_shape[2:])
    grid = family.token_shape(model, size, 0)
    used = {id(patch.prompts): patch.prompts for patch in patches if not patch.is_noop}
    tokens: Counter[str] = Counter()  # of the rows that each global prompt has
    for prompts in used.values():
        tokens[prompts.uid] += sum(family.text_tokens(model, text) for text in prompts.texts)
    longest = max(tokens.values(), default=0)  # to which the other rows are padded
    columns = -(-longest // (grid.frames * grid.rows))
    return [*noise_shape[:-1], size[-1] + columns * grid.patch]


def _with_loras(
    family: Family, model: Any, loras: Sequence[BoundLora], noise_shape: Sequence[int]
) -> list[int]:
    """The shape of a latent for which the host's least estimate is higher by what LoRAs take."""
    shape = list(noise_shape)
    grid = family.token_shape(model, tuple(shape[2:]), 0)
    dtype = model.manual_cast_dtype or model.get_dtype()
    rows = shape[0] * grid.frames * grid.rows * grid.cols
    if any(site.keeps_size for bound in loras for site, _ in chain(*bound.deltas.values())):
        rows = shape[0] * math.prod(shape[2:])
    needed = lora_bytes(loras, rows, comfy.model_management.dtype_size(dtype))
    wider = [*shape[:-1], shape[-1] + 1]
    column = model.memory_required(wider) - model.memory_required(shape)
    return [*shape[:-1], shape[-1] + math.ceil(needed / column)]


def _sampler_wrapper(family: Family, patches: Sequence[RegionalPatch]) -> Any:
    def sampler_sample(
        executor: Any,
        guider: Any,
        sigmas: Any,
        extra_args: dict,
        callback: Any,
        noise: Any,
        *rest: Any,
    ) -> Any:
        entries = read_entries(guider)
        check_entries(entries, patches)
        _warn_without_cfg(guider, patches)
        for entry in entries.values():
            takes = isinstance(family, JointFamily) and family.takes_references
            check_owners(family.name, entry.references, takes_references=takes)
        check_bound_phrases(guider, patches)
        model = guider.inner_model
        budget = min(
            CACHE_LIMIT_BYTES,
            int(comfy.model_management.get_free_memory(noise.device) * CACHE_SHARE),
        )
        run = SamplingRun(
            family=family,
            patches=patches,
            entries=entries,
            latent_size=seen(noise, getattr(model, "latent_shapes", None)).shape[2:],
            cache=TextCache(budget),
            schedule=sigmas.tolist(),
            percent_to_sigma=cache(model.model_sampling.percent_to_sigma),
            loras=LoraRun(family, [lora for patch in patches for lora in patch.loras]),
        )
        options = extra_args["model_options"]
        transformer_options = {**options.get("transformer_options", {}), KEY: run}
        options = {**options, "transformer_options": transformer_options}
        extra_args = {**extra_args, "model_options": options}
        return executor(guider, sigmas, extra_args, callback, noise, *rest)

    return sampler_sample


def _warn_without_cfg(guider: Any, patches: Sequence[RegionalPatch]) -> None:
    negatives = any(patch.prompts.negative for patch in patches)
    skipped = not guider.model_options.get(WITH_NEGATIVE)
    if negatives and skipped and type(guider) is comfy.samplers.CFGGuider and guider.cfg == 1.0:
        logging.warning(
            "Regional negative prompts have no effect at cfg 1, as no negative prompt has: raise "
            "cfg."
        )


def seen(x: torch.Tensor, shapes: Sequence[Sequence[int]] | None) -> torch.Tensor:
    """The latent of what is seen, for its shape and device alone: newer hosts give a video and its
    sound as one flat latent, the video first."""
    if shapes is None or len(shapes) < 2:
        return x
    return x.new_empty(()).expand(x.shape[0], *shapes[0][1:])


def _apply_model_wrapper() -> Any:
    def apply_model(
        executor: Any,
        x: Any,
        t: Any,
        c_concat: Any = None,
        c_crossattn: Any = None,
        control: Any = None,
        transformer_options: dict | None = None,
        **kwargs: Any,
    ) -> Any:
        options = transformer_options or {}
        run: SamplingRun | None = options.get(KEY)
        if run is None or "uuids" not in options:
            raise HostError(
                "The model is patched for regional prompts but was called without ComfyUI's "
                "sampling state. Use KSampler or SamplerCustomAdvanced and update ComfyUI (0.3.60 "
                "or later)."
            )
        model = executor.class_obj
        hooked = getattr(model.current_patcher, "current_hooks", None) is not None
        active: SamplingRun = run.forgetful() if hooked else run
        latent = seen(x, kwargs.get("latent_shapes"))
        call = (model, latent, options["uuids"], active.step(options["sigmas"]))
        routing = active.routing(*call)
        inputs = CallInputs(c_crossattn, options, kwargs, routing)
        with routing.active() if routing is not None else nullcontext():
            plan = active.plan(*call, routing)
            if plan is None:
                if routing is not None:
                    active.family.lay_out(model, [c.rows for c in routing.chunks], inputs)
                return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
            with active.family.patched(model, plan, active.cache, inputs) as patched:
                args = (x, t, c_concat, patched.context, control, patched.options)
                return executor(*args, **patched.extra)

    return apply_model
