"""The plan: what goes where on the canvas, in words. One versioned JSON format with a schema.

High level means content, objects and layout; low level means colour, texture, material, light and
style (arXiv 2501.07070, section II-A). The split of a phrase into an instance and its attributes
follows arXiv 2504.10148.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from .compose import compose_prompt
from .errors import PlanError
from .mask import RegionMask
from .schema import (
    MAX_LORA_NAME,
    MAX_NOTES,
    MAX_REGIONS,
    MAX_TEXT,
    MAX_WORDS,
    PLAN_VERSION,
    parse_plan_json,
)

Box = tuple[float, float, float, float]
Level = Literal["both", "high", "low"]

MAX_WEIGHT = 10.0
MAX_ORDER = 1000
MAX_LORA_STRENGTH = 100.0
MIN_ASPECT, MAX_ASPECT = 1 / 16, 16.0
_COLOR = r"(#[0-9a-fA-F]{6})?"


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """One region of a plan.

    Attributes:
        high_level: content, objects, layout ("a circle on black background").
        low_level: colour, texture, material, light, style ("red, watercolor style").
        box: x0, y0, x1, y1 in fractions of the canvas, or None: the region of the same index.
        weight: 0 < weight <= 10.
        order: larger is nearer the viewer.
        instance: the object's noun ("circle"), as it stands in `high_level`.
        attributes: what is said of the instance ("red",); each is also a part of `low_level`.
        negative: what this region must not show.
        phrase: the whole prompt, where joining the two levels would not read as it was written;
            empty: the levels are joined by `compose_prompt`.
        feather: width of the soft border, 0 to 1, as a share of the canvas; see `regions.Box`.
        mask: a painted shape that fills `box`, or None: the region is the whole box.
        color: "#rrggbb" in which the editor draws the region; empty: by its number.
        locked: whether the editor keeps the region from being moved.
        lora: name of a LoRA file that acts in this region alone; empty: none.
        lora_strength: how strongly, -100 to 100.
        why: why the box is where it is, in words; empty once somebody has drawn it.
    """

    high_level: str
    low_level: str = ""
    box: Box | None = None
    weight: float = 1.0
    order: int = 0
    instance: str = ""
    attributes: tuple[str, ...] = ()
    negative: str = ""
    phrase: str = ""
    feather: float = 0.0
    mask: RegionMask | None = None
    color: str = ""
    locked: bool = False
    lora: str = ""
    lora_strength: float = 1.0
    why: str = ""

    def __post_init__(self) -> None:
        for name in ("high_level", "low_level", "instance", "negative", "phrase", "why"):
            _check_text(f"region.{name}", getattr(self, name), MAX_TEXT)
        _check_words("region.attributes", self.attributes, MAX_WORDS)
        _check_text("region.lora", self.lora, MAX_LORA_NAME)
        strength = self.lora_strength
        if not _is_number(strength) or abs(strength) > MAX_LORA_STRENGTH:
            raise PlanError(
                f"The strength of a region's LoRA is {_show(strength)}; expected a number from "
                f"{-MAX_LORA_STRENGTH:g} to {MAX_LORA_STRENGTH:g}."
            )
        if not _is_number(self.weight) or not 0 < self.weight <= MAX_WEIGHT:
            raise PlanError(
                f"A region's weight is {_show(self.weight)}; expected a number above 0 and at most "
                f"{MAX_WEIGHT:g}. Leave the region out to switch it off."
            )
        if isinstance(self.order, bool) or not isinstance(self.order, int):
            raise PlanError(f"A region's order is {_show(self.order)}; expected a whole number.")
        if abs(self.order) > MAX_ORDER:
            raise PlanError(
                f"A region's order is {_show(self.order)}; expected -{MAX_ORDER} to {MAX_ORDER}."
            )
        if self.box is not None:
            if not isinstance(self.box, tuple):
                raise PlanError(f"A box is {_show(self.box)}; expected a tuple of four numbers.")
            check_box(self.box)
        self._check_drawing()

    def _check_drawing(self) -> None:
        if not _is_number(self.feather) or not 0 <= self.feather <= 1:
            raise PlanError(
                f"A region's feather is {_show(self.feather)}; expected 0 to 1, a share of the "
                "canvas."
            )
        if self.mask is not None and self.box is None:
            raise PlanError("A region has a mask but no box; the mask fills the region's box.")
        if not isinstance(self.color, str) or not re.fullmatch(_COLOR, self.color):
            raise PlanError(f"A region's color is {_show(self.color)}; expected #rrggbb or none.")
        if not isinstance(self.locked, bool):
            raise PlanError(f"A region's locked is {_show(self.locked)}; expected true or false.")

    def prompt(self, level: Level = "both") -> str:
        """The text to encode for this region.

        Args:
            level: "high" or "low" for one level alone, "both" for the whole prompt. A level that
                is empty gives the whole prompt, since an empty prompt would erase the region.
        """
        whole = self.phrase or compose_prompt(
            self.high_level, self.low_level, self.instance, self.attributes
        )
        if level == "both":
            return whole
        if level == "high":
            return self.high_level or whole
        if level == "low":
            return self.low_level or whole
        raise PlanError(f"The prompt level is {_show(level)}; expected 'both', 'high' or 'low'.")


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan.

    Attributes:
        global_prompt: the prompt of the whole picture.
        negative_prompt: what the picture must not show.
        regions: at most 64, in the order of the regions they belong to.
        aspect: width / height of the canvas, or None if it does not matter.
        background: what lies behind everything ("on black background").
        notes: what could not be placed or had to be changed, in sentences.
        source: `fingerprint` of the plan that a drawing was taken from; empty: drawn from nothing.
    """

    global_prompt: str
    negative_prompt: str = ""
    regions: tuple[RegionPlan, ...] = ()
    aspect: float | None = None
    background: str = ""
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("global_prompt", "negative_prompt", "background"):
            _check_text(name, getattr(self, name), MAX_TEXT)
        _check_words("notes", self.notes, MAX_NOTES)
        _check_text("source", self.source, 64)
        if not isinstance(self.regions, tuple) or not all(
            isinstance(region, RegionPlan) for region in self.regions
        ):
            raise PlanError("A plan's regions must be a tuple of RegionPlan.")
        if len(self.regions) > MAX_REGIONS:
            raise PlanError(
                f"The plan has {len(self.regions)} regions; expected at most {MAX_REGIONS}."
            )
        if self.aspect is not None and (
            not _is_number(self.aspect) or not MIN_ASPECT <= self.aspect <= MAX_ASPECT
        ):
            raise PlanError(
                f"The plan's aspect is {_show(self.aspect)}; expected width / height between "
                f"{MIN_ASPECT:g} and {MAX_ASPECT:g}, or null."
            )

    def to_json(self) -> str:
        """The plan as indented JSON, valid by `plan.schema.json`; `from_json` reads it back."""
        fields = asdict(self)
        if not self.source:
            del fields["source"]
        for region in fields["regions"]:  # what only the editor makes is left out where unused
            for name in ("feather", "mask", "color", "locked", "lora", "why"):
                if not region[name]:
                    del region[name]
            if region["lora_strength"] == 1.0:
                del region["lora_strength"]
        return json.dumps({"version": PLAN_VERSION, **fields}, ensure_ascii=False, indent=2)

    def fingerprint(self) -> str:
        """Sixteen hex digits that tell this plan from another."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan that a person, the editor or a language model wrote.

        Raises:
            PlanError: names the path of the first thing that is wrong, what it got and expected.
        """
        fields = parse_plan_json(text)
        fields.pop("version", None)
        regions = []
        for index, region in enumerate(fields.pop("regions", [])):
            box = region.pop("box", None)
            attributes = tuple(region.pop("attributes", ()))
            mask = region.pop("mask", None)
            try:
                regions.append(
                    RegionPlan(
                        box=None if box is None else check_box(box),
                        attributes=attributes,
                        mask=None if mask is None else _mask(**mask),
                        feather=float(region.pop("feather", 0.0)),
                        lora_strength=float(region.pop("lora_strength", 1.0)),
                        weight=float(region.pop("weight", 1.0)),
                        order=int(region.pop("order", 0)),
                        **region,
                    )
                )
            except PlanError as error:
                raise PlanError(f"The plan is wrong at regions[{index}]: {error}") from None
        aspect = fields.pop("aspect", None)
        return cls(
            regions=tuple(regions),
            aspect=None if aspect is None else float(aspect),
            notes=tuple(fields.pop("notes", ())),
            **fields,
        )


