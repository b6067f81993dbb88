"""Region ControlNet, and the host's ControlNet object with residuals that are kept to regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.controlnet
import torch
from comfy_api.latest import io

from ...attention.canvas.region_list import region_indices
from ...attention.canvas.regions import RegionSet
from ...attention.canvas.residuals import residual_grid, residual_weights
from ...attention.canvas.tokens import TokenGrid
from ...attention.errors import PromptError
from ...attention.sampling.host import KEY
from ...attention.sampling.run import SamplingRun
from ...attention.text.encode import Conditioning
from ..newer import newer
from ..types import CATEGORY, Regions

CONTROL = "control"  # where the host keeps it in a conditioning


Place = tuple[tuple[int, int], tuple[int, int]]  # (top, left) of a latent, and the whole canvas


class RegionalControl(comfy.controlnet.ControlBase):
    """A ControlNet whose residuals are multiplied by what regions own of each token.

    Stands in the host's chain in its place: the ControlNets applied before it follow as
    ``previous_controlnet``, later ones put it there.

    Args:
        inner: the host's object, of any class; a copy of it is kept.
        regions: R regions.
        chosen: 0-based indices of those in which it acts.
    """

    def __init__(self, inner: Any, regions: RegionSet, chosen: frozenset[int]) -> None:
        super().__init__()
        self.inner = inner.copy()
        self.regions = regions
        self.chosen = chosen
        self.extra_hooks = self.inner.extra_hooks
        self.previous_controlnet = inner.previous_controlnet
        self._weights: dict[tuple[TokenGrid, torch.device, torch.dtype], torch.Tensor] = {}

    def get_control(
        self,
        x_noisy: torch.Tensor,
        t: Any,
        cond: Any,
        batched_number: int,
        transformer_options: Any,
    ) -> dict[str, list[Any]] | None:
        arguments = (x_noisy, t, cond, batched_number, transformer_options)
        before = None
        if self.previous_controlnet is not None:
            before = self.previous_controlnet.get_control(*arguments)
        own = self.inner.get_control(*arguments)
        if own is None:
            return before
        places = _places(x_noisy, transformer_options)
        done: dict[int, torch.Tensor] = {}  # the host shares tensors between blocks

        def kept(residual: torch.Tensor | None) -> torch.Tensor | None:
            if residual is None:
                return None
            if id(residual) not in done:
                done[id(residual)] = residual * self._weights_of(residual, x_noisy, places)
            return done[id(residual)]

        masked = {name: [kept(residual) for residual in own[name]] for name in own}
        return self.control_merge(masked, before, None)

    def _weights_of(
        self, residual: torch.Tensor, x_noisy: torch.Tensor, places: Sequence[Place]
    ) -> torch.Tensor:
        """Broadcastable to the residual: of one entry of the batch after the other."""
        size = (x_noisy.shape[-2], x_noisy.shape[-1])
        grids = [residual_grid(residual.shape, size, *place) for place in places]
        if len(set(grids)) == 1:
            return self._on_grid(grids[0], residual)
        rows = residual.shape[0] // len(grids)
        every = [self._on_grid(grid, residual) for grid in grids]
        return torch.cat([weights.expand(rows, *weights.shape[1:]) for weights in every])

    def _on_grid(self, grid: TokenGrid, residual: torch.Tensor) -> torch.Tensor:
        key = (grid, residual.device, residual.dtype)
        if key not in self._weights:
            weights = residual_weights(self.regions, self.chosen, grid)
            shape = (1, grid.n_tokens, 1) if residual.ndim == 3 else (1, 1, grid.rows, grid.cols)
            self._weights[key] = weights.view(shape).to(residual.device, residual.dtype)
        return self._weights[key]

    def copy(self) -> RegionalControl:
        other = RegionalControl(self.inner, self.regions, self.chosen)
        self.copy_to(other)
        return other

    def deepclone_multigpu(self, load_device: Any, autoregister: bool = False) -> RegionalControl:
        other = self.copy()
        other.inner = self.inner.deepclone_multigpu(load_device)
        if autoregister:
            self.multigpu_clones[load_device] = other
        return other

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        super().pre_run(model, percent_to_timestep_function)
        self.inner.pre_run(model, percent_to_timestep_function)

    def cleanup(self) -> None:
        super().cleanup()
        self.inner.cleanup()
        self._weights.clear()

    def get_models(self) -> list[Any]:
        return super().get_models() + self.inner.get_models()

    def inference_memory_requirements(self, dtype: Any) -> Any:
        own = self.inner.inference_memory_requirements(dtype)
        return max(own, super().inference_memory_requirements(dtype))


def _places(x_noisy: torch.Tensor, transformer_options: dict[str, Any]) -> list[Place]:
    """Where on the canvas the latent of each entry of the batch lies.

    Areas of conditionings are known where the model is patched for regional prompts; without it
    the latent of the call is taken as the canvas.
    """
    run: SamplingRun | None = transformer_options.get(KEY)
    whole = (x_noisy.shape[-2], x_noisy.shape[-1])
    if run is None:
        return [((0, 0), whole)]
    full = (run.latent_size[-2], run.latent_size[-1])
    found: list[Place] = []
    for uuid in transformer_options["uuids"]:
        top, left = run.entries[uuid].offsets(2)
        found.append(((top, left), full))
    return found


class RegionControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionControlNet",
            display_name="Region ControlNet",
            category=CATEGORY,
            description="Keep the ControlNet that was applied last to some regions: what it adds "
            "to each token is multiplied by what these regions own of it. Put it behind Apply "
            "ControlNet; chain both for one ControlNet per region.",
            **newer("regional controlnet", "masked controlnet", "controlnet mask"),
            inputs=[
                io.Conditioning.Input("positive", tooltip="From Apply ControlNet."),
                io.Conditioning.Input("negative", tooltip="From Apply ControlNet."),
                Regions.Input("regions", tooltip="From any node that makes regions."),
                io.String.Input(
                    "which",
                    default="1",
                    tooltip="Numbers or names of the regions in which the ControlNet acts, such as "
                    "1, 3. 'all' or empty: all of them, but not the canvas that is left over.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive"),
                io.Conditioning.Output(display_name="negative"),
            ],
        )

    @classmethod
    def execute(
        cls, positive: Conditioning, negative: Conditioning, regions: RegionSet, which: str
    ) -> io.NodeOutput:
        chosen = region_indices(which, regions, what="The ControlNet", empty_is_all=True)
        made: dict[int, RegionalControl] = {}  # one object on both sides, so that they are batched
        sides = []
        for side in (positive, negative):
            changed = []
            for states, extra in side:
                control = extra.get(CONTROL)
                if control is not None:
                    if id(control) not in made:
                        made[id(control)] = RegionalControl(control, regions, chosen)
                    extra = {**extra, CONTROL: made[id(control)]}
                changed.append([states, extra])
            sides.append(changed)
        if not made:
            raise PromptError(
                "No ControlNet was applied to these conditionings. Put Region ControlNet behind "
                "Apply ControlNet."
            )
        return io.NodeOutput(*sides)
