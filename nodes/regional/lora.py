"""Region LoRA."""

from __future__ import annotations

from pathlib import Path

import comfy.utils
import folder_paths
import torch
from comfy_api.latest import io

from ...attention.calls.schedule import PercentRange
from ...attention.lora.spec import MAX_STRENGTH, RegionLora
from ...demo_model.loader import DEMO_LORAS
from ..newer import newer
from ..types import CATEGORY, Loras, percents_in_order, require_choice, share_input


def lora_files() -> dict[str, Path | None]:
    """Names of the host's LoRA folders, and those of the demo model with their files."""
    return {**dict.fromkeys(folder_paths.get_filename_list("loras")), **DEMO_LORAS}


def lora_path(name: str) -> Path:
    """The file of a name that ``lora_files`` lists; no other file is ever opened."""
    found = lora_files()
    require_choice("lora_name", name, list(found))
    return found[name] or Path(folder_paths.get_full_path_or_raise("loras", name))


def lora_stamp(name: str) -> str:
    """Changes with the file."""
    status = lora_path(name).stat()
    return f"{name} {status.st_size} {status.st_mtime_ns}"


def lora_tensors(name: str) -> dict[str, torch.Tensor]:
    """The content of the file."""
    return comfy.utils.load_torch_file(str(lora_path(name)), safe_load=True)


class RegionLoraNode(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionalDiT_RegionLora",
            display_name="Region LoRA",
            category=CATEGORY,
            description="A LoRA that acts in its regions only. Connect it to Regional "
            "Conditioning; chain several for several LoRAs. The patched model then adds each "
            "LoRA's change to the tokens of its own regions, without merging any weight; its text "
            "encoder part acts on the prompts of its regions.",
            **newer("regional lora", "masked lora", "lora mask", "lora couple"),
            inputs=[
                io.Combo.Input(
                    "lora_name",
                    options=list(lora_files()),
                    default=next(iter(DEMO_LORAS)),
                    tooltip="A file of ComfyUI's loras folder, made for the model that is used. "
                    "Those that begin with 'demo' are for the demo model.",
                ),
                io.String.Input(
                    "regions",
                    default="1",
                    tooltip="Number or name of the region, several divided by commas, or 'all' for "
                    "all regions.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-MAX_STRENGTH,
                    max=MAX_STRENGTH,
                    step=0.01,
                    tooltip="How strongly it acts, as in the LoRA loaders. 0: not at all.",
                ),
                share_input(
                    "start_percent",
                    default=0.0,
                    tooltip="Part of the denoising at which it begins, 0 = first step. The text "
                    "encoder part is always on.",
                ),
                share_input(
                    "end_percent",
                    default=1.0,
                    tooltip="Part of the denoising at which it ends, 1 = last step.",
                ),
                io.Boolean.Input(
                    "negative",
                    default=True,
                    tooltip="Whether it also acts in its regions where the negative prompt is "
                    "computed, as a LoRA on the whole model does. Off: guidance then also pushes "
                    "towards the LoRA, so it looks stronger.",
                ),
                Loras.Input("loras", optional=True, tooltip="The LoRAs before this one."),
            ],
            outputs=[Loras.Output(display_name="loras", tooltip="For Regional Conditioning.")],
        )

    @classmethod
    def validate_inputs(cls, start_percent: float, end_percent: float) -> bool | str:
        return percents_in_order(start_percent, end_percent)

    @classmethod
    def fingerprint_inputs(cls, lora_name: str, **_: object) -> str:
        return lora_stamp(lora_name)

    @classmethod
    def execute(
        cls,
        lora_name: str,
        regions: str,
        strength: float,
        start_percent: float,
        end_percent: float,
        negative: bool,
        loras: tuple[RegionLora, ...] = (),
    ) -> io.NodeOutput:
        percent = PercentRange(start_percent, end_percent)
        lora = RegionLora(lora_name, lora_tensors(lora_name), regions, strength, percent, negative)
        return io.NodeOutput((*loras, lora))
