"""LoRAs that regions name themselves, as the Region Editor's panel lets them."""

from __future__ import annotations

from itertools import zip_longest

from ...attention.canvas.regions import RegionSet
from ...attention.errors import RegionalError
from ...attention.lora.spec import RegionLora
from ...planner.plan import Plan
from .lora import lora_files, lora_stamp, lora_tensors

Named = list[tuple[str, float]]  # file and strength by region
NONE = ("", 1.0)


def named_by(plan: Plan | None, regions: RegionSet | None = None) -> Named:
    """The LoRA of each region: the plan's, or else the drawn region's own."""
    planned = [] if plan is None else [(r.lora, r.lora_strength) for r in plan.regions]
    drawn = [] if regions is None else [region.lora for region in regions.regions]
    pairs = zip_longest(planned, drawn, fillvalue=NONE)
    return [mine if mine[0] else own for mine, own in pairs]


def check_named(named: Named) -> None:
    """Raise for a file that is not in the host's loras folder.

    Names come with workflows from anyone, and are looked up in the host's list alone.

    Raises:
        RegionalError: names the region and the file.
    """
    known = lora_files() if any(name for name, _ in named) else {}
    for index, (name, _) in enumerate(named):
        if name and name not in known:
            shown = name if len(name) <= 80 else f"{name[:77]}..."
            raise RegionalError(
                f"Region {index + 1} names the LoRA {shown!r}, which is not in ComfyUI's loras "
                "folder. Put the file there, choose another one in the Region Editor, or clear "
                "the field."
            )


def drawn_loras(plan: Plan | None, regions: RegionSet) -> tuple[RegionLora, ...]:
    """The LoRAs that regions name, read; one for all regions with the same file and strength.

    Raises:
        RegionalError: a file that is not in the host's loras folder.
    """
    named = named_by(plan, regions)
    check_named(named)
    where: dict[tuple[str, float], list[int]] = {}
    for number, (name, strength) in enumerate(named, 1):
        if name:
            where.setdefault((name, strength), []).append(number)
    tensors = {name: lora_tensors(name) for name in dict.fromkeys(name for name, _ in where)}
    return tuple(
        RegionLora(
            name,
            tensors[name],
            ", ".join(map(str, numbers)),
            strength,
            same=(lora_stamp(name), strength, *numbers),  # a plan's two levels both name it
        )
        for (name, strength), numbers in where.items()
    )


def drawn_stamp(plan: Plan) -> str:
    """Changes with the files that a plan's regions name."""
    return "; ".join(
        lora_stamp(name) for name in dict.fromkeys(n for n, _ in named_by(plan)) if name
    )
