"""Whole steps of real models with regions, beside the unpatched step in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flux_block

from .bench import Bench, Failed
from .calls import Subject, build, by_turns, free
from .models import BENCH, REAL_DEPTH

# Goals of ``ratio`` at 4096 tokens, prompts of 64: by rule and regions.
JOINT_GOALS = {2: 1.05, 4: 1.08, 8: 1.15, 16: 1.30}
CROSS_GOALS = {"couple 0": 1.02, "couple 0.3": 1.05}
MOST_EXTRA = 0.02  # memory at the peak, of the unpatched step's with its weights


@dataclass(frozen=True)
class Cell:
    """What is measured.

    Attributes:
        tokens: of the image.
        rule: its name in ``rules``, or "dense mask" for what "bind hard" computes by one mask.
        n: regions.
        text: tokens of a regional prompt.
    """

    tokens: int
    rule: str
    n: int
    text: int = 64

    @property
    def name(self) -> str:
        return f"{self.tokens} tokens, {self.rule}, N = {self.n}, text {self.text}"


def rules(joint: bool) -> dict[str, Any]:
    """By the names of the report; a callable makes one of the number of regions."""
    from regional_dit.attention.rules import Bind, Couple, EliGen, RegionalPromptingFlux

    if not joint:
        return {"couple 0": Couple(0.0), "couple 0.3": Couple(0.3)}
    return {
        "bind": Bind(0.3, 0.0, 1.0),
        "bind hard": Bind(0.0, 0.0, 1.0),
        "bind isolated": Bind(0.0, 1.0, 1.0),
        "rpf": RegionalPromptingFlux(),
        "eligen": EliGen(),
        "AST additive": lambda n, text: tuning(n, text, "additive"),
        "AST exact": lambda n, text: tuning(n, text, "exact"),
        "dense mask": Bind(0.0, 0.0, 1.0),
    }


def tuning(n: int, base_tokens: int, form: str) -> Any:
    """Attention specialty tuning with a phrase of four tokens for each region, at full strength."""
    from regional_dit.attention.phrases import BoundPhrase, PhraseBinding
    from regional_dit.attention.rules import SpecialtyTuning

    spans = [tuple(range(r * 8, r * 8 + 4)) for r in range(n)]
    phrases = tuple(BoundPhrase("phrase", s, s[2:], s[:2], ()) for s in spans)
    owned = {token for span in spans for token in span}
    rest = tuple(t for t in range(base_tokens) if t not in owned)
    binding = PhraseBinding("prompt", base_tokens, phrases, (), rest, ())
    return SpecialtyTuning(binding, form=form, tuned_share=1.0)


def cells(name: str, rehearse: bool) -> list[Cell]:
    """Regions, text and rules are each varied alone, at every size of the picture."""
    joint, flux = BENCH[name].joint, name == "flux"
    sizes = (64,) if rehearse else (4096, 1024, 16384)
    numbers = (1, 2, 4, 8, 16)
    found = []
    for tokens in sizes:
        swept = ("bind", "bind hard") if joint else ("couple 0", "couple 0.3")
        found += [Cell(tokens, rule, n) for rule in swept for n in numbers]
        if BENCH[name].any_text:
            found += [Cell(tokens, swept[0], 4, text) for text in (256, 512)]
        if flux:
            others = ("bind isolated", "rpf", "eligen", "AST additive", "AST exact")
            found += [Cell(tokens, rule, 4) for rule in others]
            found += [Cell(tokens, "dense mask", n) for n in (4, 16)]
        elif joint:
            found.append(Cell(tokens, "eligen", 4))
    if flux:
        found.append(Cell(sizes[-1] if rehearse else 4096, "bind", 64))
    return found


def steps(bench: Bench, name: str) -> None:
    """Measure one model's cells."""
    import torch

    kind, listed = BENCH[name], cells(name, bench.rehearse)
    if not bench.left([cell.name for cell in listed]):
        return
    device, dtype = bench.device, bench.size(torch.bfloat16, torch.float32)
    model = build(kind, device, dtype, bench.rehearse)
    weights = sum(p.numel() * p.element_size() for p in model.model.parameters())
    subject = Subject(kind, listed[0].tokens, model, bench.rehearse)
    tokens = listed[0].tokens
    with torch.inference_mode():
        for cell in listed:
            if cell.tokens != tokens:
                del subject
                free(device)
                tokens = cell.tokens
                subject = Subject(kind, tokens, model, bench.rehearse)
            rounds = bench.size(3 if tokens > 8192 else 7, 1)
            bench.cell(cell.name, lambda: one(subject, cell, weights, rounds, device))  # noqa: B023
            if bench.unfinished:
                return


def one(subject: Subject, cell: Cell, weights: int, rounds: int, device: Any) -> dict[str, Any]:
    """A row of one cell."""
    rule = rules(is_joint(subject))[cell.rule]
    if callable(rule):
        rule = rule(cell.n, subject.kind.text[0])
    override = None
    if cell.rule == "dense mask":
        from joint_cost import DenseMask

        override = DenseMask
    stock, ours = subject.caller(), subject.caller(rule, cell.n, cell.text, override)
    out, plain = ours(), stock()
    if not bool(out.isfinite().all()) or out.shape != plain.shape:
        raise Failed("the step's result has numbers that are not finite")
    if bool((out == plain).all()):
        raise Failed("the step with regions gives what the stock step gives")
    del out, plain
    stock_s, ours_s = by_turns([stock, ours], rounds, device, warm_up=1)
    peaks = [flux_block.peak_bytes(call, device) for call in (stock, ours)]
    return {
        "stock_s": round(stock_s, 5),
        "ours_s": round(ours_s, 5),
        "ratio": round(ours_s / stock_s, 4),
        "extra_memory": round((peaks[1] - peaks[0]) / (weights + peaks[0]), 4),
        "goal": goal(subject, cell),
    }


def is_joint(subject: Subject) -> bool:
    from regional_dit.attention.families import find_family

    return find_family(subject.model.model).attention == "joint"


def goal(subject: Subject, cell: Cell) -> float | None:
    if not is_joint(subject):
        return CROSS_GOALS[cell.rule] if cell.tokens >= 1024 else None
    if cell.rule != "bind" or cell.text != 64 or cell.tokens != 4096:
        return None
    return JOINT_GOALS.get(cell.n)


def sizes(bench: Bench) -> None:
    """Build every real model without memory and count its parameters."""
    import torch

    def count(name: str) -> dict[str, Any]:
        kind = BENCH[name]
        model = kind.real.build(REAL_DEPTH, torch.bfloat16, torch.device("meta"))
        network = model.model.diffusion_model
        billions = sum(p.numel() for p in network.parameters()) / 1e9
        row = {"billions": round(billions, 2), "published": kind.published}
        if abs(billions / kind.published - 1) > 0.05:
            raise Failed("the configuration is not that of the published model", **row)
        return row

    for name in BENCH:
        bench.cell(BENCH[name].title, lambda: count(name))  # noqa: B023
