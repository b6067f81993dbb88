"""State of one sampling: which rows of a model call are regional, and what each layer does.

Everything that does not depend on the denoising step is worked out once and kept here: token
ownership, groups, text states, and the keys and values of regional prompts. The state is made when
sampling starts, travels in ``transformer_options`` and is dropped with them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from .errors import HostError
from .groups import Groups, groups_to
from .prompts import RegionalPrompts
from .rules import Rule
from .schedule import PercentRange
from .tokens import TokenGrid, require_visible

if TYPE_CHECKING:
    from .families import Family


@dataclass(frozen=True, slots=True, eq=False)
class RegionalPatch:
    """One patch node: these prompts, by this rule, in these layers, in this part of the run."""

    prompts: RegionalPrompts
    rule: Rule
    layers: tuple[int, ...]
    percent: PercentRange

    @property
    def is_noop(self) -> bool:
        return not self.layers or self.percent.is_empty


@dataclass(frozen=True, slots=True)
class Entry:
    """One conditioning entry of the running sampling.

    Attributes:
        regional_uid: id of the regional prompts whose global prompt it is, or None.
        area: (height, width, top, left) in latent pixels, or None for the whole latent.
    """

    regional_uid: str | None
    area: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True, eq=False)
class TextStates:
    """A regional prompt's text tokens [1, T, C_text] on the device, and a key to cache under."""

    key: Hashable
    states: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class LayerJob:
    """What one layer does for the rows of one conditioning entry."""

    rows: slice
    groups: Groups
    texts: tuple[TextStates, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CallPlan:
    """What every patched layer does in a model call of this make-up.

    Attributes:
        n_tokens: image tokens that the latent gives.
        chunks: row ranges of the conditioning entries in the batch.
        layers: patched layers only.
    """

    n_tokens: int
    chunks: tuple[slice, ...]
    layers: dict[int, tuple[LayerJob, ...]]

    def plain_rows(self, jobs: tuple[LayerJob, ...]) -> list[slice]:
        """Row ranges that keep the stock attention in a layer with these jobs."""
        regional = [job.rows for job in jobs]
        return [rows for rows in self.chunks if rows not in regional]


class TextCache:
    """Keys and values of regional prompts, kept within a memory budget for one sampling.

    What does not fit is computed anew at each call; nothing is evicted, so that the same layers
    stay cached at every step.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        self._kept: dict[Hashable, tuple[torch.Tensor, torch.Tensor]] = {}

    def get(
        self, key: Hashable, compute: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        pair = compute()
        size = sum(t.numel() * t.element_size() for t in pair)
        if self.used_bytes + size <= self.budget_bytes:
            self._kept[key] = pair
            self.used_bytes += size
        return pair


@dataclass(slots=True, eq=False)
class SamplingRun:
    """All that the patches of one model need during one sampling.

    Attributes:
        family: of the model.
        patches: of the model, in the order of their nodes; in a layer that two of them claim, the
            later one acts.
        entries: conditioning entries by their uuid.
        latent_size: (height, width) of the whole latent.
        cache: keys and values of regional prompts.
    """

    family: Family
    patches: Sequence[RegionalPatch]
    entries: dict[Any, Entry]
    latent_size: tuple[int, int]
    cache: TextCache
    sigma_ranges: list[tuple[float, float]]
    _plans: dict[Hashable, CallPlan | None] = field(default_factory=dict, init=False)
    _texts: dict[Hashable, tuple[TextStates, ...]] = field(default_factory=dict, init=False)
    _groups: dict[Hashable, Groups] = field(default_factory=dict, init=False)

    def forgetful(self) -> SamplingRun:
        """The same run with nothing kept from earlier calls, nor for later ones.

        For calls under weight hooks: text states, keys and values all come from weights that the
        hooks may change between steps.
        """
        return replace(self, cache=TextCache(0))

    def active_patches(self, sigmas: torch.Tensor) -> tuple[int, ...]:
        """Indices of the patches whose percent range holds the current sigma."""
        if all(patch.percent.is_full for patch in self.patches):
            return tuple(range(len(self.patches)))  # no need to read sigma back from the device
        sigma = float(sigmas.flatten()[0])
        return tuple(
            index
            for index, (start, end) in enumerate(self.sigma_ranges)
            if not self.patches[index].percent.is_empty and end < sigma <= start
        )

    def plan(
        self, model: Any, x: torch.Tensor, uuids: Sequence[Any], sigmas: torch.Tensor
    ) -> CallPlan | None:
        """The plan for a model call, or None where no row is regional now.

        Args:
            model: ComfyUI's BaseModel.
            x: [B, channels, h, w] latent of the call.
            uuids: of the conditioning entries that the batch holds, in order.
            sigmas: current sigma, first element used.
        """
        if x.shape[0] % len(uuids):
            raise HostError(
                f"A model call has {x.shape[0]} rows for {len(uuids)} conditioning entries. "
                "Another patch splits the batch; regional prompts cannot tell whose rows are whose."
            )
        height, width = x.shape[-2:]
        active = self.active_patches(sigmas)
        key = (active, tuple(uuids), x.shape[0], height, width, x.device)
        if key not in self._plans:
            self._plans[key] = self._make_plan(model, x, uuids, active)
        return self._plans[key]

    def _make_plan(
        self, model: Any, x: torch.Tensor, uuids: Sequence[Any], active: tuple[int, ...]
    ) -> CallPlan | None:
        size = x.shape[0] // len(uuids)
        chunks = tuple(slice(i * size, (i + 1) * size) for i in range(len(uuids)))
        layers: dict[int, list[LayerJob]] = {}
        n_tokens = 0
        for rows, uuid in zip(chunks, uuids, strict=True):
            entry = self.entries.get(uuid)
            if entry is None or entry.regional_uid is None:
                continue
            chosen: dict[int, int] = {}  # layer -> patch; later patches overwrite earlier ones
            for index in active:
                patch = self.patches[index]
                if patch.prompts.uid == entry.regional_uid:
                    chosen.update(dict.fromkeys(patch.layers, index))
            grid = self._grid(model, x, entry)
            n_tokens = grid.n_tokens
            for layer, index in sorted(chosen.items()):
                job = LayerJob(
                    rows,
                    self._groups_of(model, index, grid, x.device),
                    self._texts_of(model, index, x.device),
                )
                layers.setdefault(layer, []).append(job)
        if not layers:
            return None
        return CallPlan(n_tokens, chunks, {layer: tuple(jobs) for layer, jobs in layers.items()})

    def _grid(self, model: Any, x: torch.Tensor, entry: Entry) -> TokenGrid:
        height, width = x.shape[-2:]
        rows, cols, patch = self.family.token_shape(model, height, width)
        top, left = (0, 0) if entry.area is None else entry.area[2:]
        return TokenGrid(rows, cols, patch, height, width, top, left, *self.latent_size)

    def _groups_of(self, model: Any, index: int, grid: TokenGrid, device: torch.device) -> Groups:
        key = (index, grid, device)
        if key not in self._groups:
            patch = self.patches[index]
            if (grid.height, grid.width) == self.latent_size:  # a crop may well miss a region
                require_visible(patch.prompts.regions, grid)
            groups = patch.rule.groups(patch.prompts.regions, grid)
            dtype = model.manual_cast_dtype or model.get_dtype()
            self._groups[key] = groups_to(groups, device, dtype)
        return self._groups[key]

    def _texts_of(self, model: Any, index: int, device: torch.device) -> tuple[TextStates, ...]:
        prompts = self.patches[index].prompts
        key = (id(prompts), device)  # several patch nodes may share one set of prompts
        if key not in self._texts:
            self._texts[key] = tuple(
                TextStates((*key, r), self.family.text_states(model, text, device))
                for r, text in enumerate(prompts.texts)
            )
        return self._texts[key]
