"""State of one sampling: which rows of a model call are regional, and what each layer does.

Everything that does not depend on the denoising step is worked out once and kept here: token
ownership, groups, text states, and the keys and values of regional prompts. The state is made when
sampling starts, travels in ``transformer_options`` and is dropped with them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..calls.call_plan import CallPlan, LayerJob, TextCache, TextStates
from ..calls.schedule import PercentRange
from ..calls.step import Step
from ..canvas.region_schedule import weights_at
from ..canvas.tokens import TokenGrid, require_visible
from ..engine.groups import BASE, Groups, boosted, groups_to
from ..errors import HostError
from ..joint.references import with_references
from ..lora.routing import Routing
from ..lora.run import BoundLora, LoraRun
from ..rules import Rule
from ..text.prompts import RegionalPrompts
from .entries import Entry

if TYPE_CHECKING:
    from ..families import Family


@dataclass(frozen=True, slots=True, eq=False)
class RegionalPatch:
    """One patch node: these prompts, by this rule, in these layers, in this part of the run."""

    prompts: RegionalPrompts
    rule: Rule[Any]
    layers: tuple[int, ...]
    percent: PercentRange
    loras: tuple[BoundLora, ...] = ()

    @property
    def is_noop(self) -> bool:
        return not self.layers or self.percent.is_empty


class Phase(NamedTuple):
    """All that a layer's groups depend on besides regions and grid.

    Attributes:
        of_rule: what the rule calls its phase.
        weights: of the regions at this step, or None where they have no schedule.
    """

    of_rule: Hashable
    weights: tuple[float, ...] | None


@dataclass(slots=True, eq=False)
class SamplingRun:
    """All that the patches of one model need during one sampling.

    Attributes:
        family: of the model.
        patches: of the model, in the order of their nodes; in a layer that two of them claim, the
            later one acts.
        entries: conditioning entries by their uuid.
        latent_size: (height, width) or (frames, height, width) of the whole latent.
        cache: keys and values of regional prompts.
        schedule: sigmas of this sampling, n_steps + 1 of them.
        percent_to_sigma: of the model.
        loras: of single regions.
    """

    family: Family
    patches: Sequence[RegionalPatch]
    entries: dict[Any, Entry]
    latent_size: tuple[int, ...]
    cache: TextCache
    schedule: Sequence[float]
    percent_to_sigma: Callable[[float], float]
    loras: LoraRun | None = None
    _plans: dict[Hashable, CallPlan | None] = field(default_factory=dict, init=False)
    _texts: dict[Hashable, tuple[TextStates, ...]] = field(default_factory=dict, init=False)
    _groups: dict[Hashable, Groups] = field(default_factory=dict, init=False)

    def forgetful(self) -> SamplingRun:
        """The same run with no text kept from earlier calls, nor for later ones.

        For calls under weight hooks: text states, keys and values all come from weights that the
        hooks may change between steps. Groups do not: they stay shared.
        """
        run = replace(self, cache=TextCache(0), loras=self.loras and self.loras.forgetful())
        run._groups = self._groups
        return run

    def _active_patches(self, step: Step) -> Iterator[int]:
        """Indices of the patches whose percent range holds the current sigma."""
        for index, patch in enumerate(self.patches):
            if patch.percent.holds(step):
                yield index

    def step(self, sigmas: torch.Tensor) -> Step:
        """Where a call with these sigmas stands: one for all that is asked about the call."""
        return Step(sigmas, self.schedule, self.percent_to_sigma)

    def routing(
        self, model: Any, x: torch.Tensor, uuids: Sequence[Any], step: Step
    ) -> Routing | None:
        """Where the LoRAs of single regions act in a model call; None without any. As ``plan``."""
        if self.loras is None or not self.loras.loras:
            return None
        _require_whole_rows(x, uuids)
        entries = [self.entries.get(uuid) for uuid in uuids]

        def grid_of(entry: Entry | None) -> TokenGrid:
            return self._grid(model, x, entry or Entry(None, None), 0)

        return self.loras.routing(model, x, entries, uuids, step, grid_of)

    def plan(
        self,
        model: Any,
        x: torch.Tensor,
        uuids: Sequence[Any],
        step: Step,
        routing: Routing | None = None,
    ) -> CallPlan | None:
        """The plan for a model call, or None where no row is regional now.

        Args:
            model: ComfyUI's BaseModel.
            x: [B, channels, h, w] or [B, channels, t, h, w] latent of the call.
            uuids: of the conditioning entries that the batch holds, in order.
            step: of the call.
            routing: of the LoRAs that act in this call.
        """
        _require_whole_rows(x, uuids)
        phases = self._phases(model, step)
        acting = dict.fromkeys(index for index, _ in phases)
        strengths = {index: self.patches[index].rule.boost_factor(step) for index in acting}
        acts = None if routing is None else routing.signature
        acting_now = (tuple(phases.items()), tuple(strengths.items()), acts)
        key = (acting_now, tuple(uuids), x.shape, x.device)
        if key not in self._plans:
            self._plans[key] = self._make_plan(model, x, uuids, phases, strengths, routing)
        return self._plans[key]

    def _phases(self, model: Any, step: Step) -> dict[tuple[int, int], Phase]:
        """(patch, layer) -> phase, of all that act at this step."""
        n_layers = self.family.n_layers(model)
        phases: dict[tuple[int, int], Phase] = {}
        for index in self._active_patches(step):
            patch = self.patches[index]
            weights = weights_at(patch.prompts.regions, step)
            if weights is not None and not any(weights):
                continue  # outside of the time of all its regions
            for layer in patch.layers:
                of_rule = patch.rule.phase(layer, n_layers, step)
                if of_rule is not None:
                    phases[index, layer] = Phase(of_rule, weights)
        return phases

    def _make_plan(
        self,
        model: Any,
        x: torch.Tensor,
        uuids: Sequence[Any],
        phases: dict[tuple[int, int], Phase],
        strengths: dict[int, float | None],
        routing: Routing | None,
    ) -> CallPlan | None:
        size = x.shape[0] // len(uuids)
        chunks = tuple(slice(i * size, (i + 1) * size) for i in range(len(uuids)))
        layers: dict[int, list[LayerJob]] = {}
        tuned: dict[int, Groups] = {}  # one object for all layers that do the same
        for rows, uuid in zip(chunks, uuids, strict=True):
            entry = self.entries.get(uuid)
            if entry is None or entry.regional_uid is None:
                continue
            chosen: dict[int, int] = {}  # layer -> patch; later patches overwrite earlier ones
            for index, layer in phases:
                if self.patches[index].prompts.uid == entry.regional_uid:
                    chosen[layer] = index
            for layer, index in sorted(chosen.items()):
                grid = self._grid(model, x, entry, layer)
                owners = entry.references
                groups = self._groups_of(model, index, grid, phases[index, layer], owners, x.device)
                texts = ()
                if _speak_of_text(groups):
                    texts = self._texts_of(model, index, x.device, routing)
                strength = strengths[index]
                if strength is not None:
                    if id(groups) not in tuned:
                        tuned[id(groups)] = boosted(groups, strength)
                    groups = tuned[id(groups)]
                job = LayerJob(rows, grid, groups, texts, owners)
                layers.setdefault(layer, []).append(job)
        if not layers:
            return None
        return CallPlan(chunks, {layer: tuple(jobs) for layer, jobs in layers.items()})

    def _grid(self, model: Any, x: torch.Tensor, entry: Entry, layer: int) -> TokenGrid:
        size = tuple(x.shape[2:])
        shape = self.family.token_shape(model, size, layer)
        offsets = entry.offsets(len(size))
        full = self.latent_size
        first_frame: int | None = 0
        if len(size) == 3:
            first_frame = offsets[0]
            if (entry.area is None or len(entry.area) < 6) and size[0] != full[0]:
                first_frame = None  # the host shows the model a window of the video
        return TokenGrid(
            shape.rows,
            shape.cols,
            shape.patch,
            *size[-2:],
            *offsets[-2:],
            *full[-2:],
            frames=shape.frames,
            first_frame=first_frame,
            full_frames=full[0] if len(full) == 3 else 1,
        )

    def _groups_of(
        self,
        model: Any,
        index: int,
        grid: TokenGrid,
        phase: Phase,
        owners: tuple[int, ...],
        device: torch.device,
    ) -> Groups:
        key = (index, grid, phase, owners, device)
        if key not in self._groups:
            patch = self.patches[index]
            regions = patch.prompts.regions
            if phase.weights is not None:
                regions = regions.with_weights(phase.weights)
            if grid.is_whole:  # a crop may well miss a region
                require_visible(regions, grid)
            groups = patch.rule.groups(regions, grid, phase.of_rule)
            if any(owners):
                groups = with_references(groups, owners, regions, grid)
            dtype = model.manual_cast_dtype or model.get_dtype()
            self._groups[key] = groups_to(groups, device, dtype)
        return self._groups[key]

    def _texts_of(
        self, model: Any, index: int, device: torch.device, routing: Routing | None
    ) -> tuple[TextStates, ...]:
        prompts = self.patches[index].prompts
        acts = None if routing is None else routing.signature
        key = (id(prompts), device, acts)  # several patch nodes may share one set of prompts
        if key not in self._texts:
            texts = []
            for r, text in enumerate(prompts.texts):
                owner = (prompts.uid, r)
                with routing.speaking(owner) if routing is not None else nullcontext():
                    states = self.family.text_states(model, text, device)
                texts.append(TextStates((*key, r), states, owner))
            self._texts[key] = tuple(texts)
        return self._texts[key]


def _require_whole_rows(x: torch.Tensor, uuids: Sequence[Any]) -> None:
    if x.shape[0] % len(uuids):
        raise HostError(
            f"A model call has {x.shape[0]} rows for {len(uuids)} conditioning entries. "
            "Another patch splits the batch; regional prompts cannot tell whose rows are whose."
        )


def _speak_of_text(groups: Groups) -> bool:
    """Whether any regional text asks or is asked."""
    return any(
        group.source > BASE or any(block.source > BASE for block in group.blocks)
        for group in groups
    )