def _mask(width: float, height: float, runs: str) -> RegionMask:
    """The mask of a JSON object that follows the schema, to which 2.0 is a whole number too."""
    return RegionMask(int(width), int(height), runs)


def check_box(box: Sequence[float]) -> Box:
    """The box as floats.

    Raises:
        PlanError: unless it is x0 < x1, y0 < y1 within [0, 1].
    """
    if (
        not isinstance(box, (tuple, list))
        or len(box) != 4
        or not all(_is_number(edge) for edge in box)
    ):
        raise PlanError(f"A box is {_show(box)}; expected four numbers x0, y0, x1, y1.")
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise PlanError(
            f"A box is {_show(box)}; expected fractions of the canvas with 0 <= x0 < x1 <= 1 and "
            "0 <= y0 < y1 <= 1."
        )
    return float(x0), float(y0), float(x1), float(y1)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _check_text(name: str, value: object, limit: int) -> None:
    if not isinstance(value, str):
        raise PlanError(f"{name} is {_show(value)}; expected a text.")
    if len(value) > limit:
        raise PlanError(f"{name} has {len(value)} characters; expected at most {limit}.")


def _check_words(name: str, value: object, limit: int) -> None:
    if not isinstance(value, tuple) or len(value) > limit:
        raise PlanError(f"{name} is {_show(value)}; expected a tuple of at most {limit} texts.")
    for word in value:
        _check_text(name, word, MAX_TEXT)


def _show(value: object) -> str:
    """`repr`, cut: a message must stay readable whatever was passed."""
    try:
        text = repr(value)
    except ValueError:  # an integer too long to be printed
        text = "a very large number"
    return text if len(text) <= 80 else text[:77] + "..."
