"""``doctor``: what was found, what would be installed, and what is broken."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..environment import install, pins, torch_choice
from ..environment.choice import Environment, find
from ..environment.packages import ask, missing_requirements
from ..errors import HeadlessError, UsageError
from ..paths import (
    ROOT,
    cache_root,
    environment_folders,
    folder_bytes,
    free_bytes,
    human_bytes,
    models_root,
)

# Runs inside the environment, in ComfyUI's folder. It loads ComfyUI as the server would.
_PROBE = """
import inspect, json, logging, platform, sys
logging.disable(logging.CRITICAL)
sys.path.insert(0, sys.argv[1])
facts = {"python": platform.python_version()}
import torch
facts["torch"] = torch.__version__
try:
    import torchvision
    facts["torchvision"] = torchvision.__version__
except ImportError as error:
    facts["torchvision_error"] = str(error)
import comfy.options
comfy.options.enable_args_parsing(False)
import comfy.cli_args
probe = getattr(torch, "accelerator", torch.cuda)
gpu = probe.is_available()
comfy.cli_args.args.cpu = not gpu
devices = []
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(f"{properties.name}, {properties.total_memory / 1024**3:.1f} GiB")
elif gpu:
    devices.append(str(torch.accelerator.current_accelerator()))
facts["devices"] = devices
import comfy.ldm.modules.attention as attention
facts["attention"] = attention.optimized_attention.__name__
facts["override"] = "optimized_attention_override" in inspect.getsource(attention)
try:
    from comfy.patcher_extension import WrappersMP
    wanted = ("CALC_COND_BATCH", "APPLY_MODEL", "SAMPLER_SAMPLE")
    facts["wrappers"] = [name for name in wanted if not hasattr(WrappersMP, name)]
except ImportError:
    facts["wrappers"] = ["comfy.patcher_extension"]
try:
    from comfy_api.latest import ComfyExtension, io
    facts["v3"] = hasattr(io, "ComfyNode") and hasattr(ComfyExtension, "get_node_list")
except ImportError:
    facts["v3"] = False
print(json.dumps(facts))
"""


@dataclass(slots=True)
class Report:
    """Lines for a person; ``broken`` says whether something that is needed does not work."""

    lines: list[str] = field(default_factory=list)
    broken: bool = False

    def add(self, name: str, value: str) -> None:
        """One fact."""
        self.lines.append(f"{name + ':':<15}{value}")

    def fault(self, name: str, value: str) -> None:
        """Something that the pack cannot do without."""
        self.broken = True
        self.lines.append(f"{name + ':':<15}BROKEN: {value}")


def examine(comfyui: str | None, python: str | None, torch_index: str | None = None) -> Report:
    """Look at everything without changing anything."""
    report = Report()
    report.add("this Python", f"{sys.version.split()[0]} ({sys.executable})")
    try:
        environment = find(comfyui, python)
    except UsageError:
        raise
    except HeadlessError as error:
        report.fault("ComfyUI", str(error))
        environment = None
    else:
        if environment is None:
            _add_plan(report, python, torch_index)
    if environment is not None:
        _add_environment(report, environment)
    _add_cache(report)
    report.lines.append("")
    report.lines.append("Something is broken." if report.broken else "Nothing is broken.")
    return report


def comfyui_version(folder: Path) -> str:
    """The version that a ComfyUI folder states, or ``unknown``."""
    for name in ("comfyui_version.py", "pyproject.toml"):
        path = folder / name
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        found = re.search(r"^(?:__version__|version)\s*=\s*[\"']([^\"']+)", text, re.M)
        if found:
            return found[1]
    return "unknown"


def _add_plan(report: Report, python: str | None, torch_index: str | None) -> None:
    folder, need = install.environment_folder(), torch_choice.need_bytes(torch_index)
    free = free_bytes(folder)
    report.add("ComfyUI", "none found; the first demo, test, serve, queue or run installs one")
    lines = [line for name in pins.TORCH for line in pins.exact(name)]
    allowed = [line for name in pins.TORCH for line in pins.ranges(name)]
    report.add("would install", f"ComfyUI (from {', '.join(pins.exact(pins.COMFYUI))})")
    there = None if torch_index else torch_choice.existing(Path(python) if python else None)
    if there is not None:
        report.add("and use", f"torch {there.torch} of {there.python}, without changing it")
    else:
        report.add("with torch", f"{'; '.join(lines)}; else {', '.join(allowed)}")
        report.add("NVIDIA device", "found" if torch_choice.has_nvidia() else "none found")
    report.add("into", str(folder))
    report.add("disk", f"needs {human_bytes(need)}, free {human_bytes(free)}")
    if free < need:
        report.fault("disk", "too little space for the install")


def _add_environment(report: Report, environment: Environment) -> None:
    version = comfyui_version(environment.comfyui)
    report.add("ComfyUI", f"{version} in {environment.comfyui}")
    report.add("chosen", environment.reason)
    report.add("its Python", str(environment.python))
    report.add("models", str(environment.models))
    try:
        facts = ask(environment.python, _PROBE, [str(environment.comfyui)], environment.comfyui)
        lines = pins.pack_requirements(ROOT)
        missing = missing_requirements(environment.python, lines)
        extras = missing_requirements(environment.python, pins.test_requirements(ROOT))
    except HeadlessError as error:
        report.fault("environment", str(error))
        return
    _add_facts(report, facts)
    if missing and environment.managed:
        report.add("packages", f"to be installed at the next run: {', '.join(missing)}")
    elif missing:
        quoted = " ".join(f'"{line}"' for line in missing)
        report.fault("packages", f"missing; run: {environment.python} -m pip install {quoted}")
    else:
        report.add("packages", f"all there: {', '.join(lines)}")
    if extras:
        report.add("for test", f"not installed: {', '.join(extras)}")


def _add_facts(report: Report, facts: dict[str, Any]) -> None:
    report.add("versions", f"Python {facts['python']}, torch {facts['torch']}")
    if "torchvision_error" in facts:
        report.fault("torchvision", f"{facts['torchvision_error']}; ComfyUI does not start without")
    devices = facts["devices"]
    report.add("devices", "; ".join(devices) if devices else "CPU only (the server gets --cpu)")
    report.add("attention", facts["attention"])
    if facts["v3"]:
        report.add("V3 node API", "there")
    else:
        report.fault("V3 node API", "missing; this pack needs ComfyUI 0.3.60 or newer, update it")
    if facts["wrappers"] or not facts["override"]:
        gone = list(facts["wrappers"])
        if not facts["override"]:
            gone.append("optimized_attention_override")
        report.fault("hooks", f"missing: {', '.join(gone)}; update ComfyUI to 0.3.60 or newer")
    else:
        report.add("hooks", "patcher wrappers and optimized_attention_override are there")


def _add_cache(report: Report) -> None:
    root = cache_root()
    report.add("free disk", f"{human_bytes(free_bytes(root))} at {root}")
    if models_root().is_dir():
        size = human_bytes(folder_bytes(models_root()))
        report.add("cache", f"{models_root()}: {size}, your models")
    for folder in environment_folders():
        if folder == install.environment_folder():
            whole = install.is_complete(folder)
            note = "in use" if whole else "incomplete; the next run rebuilds it"
        elif ".building-" in folder.name:
            note = "an install that runs now or was cut short"
        else:
            note = "of other pins; delete it if no other clone uses it"
        report.add("cache", f"{folder}: {human_bytes(folder_bytes(folder))}, {note}")
