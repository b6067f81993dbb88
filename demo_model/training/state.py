"""Float32 weights, their optimisers and their moving average, and a file that outlives the process.

Weights are computed in bfloat16 and kept in float32. Muon (arXiv 2502.16982, RMS matched to AdamW)
updates the matrices of the blocks, AdamW the rest. What gets published is the moving average.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from .. import text


class TrainingState:
    """Everything of one run that changes.

    Attributes:
        step, seen, seconds: optimiser steps, pictures and time so far, all resumes together.
    """

    def __init__(
        self, net: Any, is_matrix: Callable[[str, torch.Tensor], bool], lr: float, ema: float
    ) -> None:
        self.master = {
            k: p.detach().clone().float().requires_grad_() for k, p in net.named_parameters()
        }
        self.average = {k: p.detach().clone() for k, p in self.master.items()}
        self.compute = dict(net.bfloat16().train().named_parameters())
        matrices = [p for k, p in self.master.items() if is_matrix(k, p)]
        taken = {id(p) for p in matrices}
        rest = [p for p in self.master.values() if id(p) not in taken]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
            torch.optim.Muon(
                matrices, lr=lr, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            ),
        ]
        self.ema = ema
        self.step = self.seen = 0
        self.seconds = 0.0

    @torch.no_grad()
    def update(self, lr: float, pictures: int) -> None:
        """One optimiser step from the gradients of the bfloat16 weights, which are then cleared."""
        for k, p in self.compute.items():
            self.master[k].grad = None if p.grad is None else p.grad.float()
            p.grad = None
        torch.nn.utils.clip_grad_norm_(list(self.master.values()), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = lr
            optimiser.step()
        keep = min(self.ema, (20 + self.step) / (40 + self.step))
        for k, average in self.average.items():
            average.lerp_(self.master[k], 1 - keep)
        self._publish()
        self.step += 1
        self.seen += pictures

    def _publish(self) -> None:
        for k, p in self.compute.items():
            p.copy_(self.master[k])

    def save(self, path: Path) -> None:
        """Write the state at once or not at all: a kill leaves the one before."""
        state = {
            "master": {k: v.detach() for k, v in self.master.items()},
            "average": self.average,
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step, "seen": self.seen, "seconds": self.seconds,
        }  # fmt: skip
        part = path.with_name(path.name + ".part")
        torch.save(state, part)
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Go on from a file that :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it belongs to another network.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no training state {path} to go on from; leave out --resume to start one."
            )
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["master"].keys() != self.master.keys():
            raise ValueError(
                f"{path} holds the state of another network; give the --model it was made with."
            )
        with torch.no_grad():
            for k, p in self.master.items():
                p.copy_(state["master"][k])
                self.average[k].copy_(state["average"][k])
            self._publish()
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.seen, self.seconds = state["step"], state["seen"], state["seconds"]

    def restart_average(self, ema: float) -> None:
        """Average from the present weights on, over about 1 / (1 - ema) steps."""
        self.ema = ema
        for k, average in self.average.items():
            average.copy_(self.master[k].detach())

    def export(self, path: Path, config: dict) -> None:
        """Write the averaged weights as float16 safetensors, with what the loader needs."""
        meta = {"config": json.dumps(config), "vocabulary": json.dumps(text.VOCABULARY)}
        weights = {k: v.to("cpu", torch.float16).contiguous() for k, v in self.average.items()}
        part = path.with_name(path.name + ".part")
        save_file(weights, part, metadata=meta)
        os.replace(part, path)
