"""Load a real ComfyUI and this pack into a script, as ComfyUI's own loader would.

Run scripts with ``python3 -m headless run benchmarks/step_cost.py``: it finds or makes the
environment and sets COMFYUI_PATH.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "regional_dit"


# ComfyUI's switches of the attention backend.
BACKENDS = {
    "pytorch": "use_pytorch_cross_attention",
    "split": "use_split_cross_attention",
    "sub-quadratic": "use_quad_cross_attention",
    "flash": "use_flash_attention",
    "sage": "use_sage_attention",
    "xformers": "",  # used where it is installed and nothing else is asked for
}


def load(
    *, pytorch_attention: bool = True, backend: str | None = None, cpu: bool | None = None
) -> None:
    """Put ComfyUI on ``sys.path`` and import the pack as ``regional_dit``.

    Args:
        pytorch_attention: use PyTorch's fused attention, as ComfyUI does on GPUs; False leaves the
            choice to ComfyUI (sub-quadratic attention on a CPU).
        backend: one of ``BACKENDS`` instead.
        cpu: whether to leave a GPU alone; None where there is none.
    """
    comfyui = os.environ.get("COMFYUI_PATH")
    if not comfyui:
        raise SystemExit("COMFYUI_PATH is not set; start this with 'python3 -m headless run FILE'.")
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import comfy.cli_args
    import torch

    chosen = comfy.cli_args.args
    chosen.cpu = not torch.cuda.is_available() if cpu is None else cpu
    if backend is None:
        chosen.use_pytorch_cross_attention = pytorch_attention
    elif BACKENDS[backend]:
        setattr(chosen, BACKENDS[backend], True)
    spec = importlib.util.spec_from_file_location(
        PACKAGE, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"The pack's __init__.py is missing in {ROOT}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)
