"""Progressive depth: prompts of the two levels go to different layers of one model."""

from __future__ import annotations

from typing import Literal, get_args

from ..calls.schedule import PercentRange
from ..errors import RegionalError
from ..rules import Rule
from ..rules.rcac import REFERENCE_SHARE
from ..text.prompts import RegionalPrompts
from .run import RegionalPatch

DepthPreset = Literal["high level deep (paper)", "high level shallow (inverted)", "uniform"]
DEPTH_PRESETS: tuple[DepthPreset, ...] = get_args(DepthPreset)
PAPER, INVERTED, UNIFORM = DEPTH_PRESETS


def depth_patches(
    preset: DepthPreset,
    split_layer: int,
    n_layers: int,
    rule: Rule,
    high: RegionalPrompts | None,
    low: RegionalPrompts | None,
    whole: RegionalPrompts | None,
) -> tuple[RegionalPatch, ...]:
    """The patches that a preset means.

    The abstract of arXiv 2501.07070 sends high-level prompts to deep layers and low-level ones to
    shallow layers; its caption, its sweep and its conclusion do not all agree (see the node's
    help page), hence the inverted and the uniform preset to compare with.

    Args:
        preset: which level goes where; "uniform" gives the whole prompts to all layers.
        split_layer: first deep layer, 1..n_layers - 1; -1 for the share 21 of 40.
        n_layers: blocks of the model.
        rule: of all patches.
        high, low, whole: prompts of each level, and of both; those that the preset needs.

    Raises:
        RegionalError: prompts are missing, belong to different pictures, or the split leaves no
            layer to one level.
    """
    if preset not in DEPTH_PRESETS:
        raise RegionalError(f"Preset is {preset!r}, expected one of: {', '.join(DEPTH_PRESETS)}.")
    if preset == UNIFORM:
        prompts = _connected("regional_whole", whole, preset)
        return (RegionalPatch(prompts, rule, tuple(range(n_layers)), PercentRange()),)
    high = _connected("regional_high", high, preset)
    low = _connected("regional_low", low, preset)
    if high.uid != low.uid:
        raise RegionalError(
            "regional_high and regional_low belong to different pictures. Connect the 'positive' "
            "output of one Regional Conditioning to the 'positive' input of the other."
        )
    split = round(n_layers * REFERENCE_SHARE) if split_layer == -1 else split_layer
    if not 1 <= split < n_layers:
        raise RegionalError(
            f"split_layer is {split}, expected 1 to {n_layers - 1} (or -1 for automatic): this "
            f"model has the layers 0..{n_layers - 1}, and both levels need some."
        )
    shallow, deep = (low, high) if preset == PAPER else (high, low)
    return (
        RegionalPatch(shallow, rule, tuple(range(split)), PercentRange()),
        RegionalPatch(deep, rule, tuple(range(split, n_layers)), PercentRange()),
    )


def _connected(name: str, prompts: RegionalPrompts | None, preset: str) -> RegionalPrompts:
    if prompts is None:
        raise RegionalError(f"The preset {preset!r} needs {name}. Connect a Regional Conditioning.")
    return prompts
