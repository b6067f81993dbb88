"""Attention Specialty Tuning at random settings against its formula, written out as one dense map.

The map holds every score of text and image. Nothing of the rule's groups is used for it: who
belongs together is stated as 0/1 matrices, as in the public code of arXiv 2504.10148.
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cases import (
    RAN,
    amount,
    bindings,
    check_close,
    decays,
    grids,
    region_sets,
    sdpa,
    share,
    steps,
)
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.canvas.tokens import TokenGrid, token_ownership
from regional_dit.attention.engine.attend import SeparateTexts, attend
from regional_dit.attention.engine.groups import BASE, IMAGE, boosted, groups_to
from regional_dit.attention.rules import SpecialtyTuning

N_LAYERS, HEADS, DIM = 57, 2, 4
BORDERS = [4, 5, 18, 19, 23, 24, 33, 34, 49, 50, 56]  # first and last layers of the classes


class DenseMap:
    """softmax of every score [text of all prompts | image], tuned, times V.

    Args:
        rule, regions, grid: the case.
        strength: sigma^decay.
        tokens: q, k, v [3, B, H, T, D] by source.
    """

    def __init__(
        self,
        rule: SpecialtyTuning,
        regions: RegionSet,
        grid: TokenGrid,
        strength: float,
        tokens: dict[int, torch.Tensor],
    ) -> None:
        self.rule, self.strength, self.tokens = rule, strength, tokens
        ownership = token_ownership(regions, grid)
        self.members = ownership[1:] > 0.5 * ownership[1:].amax(1, keepdim=True)
        home = ownership.argmax(0)
        self.layouts = torch.nn.functional.one_hot(home, len(ownership)).T.double()
        self.shares = token_ownership(regions, grid, rule.base_ratio).double()
        self.start, n = {}, 0
        for source in [*sorted(s for s in tokens if s >= 0), IMAGE]:
            self.start[source] = n
            n += tokens[source].shape[3]
        self.n_columns = n
        self.q = {source: q.double() for source, (q, _, _) in tokens.items()}
        self.k, self.v = (
            torch.cat([tokens[source][i].double() for source in self.start], 2) for i in (1, 2)
        )
        self.seen = {source: self.weights(source) for source in tokens}

    def at(self, layer: int) -> None:
        """Go to a layer: 0-based, of Flux's 57."""
        rule = self.rule
        self.number = layer + 1  # counted from one, as in the public code
        tuned = self.number > 5 and (rule.image_weight or rule.text_weight or rule.cross_weight)
        self.tuned = bool(tuned)

    def columns(self, source: int) -> slice:
        start = self.start[source]
        return slice(start, start + self.tokens[source].shape[3])

    def image_image(self) -> torch.Tensor:
        """lambda s M of image queries and keys; the map's factors are these and minus lambda s."""
        return self.layouts.T @ self.layouts

    def image_text(self) -> torch.Tensor:
        """Which tokens of the global prompt each image token is pulled to, [N, T]."""
        names = {"instance": self.number <= 34, "attribute": self.number > 24}
        match = torch.zeros(self.layouts.shape[1], self.rule.binding.n_tokens, dtype=torch.float64)
        for layout, phrase in zip(self.layouts[1:], self.rule.binding.phrases, strict=True):
            if names["instance"]:
                match[:, list(phrase.instance)] += layout[:, None]
            if names["attribute"]:
                match[:, list(phrase.attributes)] += layout[:, None]
        if self.with_background:
            match[:, list(self.rule.binding.background)] += self.layouts[0][:, None]
        return match

    @property
    def with_background(self) -> bool:
        return 19 < self.number <= 24

    def tuning(self, source: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(lambda s, M) [queries, columns]; lambda s is 0 where nothing is tuned."""
        shape = (self.tokens[source].shape[3], self.n_columns)
        scale, match = torch.zeros(shape).double(), torch.zeros(shape).double()
        if not self.tuned:
            return scale, match
        rule, base, image = self.rule, self.columns(BASE), self.columns(IMAGE)
        if source == BASE and self.number <= 50:
            match[:, base] = torch.eye(shape[0])
            for phrase in rule.binding.phrases:
                inside = torch.zeros(shape[0]).double()
                inside[list(phrase.tokens)] = 1.0
                match[:, base] = torch.maximum(match[:, base], inside[:, None] * inside)
            sizes = 1.0 - 4.0 * match[:, base].sum(1) / 512
            scale[:, base] = rule.text_weight * sizes[:, None]
        if source == IMAGE:
            areas = self.layouts.T @ self.layouts.mean(1)
            if self.number <= 50:
                match[:, image] = self.image_image()
                scale[:, image] = rule.image_weight * (1.0 - areas)[:, None]
            match[:, base] = self.image_text()
            sizes = 1.0 - (areas if self.with_background else areas * (1 - self.layouts[0]))
            scale[:, base] = rule.cross_weight * sizes[:, None]
            if rule.regional_text:
                for region, layout in enumerate(self.layouts[1:], start=1):
                    own = self.columns(region)
                    match[:, own] = layout[:, None]
                    scale[:, own] = rule.cross_weight * (sizes * layout)[:, None]
        return scale * self.strength, match

    def weights(self, source: int) -> torch.Tensor:
        """Log-weights [queries, columns]; -inf where a key is not seen."""
        seen = torch.full((self.tokens[source].shape[3], self.n_columns), -math.inf).double()
        if source > BASE:  # a regional prompt: itself and its image
            seen[:, self.columns(source)] = 0.0
            seen[:, self.columns(IMAGE)][:, self.members[source - 1]] = 0.0
            return seen
        seen[:, self.columns(IMAGE)] = 0.0
        seen[:, self.columns(BASE)] = 0.0
        if source == IMAGE and self.rule.regional_text:
            for prompt, shares in enumerate(self.shares):
                seen[:, self.columns(prompt)] = shares.log()[:, None]
        return seen

    def output(self, source: int) -> torch.Tensor:
        """[B, T, C] float64."""
        scores = self.q[source] @ self.k.transpose(-1, -2) / math.sqrt(DIM) + self.seen[source]
        scale, match = self.tuning(source)
        if self.rule.form == "additive":
            probs = (scores + scale * match).softmax(-1)
        else:
            probs = scores.softmax(-1)
            probs = probs * (scale * (match - probs)).exp()
            probs = probs / probs.sum(-1, keepdim=True)
        return (probs @ self.v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("form", ["additive", "exact"])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_specialty_tuning_is_its_dense_map(form: str, data: st.DataObject) -> None:
    RAN["examples"] += 1
    regions, grid, step = data.draw(region_sets()), data.draw(grids()), data.draw(steps())
    rule = SpecialtyTuning(
        data.draw(bindings(len(regions))),
        *(data.draw(amount) for _ in range(3)),
        decay=data.draw(decays),
        tuned_share=1.0,
        form=form,  # type: ignore[arg-type]
        regional_text=data.draw(st.booleans()),
        base_ratio=data.draw(share),
    )
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99_999)))
    batch = data.draw(st.integers(1, 3))
    lengths = {BASE: rule.binding.n_tokens, IMAGE: grid.n_tokens}
    for region in range(1, len(regions) + 1):
        lengths[region] = data.draw(st.integers(1, 5))
    tokens = {
        source: torch.randn(3, batch, HEADS, length, DIM, generator=generator)
        for source, length in lengths.items()
    }
    keys = SeparateTexts({s: (k, v) for s, (_, k, v) in tokens.items()})  # type: ignore[arg-type]
    strength = rule.boost_factor(step)
    dense = DenseMap(rule, regions, grid, strength, tokens)
    for layer in BORDERS:
        phase = rule.phase(layer, N_LAYERS, step)
        if phase is None:
            assert not rule.regional_text  # else the regional prompts would be lost there
            assert layer < 5 or not any((rule.image_weight, rule.text_weight, rule.cross_weight))
            continue
        dense.at(layer)
        groups = rule.groups(regions, grid, phase)
        groups = boosted(groups_to(groups, torch.device("cpu"), torch.float32), strength)
        asking = {group.source for group in groups}
        assert asking == (set(tokens) if rule.regional_text else {BASE, IMAGE})
        for source in asking:
            own = tuple(group for group in groups if group.source == source)
            out = attend(tokens[source][0], keys, own, sdpa)
            check_close(out.double(), dense.output(source), 1e-4)
