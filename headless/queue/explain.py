"""What ComfyUI's error answers mean, as sentences with what to do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .workflow import ObjectInfo, Workflow, title

# Inputs that name a model file, and the folder below models/ that it belongs in.
_MODEL_INPUTS = {
    "ckpt_name": "checkpoints",
    "config_name": "configs",
    "control_net_name": "controlnet",
    "lora_name": "loras",
    "model_patch": "model_patches",
    "style_model_name": "style_models",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
}
_CLASS_FOLDERS = {
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("HypernetworkLoader", "hypernetwork_name"): "hypernetworks",
    ("GLIGENLoader", "gligen_name"): "gligen",
    ("PhotoMakerLoader", "photomaker_model_name"): "photomaker",
}
_CHOICES_SHOWN = 12


def model_folder(class_type: str, input_name: str) -> str | None:
    """Folder below ``models/`` that the file named by this input belongs in; None if it is none."""
    special = _CLASS_FOLDERS.get((class_type, input_name))
    if special:
        return special
    if input_name.startswith("clip_name"):
        return "text_encoders"
    return _MODEL_INPUTS.get(input_name)


def rejection(
    answer: Mapping[str, Any], workflow: Workflow, models: Path | None, info: ObjectInfo
) -> str:
    """Why ``/prompt`` refused a workflow, node by node and input by input.

    Args:
        answer: the server's JSON, with ``error`` and ``node_errors``.
        models: the server's ``models/`` folder where it is known (a local server).
        info: the server's ``/object_info``, for the choices of an input.
    """
    lines: list[str] = []
    for node_id, node_error in (answer.get("node_errors") or {}).items():
        declared = info.get(str(node_error.get("class_type")), {})
        for error in node_error.get("errors", []):
            reason = _reason(error, str(node_error.get("class_type")), declared, models)
            lines.append(f"  {title(workflow, node_id)}: {reason}")
    if lines:
        return "The server refused the workflow:\n" + "\n".join(lines)
    error = answer.get("error") or {}
    if isinstance(error, str):
        return f"The server refused the workflow: {error}"
    if error.get("type") == "prompt_no_outputs":
        return (
            "The server refused the workflow: it has no output node, so nothing would run. Add one "
            "such as Save Image or Preview Image."
        )
    said = ": ".join(str(error[k]) for k in ("message", "details") if error.get(k))
    return f"The server refused the workflow: {said or json.dumps(dict(answer))[:300]}"


def _reason(
    error: Mapping[str, Any], class_type: str, declared: Mapping[str, Any], models: Path | None
) -> str:
    extra = error.get("extra_info") or {}
    name = str(extra.get("input_name", ""))
    got = extra.get("received_value")
    kind = error.get("type")
    if kind == "required_input_missing":
        return f"the required input {name!r} is missing"
    if kind == "value_not_in_list":
        choices = _choices(declared, name)
        folder = model_folder(class_type, name)
        if folder is None:
            return f"{name} is {got!r}, which is not one of: {_listed(choices, str(got))}"
        where = models / folder if models else Path("models") / folder
        whose = "" if models else " of the ComfyUI that serves"
        there = f"there are: {_listed(choices, str(got))}" if choices else "there is none yet"
        return (
            f"{name} wants the file {got!r}, which is missing. Put it into {where}{whose}, or "
            f"choose another with --set ({there})"
        )
    if kind in ("value_smaller_than_min", "value_bigger_than_max"):
        return f"{name} is {got!r}: {error.get('message')}"
    if kind == "return_type_mismatch":
        linked = extra.get("linked_node") or ["?"]
        return (
            f"{name} is linked to an output of type {extra.get('received_type')} (node "
            f"#{linked[0]}) and takes another type ({error.get('details')})"
        )
    return ": ".join(str(error[k]) for k in ("message", "details") if error.get(k))


def _choices(declared: Mapping[str, Any], name: str) -> list[str]:
    """What a combo input offers; classic nodes list it in place of the type, V3 nodes behind it."""
    for section in ("required", "optional"):
        spec = declared.get("input", {}).get(section, {}).get(name)
        if spec and isinstance(spec[0], list):
            return [str(x) for x in spec[0]]
        if spec and len(spec) > 1:
            return [str(x) for x in spec[1].get("options") or []]
    return []


def _listed(choices: list[str], got: str) -> str:
    """The choices, those like ``got`` first, cut to a readable number."""
    near = difflib.get_close_matches(got, choices, n=3)
    shown = [*near, *(x for x in choices if x not in near)]
    more = f" and {len(shown) - _CHOICES_SHOWN} more" if len(shown) > _CHOICES_SHOWN else ""
    return ", ".join(shown[:_CHOICES_SHOWN]) + more if shown else "(an empty list)"


def failure(message: Mapping[str, Any], workflow: Workflow) -> str:
    """What an ``execution_error`` says: node, exception, and its text."""
    where = title(workflow, str(message.get("node_id")))
    kind = str(message.get("exception_type", "")).rsplit(".", 1)[-1]
    text = str(message.get("exception_message", "")).strip() or "(no message)"
    return f"{where} failed with {kind}: {text}"
