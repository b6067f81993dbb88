"""What a patch will do, in words: never a silent no-op."""

from __future__ import annotations

import torch

from ..families import Family
from .run import RegionalPatch


def patch_report(
    family: Family, n_layers: int, patch: RegionalPatch, unused_base_ratio: float | None
) -> str:
    """A few lines for people and for API users.

    Args:
        family: of the model.
        n_layers: transformer blocks of the model.
        patch: the patch.
        unused_base_ratio: value of the node's base ratio where a connected rule replaces it.
    """
    regions = patch.prompts.regions
    steps = torch.linspace(0, 1, 129)
    covered = float(regions.coverage(steps, steps).sum(0).clamp_max(1.0).mean())
    lines = [
        f"Model: {family.name}, {n_layers} layers.",
        f"Rule: {patch.rule.describe()}.",
        _layers_line(patch.layers, n_layers),
        f"Denoising: {patch.percent.start:.0%} to {patch.percent.end:.0%}.",
        f"Regions: {len(regions)}, covering {covered:.0%} of the canvas; "
        f"the rest follows the global prompt.",
    ]
    for index, (prompt, region) in enumerate(
        zip(patch.prompts.prompts, regions.regions, strict=True)
    ):
        shown = _cut(prompt)
        weight = "" if region.weight == 1.0 else f" (weight {region.weight:g})"
        frames = ""
        if region.frames is not None:
            fade = "" if region.fade is None else f", {region.fade.describe()}"
            frames = f" (frames {region.frames[0]:.0%} to {region.frames[1]:.0%}{fade})"
        when = "" if region.schedule is None else f" ({region.schedule.describe()})"
        base = "" if region.base_ratio is None else f" (base ratio {region.base_ratio:g})"
        lines.append(f"  {index + 1}. {shown or '(conditioning)'}{weight}{base}{frames}{when}")
        if patch.prompts.negative is not None and patch.prompts.negative.prompts[index]:
            lines.append(f"     not: {_cut(patch.prompts.negative.prompts[index])}")
    lines.extend(f"Note: {note}" for note in patch.prompts.notes)
    if unused_base_ratio is not None:
        lines.append(f"Note: base_ratio {unused_base_ratio:g} is not used, the rule decides.")
    if patch.is_noop:
        lines.append("Note: this patch changes nothing, its layer or percent range is empty.")
    return "\n".join(lines)


def _cut(prompt: str) -> str:
    """A prompt as far as it fits into a line."""
    return prompt if len(prompt) <= 80 else prompt[:77] + "..."


def _layers_line(layers: tuple[int, ...], n_layers: int) -> str:
    if not layers:
        return "Layers: none."
    return f"Layers: {layers[0]} to {layers[-1]} ({len(layers)} of {n_layers})."
