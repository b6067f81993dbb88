"""Train a demo model: ``python -m demo_model.train OUT --model flux`` from the repo root.

Set ``COMFYUI_PATH``; the networks are ComfyUI's own classes. The learning rate rises and then
stays, so a run has no end: stop it with Ctrl-C or SIGTERM at any moment and go on with
``--resume``. A model for use is cut from it at any time by ``--resume --decay MINUTES``: the rate
falls to zero from a copy of the state, which itself stays as it is (arXiv 2405.18392).

OUT.state.pt is the state, OUT.safetensors the moving average so far, OUT.decayed.safetensors what
``--decay`` leaves.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "COMFYUI_PATH" in os.environ:  # first, so that the pack's own nodes/ does not shadow nodes.py
    sys.path.insert(0, os.environ["COMFYUI_PATH"])

import torch
from safetensors.torch import load_file

from .training.batches import draw_batch, draw_size
from .training.objectives import OBJECTIVES, Objective
from .training.state import TrainingState

WARMUP_STEPS = 60
REPORT_STEPS = 50
DECAY_EMA = 0.98
"""While the rate falls, the weights settle by themselves; a long average would lag behind them."""


class Trainer:
    """One network, its state and the random numbers of this process."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device(args.device)
        self.objective: Objective = OBJECTIVES[args.model](fast_cpu=args.device == "cpu")
        net = self.objective.net
        if args.init:
            weights = {k: v.float() for k, v in load_file(args.init).items()}
            net.load_state_dict(self.objective.adapt(weights))
        self.state = TrainingState(net.to(self.device), self.objective.is_matrix, args.lr, args.ema)
        if args.resume:
            self.state.load(state_path(args.out))
        if args.decay:
            self.state.restart_average(DECAY_EMA)
        self.rng = random.Random(args.seed + self.state.step)
        torch.manual_seed(args.seed + self.state.step)

    def one_step(self, factor: float) -> float:
        """Draw a batch, update the weights at ``factor`` times the base rate; the mean loss."""
        started = time.monotonic()
        height, width, n = draw_size(self.rng, self.args.batch, self.args.large)
        batch = draw_batch(self.rng, height, width, n)
        u = (torch.randperm(n) + torch.rand(1)) / n  # every batch sees all noise levels
        noise = torch.randn(batch.latents.shape).to(self.device)
        loss = self.objective.loss(batch, self.objective.levels(u).to(self.device), noise).mean()
        loss.backward()
        warm = min(1.0, (self.state.step + 1) / WARMUP_STEPS)
        self.state.update(self.args.lr * warm * factor, n)
        self.state.seconds += time.monotonic() - started
        return loss.item()

    @torch.no_grad()
    def validate(self, n: int = 64) -> str:
        """Loss of the present weights on fixed pictures: mean, and per quarter of the levels."""
        batch = draw_batch(random.Random(999), 32, 32, n, drop=False)
        noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(999))
        levels = self.objective.probes(n).to(self.device)
        losses = self.objective.loss(batch, levels, noise.to(self.device))
        parts = " ".join(f"{quarter:.4f}" for quarter in losses.view(4, -1).mean(1))
        return f"val {losses.mean():.4f} [{parts}]"

    def save(self) -> None:
        """The state and its average; while the rate falls the average alone, to another file."""
        if self.args.decay:
            cut = self.args.out.with_suffix(".decayed.safetensors")
            self.state.export(cut, self.objective.config)
            return
        self.state.save(state_path(self.args.out))
        self.state.export(self.args.out.with_suffix(".safetensors"), self.objective.config)


def state_path(out: Path) -> Path:
    """Where the state of the run ``out`` lies."""
    return out.with_suffix(".state.pt")


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a flag, so that the step at hand is finished and saved."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True


def run(trainer: Trainer, stop: StopRequest) -> None:
    """Train until the time is over or a stop is asked for; save now and then, and at the end."""
    args, state = trainer.args, trainer.state
    begun, seen = state.seconds, state.seen
    losses: deque[float] = deque(maxlen=REPORT_STEPS)
    saved = time.monotonic()
    limit = 60 * (args.decay or args.minutes)
    while (spent := state.seconds - begun) < limit and not stop.asked:
        losses.append(trainer.one_step(1 - spent / limit if args.decay else 1.0))
        if state.step % REPORT_STEPS == 0:
            rate = (state.seen - seen) / (state.seconds - begun)
            checked = trainer.validate() if state.step % (4 * REPORT_STEPS) == 0 else ""
            print(
                f"{time.strftime('%H:%M:%S')} {state.seconds:.0f}s step {state.step} seen "
                f"{state.seen} ({rate:.1f}/s) loss {sum(losses) / len(losses):.4f} {checked}",
                flush=True,
            )
        if time.monotonic() - saved > 60 * args.save_minutes:
            trainer.save()
            saved = time.monotonic()
    trainer.save()
    print(f"stopped at step {state.step}, {state.seen} pictures, {trainer.validate()}", flush=True)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="path of the checkpoint, without suffix")
    parser.add_argument("--model", choices=sorted(OBJECTIVES), default="hunyuan_dit")
    parser.add_argument("--minutes", type=float, default=60, help="training time of this call")
    parser.add_argument("--init", help="weights to start from")
    parser.add_argument("--resume", action="store_true", help="go on from OUT.state.pt")
    parser.add_argument("--decay", type=float, metavar="MINUTES", help="with --resume: cut a model")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--batch", type=int, default=32, help="pictures per step at 32 x 32")
    parser.add_argument("--large", type=float, default=0.2, help="share of steps at 48 x 48")
    parser.add_argument("--save-minutes", type=float, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.decay and not args.resume:
        parser.error("--decay cuts a model from a state: give --resume too.")
    if not args.resume and state_path(args.out).is_file():
        parser.error(f"{state_path(args.out)} is there already: give --resume, or another OUT.")
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    sys.argv = sys.argv[:1]  # ComfyUI parses the command line on import unless it is empty
    if args.device == "cpu":
        import comfy.cli_args

        comfy.cli_args.args.cpu = True
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    stop = StopRequest()
    trainer = Trainer(args)
    print(f"parameters {sum(p.numel() for p in trainer.state.master.values())}", vars(args))
    run(trainer, stop)


if __name__ == "__main__":
    main()
