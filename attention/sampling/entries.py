"""The conditioning entries of a sampler: which of them are ours, and whether they can do."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import PromptError
from ..joint.references import REFERENCES
from ..text.prompts import MARKER

if TYPE_CHECKING:
    from .run import RegionalPatch


@dataclass(frozen=True, slots=True)
class Entry:
    """One conditioning entry of the running sampling.

    Attributes:
        regional_uid: id of the regional prompts whose global prompt it is, or None.
        area: sizes, then offsets of the latent's last axes, such as (height, width, top, left) in
            latent pixels; None for the whole latent.
        references: region of each reference image, see ``references.REFERENCES``.
    """

    regional_uid: str | None
    area: tuple[int, ...] | None
    references: tuple[int, ...] = ()

    def offsets(self, n_axes: int) -> tuple[int, ...]:
        """Where the area begins on each of the latent's last axes (frames, rows, columns)."""
        area = self.area or ()
        starts = area[len(area) // 2 :][:n_axes]
        return (0,) * (n_axes - len(starts)) + tuple(starts)


def read_entries(guider: Any) -> dict[Any, Entry]:
    """Describe every conditioning entry of the guider by its uuid, and make uuids unique.

    Where one side of the guidance has an area, ComfyUI appends to the other side a copy of that
    entry with a *borrowed* text: marker and uuid of the copy then lie. Such a copy is recognised
    by its place behind the originals, and judged by the entry that its text came from.
    """
    entries: dict[Any, Entry] = {}
    for name, conds in guider.conds.items():
        if not conds:
            continue
        n_original = len(guider.original_conds.get(name, conds))
        originals = conds[:n_original]
        for index, cond in enumerate(conds):
            source = cond if index < n_original else _text_owner(cond, originals)
            if cond["uuid"] in entries:
                cond = {**cond, "uuid": uuid.uuid4()}
                conds[index] = cond
            owners = tuple(source.get(REFERENCES, ()))
            entries[cond["uuid"]] = Entry(source.get(MARKER), cond.get("area"), owners)
    return entries


def _text_owner(copy: dict, originals: list[dict]) -> dict:
    text = copy["model_conds"].get("c_crossattn")
    for cond in originals:
        if cond["model_conds"].get("c_crossattn") is text:
            return cond
    return {}


def check_entries(entries: dict[Any, Entry], patches: Sequence[RegionalPatch]) -> None:
    """Raise where the sampler has no row for the patches, or none for their negatives."""
    found = {entry.regional_uid for entry in entries.values()}
    negatives = {p.prompts.negative.uid: p.prompts.uid for p in patches if p.prompts.negative}
    wanted = {patch.prompts.uid for patch in patches} - negatives.keys()
    if not found & wanted:
        raise PromptError(
            "The model is patched for regional prompts, but no conditioning of this sampler "
            "belongs to them. Connect the 'positive' output of Regional Conditioning (the one "
            "that feeds Patch DiT Cross-Attention) to the sampler's positive input."
        )
    if any(uid not in found and positive in found for uid, positive in negatives.items()):
        raise PromptError(
            "Regions have negative prompts of their own, but no conditioning of this sampler "
            "belongs to them. Connect the 'negative' output of the same Regional Conditioning to "
            "the sampler's negative input, or remove the regions' negative prompts (a guider "
            "without a negative, such as BasicGuider, cannot use them)."
        )


def check_bound_phrases(guider: Any, patches: Sequence[RegionalPatch]) -> None:
    """Raise where a rule knows tokens of another prompt than the one that is sampled."""
    for patch in patches:
        expected = patch.rule.base_tokens
        for cond in (cond for conds in guider.conds.values() for cond in conds or ()):
            text = cond["model_conds"].get("c_crossattn")
            if expected is None or cond.get(MARKER) != patch.prompts.uid or text is None:
                continue
            got = text.cond.shape[1]
            if got != expected:
                raise PromptError(
                    f"The phrases were bound in a prompt of {expected} text tokens, but the "
                    f"sampler's positive has {got}. Encode and bind the same prompt: connect the "
                    "global prompt of Regional Conditioning to the node that binds the phrases."
                )
