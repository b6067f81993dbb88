"""The stages in the order in which they run: the surest and most telling ones first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from .bench import Bench


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: on the command line.
        part: of the report.
        title: what it shows.
        where: "module:function" of this package, which is given the bench.
        options: further arguments of it.
        attention: ComfyUI's own switch of the attention backend, or None for PyTorch's.
    """

    name: str
    part: str
    title: str
    where: str
    options: tuple[Any, ...] = ()
    attention: str | None = None

    def function(self) -> Callable[[Bench], None]:
        module, name = self.where.split(":")
        found = getattr(import_module(f".{module}", __package__), name)
        return partial(_call, found, self.options)


def _call(function: Callable[..., None], options: tuple[Any, ...], bench: Bench) -> None:
    function(bench, *options)


CORRECT, FAST, WHERE = "Correct", "Fast", "Where the time goes"
BACKENDS = ("pytorch", "split", "sub-quadratic", "xformers", "flash", "sage")

STAGES: tuple[Stage, ...] = (
    Stage("sizes", FAST, "parameters of the models with their real sizes", "steps:sizes"),
    Stage("engine", CORRECT, "the engine against the dense reference", "correct:engine"),
    Stage("joint", CORRECT, "joint pieces against the dense reference", "correct:joint"),
    Stage("precisions", CORRECT, "bf16, fp16 and fp8 against fp32", "correct:precisions"),
    Stage("syncs", WHERE, "no device sync in a warm step", "profiles:syncs"),
    Stage("steps-flux", FAST, "steps of Flux", "steps:steps", ("flux",)),
    Stage("profile-flux", WHERE, "one step of Flux", "profiles:profile", ("flux",)),
    Stage("attention", FAST, "one layer's attention, in several ways", "kernels:layers"),
    Stage("steps-hunyuan-dit", FAST, "steps of HunyuanDiT", "steps:steps", ("hunyuan_dit",)),
    Stage("profile-hunyuan-dit", WHERE, "one step of HunyuanDiT", "profiles:profile",
          ("hunyuan_dit",)),
    *(
        Stage(f"backend-{name}", CORRECT, f"pictures with {name} attention", "correct:backend",
              (name,), name)
        for name in BACKENDS
    ),
    Stage("jobs", CORRECT, "one job after the other", "memory:jobs"),
    Stage("growth", CORRECT, "memory of 100 samplings", "memory:growth"),
    Stage("offload", CORRECT, "weights that do not all fit", "memory:offload"),
    Stage("pictures", CORRECT, "pictures of the demo models", "correct:pictures"),
    Stage("compile", CORRECT, "torch.compile with inductor", "compiled:stage"),
    *(
        Stage(f"steps-{name.replace('_', '-')}", FAST, f"steps of {title}", "steps:steps", (name,))
        for name, title in (
            ("sdxl", "SDXL"), ("sd35_large", "SD3.5 large"), ("z_image", "Z-Image"),
            ("qwen_image", "Qwen-Image"), ("wan_1b", "Wan 1.3B"), ("wan_14b", "Wan 14B"),
        )
    ),
    Stage("tests", CORRECT, "the pack's own host tests", "correct:tests"),
)  # fmt: skip
