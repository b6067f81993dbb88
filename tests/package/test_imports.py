"""Loading the pack beside a ComfyUI that runs already: what it costs and what it brings along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

# Measured in processor seconds, so that a busy machine does not count.
SCRIPT = """
import asyncio, importlib.util, json, logging, sys, time
logging.disable(logging.CRITICAL)
comfyui, root = sys.argv[1:]
sys.path.insert(0, comfyui)
import comfy.options
comfy.options.enable_args_parsing(False)
import comfy.cli_args, torch
comfy.cli_args.args.cpu = not torch.cuda.is_available()
import comfy.sd, comfy_api.latest, nodes, requests
before, started = set(sys.modules), time.process_time()
spec = importlib.util.spec_from_file_location(
    "pack", root + "/__init__.py", submodule_search_locations=[root]
)
pack = importlib.util.module_from_spec(spec)
sys.modules["pack"] = pack
spec.loader.exec_module(pack)
lazy = time.process_time() - started
extension = asyncio.run(pack.comfy_entrypoint())
for node in asyncio.run(extension.get_node_list()):
    node.GET_SCHEMA()
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps([lazy, time.process_time() - started, sorted(new)]))
"""
HEAVY = {
    "matplotlib", "pandas", "lpips", "torchmetrics", "dask", "distributed", "skimage", "pyarrow",
    "sklearn", "torch_fidelity", "aiohttp", "headless", "jsonschema", "kornia",
}  # fmt: skip


def test_loading_is_quick_and_brings_nothing_heavy(
    repo: Path, comfyui: Path, record_property
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(comfyui), str(repo)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=comfyui, env={**os.environ})
    assert done.returncode == 0, done.stderr
    lazy, whole, new = json.loads(done.stdout.strip().splitlines()[-1])
    record_property("import_seconds", whole)
    assert not HEAVY & set(new), new
    assert lazy < 0.05 and whole < 1.5, (lazy, whole)
