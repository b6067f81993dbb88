"""The joint rules as full score matrices, put in the place of the pack's own attention.

An oracle for the tests: for each layer and step it says, for every asking source, what is added to
its scores over every key source (-inf: not seen), and computes plain softmaxes over all of them.
Where the tokens lie is taken from the family; groups, engine and rules are not used.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from regional_dit.attention.engine.groups import BASE, BASE_IMAGE, IMAGE
from regional_dit.attention.joint.places import Places
from regional_dit.attention.joint.registers import REGISTERS
from regional_dit.attention.rules import Bias, Bind, EliGen, RegionalPromptingFlux, Rule

# asking source -> key source -> what is added to the scores
Added = dict[int, dict[int, Any]]


@dataclass(frozen=True)
class Blocks:
    """What the oracle must know of a model: how many blocks of each kind."""

    n_layers: int
    n_double: int
    has_stream: bool = False
    isolated: tuple[int, int] | None = None


@dataclass
class LayerScores:
    """One layer: what is added, and for rpf the base path's share of the image's output."""

    added: Added
    base_share: torch.Tensor | None = None
    base_image: int = IMAGE


@dataclass
class DenseRule:
    """A rule over a whole sampling.

    Attributes:
        rule: its settings.
        masks: [R, N] in 0..1; the sum over R is at most one, except for hard masks.
        blocks: of the model.
        step, percent: of the current call, kept up by ``following``.
        n_calls: attention calls that this object computed.
    """

    rule: Rule
    masks: torch.Tensor
    blocks: Blocks
    step: int = -1
    percent: float = 0.0
    n_calls: int = 0

    @contextmanager
    def in_place(self, monkeypatch: Any):
        """The pack's attention replaced by this one."""

        def attend(places: Any, layer: int, q: Any, k: Any, v: Any, *_: Any) -> torch.Tensor:
            self.n_calls += 1
            return self.attend(places, layer, q, k, v)

        with monkeypatch.context() as patch:
            patch.setattr(Places, "attend", attend)
            yield

    def following(self, model: Any) -> Any:
        """A clone of the model that tells this object which step it is at."""
        clone = model.clone()

        def wrapper(executor: Any, *args: Any, **kwargs: Any) -> Any:
            self.step += 1
            to_sigma = executor.class_obj.model_sampling.percent_to_sigma
            sigma = float(args[5]["sigmas"][0])
            at = bisect_left(range(1001), True, key=lambda p: to_sigma(p / 1000) <= sigma)
            self.percent = at / 1000
            return executor(*args, **kwargs)

        clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "step", wrapper)
        return clone

    def attend(self, places: Any, layer: int, q: Any, k: Any, v: Any) -> torch.Tensor:
        """All rows are regional; q, k, v [B, H, S, D]."""
        (layouts,) = places.layouts
        (layout,) = layouts
        spans = layout.spans
        where = {
            source: torch.tensor([t for a, b in spans[source] for t in range(a, b)])
            for source in spans
        }
        where = {source: tokens.long() for source, tokens in where.items() if len(tokens)}
        if k.shape[1] != q.shape[1]:
            k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        scores = self.scores(layer)
        if REGISTERS in where:
            scores = with_registers(scores, len(self.masks))
        out = torch.zeros_like(q, dtype=torch.float64)
        for source, seen in scores.added.items():
            out[:, :, where[source]] = dense(q, k, v, where, source, seen)
        if scores.base_share is not None:
            seen = {s: 0.0 for s in (BASE, scores.base_image, REGISTERS) if s in where}
            base = dense(q, k, v, where, scores.base_image, seen)
            share = scores.base_share.double()[:, None]
            regional = out[:, :, where[IMAGE]] if IMAGE in scores.added else 0.0
            out[:, :, where[IMAGE]] = (1 - share) * regional + share * base
            if scores.base_image == BASE_IMAGE:
                out[:, :, where[BASE_IMAGE]] = base
        return out.transpose(1, 2).flatten(2).to(q.dtype)

    def scores(self, layer: int) -> LayerScores:
        texts = range(1, len(self.masks) + 1)
        if isinstance(self.rule, RegionalPromptingFlux):
            return self.rpf(self.rule, layer, texts)
        if isinstance(self.rule, EliGen):
            return LayerScores(bound(self.masks, self.masks))
        if isinstance(self.rule, Bias):
            return self.bias(self.rule, layer, texts)
        assert isinstance(self.rule, Bind)
        return self.bind(self.rule, layer)

    def rpf(self, rule: RegionalPromptingFlux, layer: int, texts: range) -> LayerScores:
        """Equations (2) to (7): M, then beta of the base path's output."""
        single = layer >= self.blocks.n_double
        place = layer - self.blocks.n_double if single else layer
        masked = place % (rule.single_interval if single else rule.double_interval) == 0
        members = self.masks >= 0.5
        free = ~members.any(0)
        i2i = free[:, None] & free[None, :]
        for member in members:
            i2i |= member[:, None] & member[None, :]
        added: Added = {IMAGE: {IMAGE: closed(i2i) if masked else 0.0}}
        for r in texts:
            inside = members[r - 1] if masked else torch.ones_like(free)
            added[IMAGE][r] = closed(inside)[:, None]
            added[r] = {r: 0.0, IMAGE: closed(inside)}
            if not masked:
                added[r] |= dict.fromkeys(texts, 0.0)
        base_image = BASE_IMAGE if single and self.blocks.has_stream else IMAGE
        added[BASE] = {BASE: 0.0, base_image: 0.0}
        share = torch.full((len(free),), rule.base_ratio)
        if rule.uncovered == "global prompt":
            share[free] = 1.0
            if masked:
                added[IMAGE][BASE] = closed(free)[:, None]  # of no weight; no row without keys
        return LayerScores(added, share, base_image)

    def bias(self, rule: Bias, layer: int, texts: range) -> LayerScores:
        every = (IMAGE, BASE, *texts)
        added: Added = {asking: dict.fromkeys(every, 0.0) for asking in every}
        if layer < self.blocks.n_double or self.blocks.n_double == 0 or rule.single_blocks:
            members = hard(self.masks)
            total = self.masks.sum(0)
            for r in texts:
                own = self.masks[r - 1]
                added[IMAGE][r] = (rule.own * own + rule.other * (total - own))[:, None]
                added[r][IMAGE] = torch.where(members[r - 1], rule.own, rule.other)
                added[r][REGISTERS] = rule.own
        return LayerScores(added)

    def bind(self, rule: Bind, layer: int) -> LayerScores:
        first, last = self.blocks.isolated or (
            self.blocks.n_layers // 3,
            2 * self.blocks.n_layers // 3 - 1,
        )
        isolated = first <= layer <= last and self.percent < rule.isolate_until
        beta = 0.0 if isolated else rule.base_ratio
        owned = self.masks * (1 - beta)
        owned = torch.cat([1 - owned.sum(0, keepdim=True), owned])
        owned = torch.where(owned < 1e-3, 0.0, owned)
        owned = owned / owned.sum(0)
        added = bound(self.masks, owned[1:])
        added[IMAGE][BASE] = owned[0].log()[:, None]
        if isolated:
            home = owned.argmax(0)
            members = torch.cat([torch.ones_like(owned[:1]).bool(), hard(self.masks)])
            added[IMAGE][IMAGE] = closed(members[home])
        return LayerScores(added)


