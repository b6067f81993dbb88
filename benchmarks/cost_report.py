"""What the cost benchmarks report: the machine, rows as they come, and a JSON file of both."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any


def cost_parser(doc: str | None, dtypes: list[str], default_dtype: str) -> argparse.ArgumentParser:
    """The options that all cost benchmarks have."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default=default_dtype, choices=dtypes)
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    return parser


def machine(dtype: str) -> dict[str, Any]:
    """What was measured on."""
    import torch

    return {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": dtype,
    }


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """The row, which is printed at once: long runs are watched."""
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def write(result: dict[str, Any], path: Path | None) -> None:
    """Into the file, if one was asked for."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n")
