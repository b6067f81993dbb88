"""Socket types of the pack, and what travels through each.

RP_REGIONS        ``attention.regions.RegionSet``
RP_PLAN           ``planner.plan.Plan``
RP_CONDITIONINGS  tuple of CONDITIONING, one per region
RP_REGIONAL       ``attention.prompts.RegionalPrompts``
RP_RULE           ``attention.rules.Rule``
RP_PHRASES        ``attention.phrases.PhraseBinding``
RP_LORAS          tuple of ``attention.lora.spec.RegionLora``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from ..attention.errors import RegionalError

Regions = io.Custom("RP_REGIONS")
PlanSocket = io.Custom("RP_PLAN")
Conditionings = io.Custom("RP_CONDITIONINGS")
Regional = io.Custom("RP_REGIONAL")
RuleSocket = io.Custom("RP_RULE")
Phrases = io.Custom("RP_PHRASES")
Loras = io.Custom("RP_LORAS")

CATEGORY = "regional DiT"


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise unless a combo widget's value is one of its choices.

    ComfyUI does not check combo values of V3 nodes that arrive through the API.

    Raises:
        RegionalError: names the input, what it got and the choices.
    """
    if value not in choices:
        raise RegionalError(f"{name} is {value!r}, expected one of: {', '.join(choices)}.")


def share_input(name: str, *, default: float, tooltip: str, **more: Any) -> io.Float.Input:
    """An input in 0..1, in hundredths: a part of the denoising, a share, a ratio."""
    return io.Float.Input(
        name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip, **more
    )


def percents_in_order(start_percent: float, end_percent: float) -> bool | str:
    """What a node's ``validate_inputs`` says of a part of the denoising."""
    if start_percent > end_percent:
        return f"start_percent ({start_percent:g}) is after end_percent ({end_percent:g})."
    return True