def bound(masks: torch.Tensor, shares: torch.Tensor) -> Added:
    """T_r sees [T_r, I_r], T_0 [T_0, image], the image [T_0, T_r by share, image]."""
    added: Added = {BASE: {BASE: 0.0, IMAGE: 0.0}, IMAGE: {BASE: 0.0, IMAGE: 0.0}}
    for r, (member, share) in enumerate(zip(hard(masks), shares, strict=True), start=1):
        added[IMAGE][r] = share.log()[:, None]
        added[r] = {r: 0.0, IMAGE: closed(member)}
    return added


def hard(masks: torch.Tensor) -> torch.Tensor:
    return masks > 0.5 * masks.amax(1, keepdim=True)


def closed(allowed: torch.Tensor) -> torch.Tensor:
    """0 where allowed, else -inf."""
    return torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -math.inf)


def with_registers(scores: LayerScores, n_regions: int) -> LayerScores:
    """Who sees the image sees the registers; they see the prompts by their shares of the image."""
    added = {s: {REGISTERS: 0.0, **seen} for s, seen in scores.added.items()}
    sees = []
    for prompt in range(n_regions + 1):
        bias = scores.added[IMAGE].get(prompt, -math.inf)
        bias = torch.as_tensor(bias, dtype=torch.float64).flatten()
        sees.append(bias.exp())
    n = max(len(share) for share in sees)
    shares = torch.stack([share.expand(n) for share in sees])
    if scores.base_share is not None:  # two paths: the regional one, and the global prompt
        base = scores.base_share.double()
        regional = shares[1:] / shares[1:].sum(0).clamp_min(1.0)
        shares = torch.cat([base[None], regional * (1 - base)])
    else:
        shares = shares / shares.sum(0)
    total = shares.sum(1) / shares.sum()
    added[REGISTERS] = {IMAGE: 0.0, REGISTERS: 0.0}
    for prompt, share in enumerate(total.tolist()):
        if share > 0:
            added[REGISTERS][prompt] = math.log(share)
    return LayerScores(added, scores.base_share, scores.base_image)


def dense(q: Any, k: Any, v: Any, where: dict, source: int, seen: dict[int, Any]) -> torch.Tensor:
    """softmax(Q K^T / sqrt(d) + added) V of one asking source, in float64."""
    asked = q[:, :, where[source]].double()
    scores, values = [], []
    for key, bias in seen.items():
        if key not in where:
            continue
        keys = k[:, :, where[key]].double()
        raw = asked @ keys.transpose(-1, -2) / q.shape[-1] ** 0.5
        scores.append(raw + torch.as_tensor(bias, dtype=torch.float64))
        values.append(v[:, :, where[key]].double())
    joined = torch.cat(scores, -1)
    assert bool((joined > -math.inf).any(-1).all()), f"a token of source {source} sees nothing"
    return joined.softmax(-1) @ torch.cat(values, 2)
