"""Reference images of a region: seen by its image and text tokens, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfy_extras.nodes_edit_model import ReferenceLatent
from host_features import outputs
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.engine.groups import BASE, IMAGE
from regional_dit.attention.errors import HostError, PromptError, RegionError
from regional_dit.attention.joint.references import REFERENCES, reference_source
from regional_dit.attention.rules import Bind, EliGen, RegionalPromptingFlux, Rule
from regional_dit.attention.sampling.host import install
from regional_dit.attention.text.prompts import MARKER
from regional_dit.nodes.regional.reference import HOST_KEY, RegionReference
from tiny_dense_rules import DenseRule, LayerScores, closed, hard
from tiny_dense_runs import SIZE, blocks_of, masks
from tiny_dense_runs import patch as patch_of
from tiny_joint import TINY
from tiny_joint_case import BASE as BASE_SEED
from tiny_joint_case import EVERYWHERE, HARD, LEFT, N_IMAGE, NEGATIVE, RIGHT, UID, shared_case
from tiny_joint_runs import marked, patch, run

SHAPES = {
    "Flux": ((1, 16, 8, 12), (1, 16, 5, 6)),
    "Flux.2": ((1, 128, 5, 4), (1, 128, 3, 3)),
    "Qwen-Image": ((1, 16, 1, 8, 12), (1, 16, 1, 6, 5)),
}
EVERY = pytest.mark.parametrize("name", list(SHAPES))


def latent(name: str, index: int, seed: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed + index)
    return {"samples": torch.randn(SHAPES[name][index], generator=generator)}


def owned(name: str, conditioning: Any, owners: list[int], seed: int = 5) -> Any:
    """With as many references, of these regions."""
    for index, owner in enumerate(owners):
        conditioning = RegionReference.execute(conditioning, owner, latent(name, index, seed))[0]
    return conditioning


def hosts(name: str, conditioning: Any, n: int) -> Any:
    """With the host's own node."""
    for index in range(n):
        conditioning = outputs(ReferenceLatent, conditioning, latent(name, index))[0]
    return conditioning


@EVERY
def test_one_region_with_its_references_is_the_stock_run(name):
    """A region for the whole canvas that owns the references: as its prompt with them alone."""
    case = shared_case(name)
    tiny, model = case.tiny, case.model
    wanted = run(tiny, model, hosts(name, tiny.conditioning(LEFT), 2))
    regional = patch(tiny, model, [tiny.conditioning(LEFT)])
    out = run(tiny, regional, owned(name, marked(tiny), [1, 1]))
    assert (wanted - run(tiny, model, tiny.conditioning(LEFT))).abs().max() > 0.01
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)


@EVERY
def test_region_zero_is_the_hosts_own_reference(name):
    case = shared_case(name)
    tiny = case.tiny
    regional = patch(tiny, case.model, [tiny.conditioning(s) for s in (LEFT, RIGHT)])
    out = run(tiny, regional, owned(name, marked(tiny), [0, 0]))
    assert torch.equal(out, run(tiny, regional, hosts(name, marked(tiny), 2)))


WHOLE = -50  # source of the references of the whole picture, for the oracle only


class WithReferences(DenseRule):
    """Full score matrices in which each region has a reference, and the whole picture has one."""

    def attend(self, places: Any, layer: int, q: Any, k: Any, v: Any) -> torch.Tensor:
        (layouts,) = places.layouts
        (layout,) = layouts
        spans = {**layout.spans, WHOLE: layout.always}
        return super().attend(SimpleNamespace(layouts=[[SimpleNamespace(spans=spans)]]), layer,
                              q, k, v)  # fmt: skip

    def scores(self, layer: int) -> LayerScores:
        scores = super().scores(layer)
        for seen in scores.added.values():
            if IMAGE in seen:  # who sees the image, if only a part of it
                seen[WHOLE] = 0.0
        for region, member in enumerate(hard(self.masks), start=1):
            source = reference_source(region)
            scores.added[IMAGE][source] = closed(member)[:, None]
            scores.added[region][source] = 0.0
            scores.added[source] = {region: 0.0, source: 0.0, IMAGE: closed(member), WHOLE: 0.0}
        scores.added[WHOLE] = {BASE: 0.0, IMAGE: 0.0, WHOLE: 0.0}
        return scores


RULES: dict[str, Rule] = {
    "bind": Bind(0.3, isolate_until=0.4),
    "bind, no base ratio": Bind(0.0, isolate_until=0.0),
    "eligen": EliGen(),
}


@pytest.mark.parametrize("rule", list(RULES))
@EVERY
def test_whole_samplings_equal_full_score_matrices(monkeypatch, name, rule):
    tiny, model = TINY[name], TINY[name].model()
    cells = (SIZE[0], SIZE[1]) if name == "Flux.2" else (SIZE[0] // 2, SIZE[1] // 2)
    shares = masks(*cells, soft=True)
    dense = WithReferences(RULES[rule], shares.flatten(1), blocks_of(name))
    followed = dense.following(install(model, patch_of(tiny, RULES[rule], shares)))
    marker: dict[str, Any] = {MARKER: UID}
    conditioning = tiny.conditioning(1, **marker)
    mixed = RegionReference.execute(owned(name, conditioning, [1, 2]), 0, latent(name, 1, seed=50))[
        0
    ]

    def sampled(positive: Any) -> torch.Tensor:
        return tiny.sample(followed, positive, tiny.conditioning(2), cfg=1.0, steps=3)

    out = sampled(mixed)
    dense.step = -1
    with dense.in_place(monkeypatch):
        wanted = sampled(mixed)
    assert dense.n_calls >= 2 * tiny.n_layers
    difference = float((out - wanted).abs().max())
    torch.testing.assert_close(out, wanted, atol=5e-5, rtol=1e-4)
    swapped = RegionReference.execute(
        owned(name, conditioning, [2, 1]), 0, latent(name, 1, seed=50)
    )[0]
    assert float((out - sampled(swapped)).abs().max()) > max(1e-4, 20 * difference)


@pytest.mark.parametrize("rule", [HARD, Bind(0.3, isolate_until=0.0), EliGen()])
def test_a_reference_reaches_nothing_but_its_region(rule):
    """In Flux's first block: another right reference changes nothing that the left half gets."""
    case = shared_case("Flux")
    seen: list[torch.Tensor] = []
    projection = case.model.model.diffusion_model.double_blocks[0].img_attn.proj
    handle = projection.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    halves = [case.tiny.conditioning(s) for s in (LEFT, RIGHT)]
    regional = patch(case.tiny, case.model, halves, rule=rule)
    other = RegionReference.execute(
        owned("Flux", marked(case.tiny), [1]), 2, latent("Flux", 1, seed=90)
    )[0]
    try:
        for positive in (owned("Flux", marked(case.tiny), [1, 2]), other):
            run(case.tiny, regional, positive, cfg=1.0, steps=1)
    finally:
        handle.remove()
    first, second = seen
    is_left = (torch.arange(N_IMAGE) % 6 < 3)[None, :, None]
    changed = (first - second).abs()
    assert (changed[:, :N_IMAGE] * is_left).max() < 1e-6
    assert (changed[:, :N_IMAGE] * ~is_left).max() > 1e-3
    assert changed[:, N_IMAGE : N_IMAGE + 24].max() < 1e-6, "the left reference sees the right one"


@pytest.mark.parametrize("single_interval", [1, 2])
def test_the_base_stream_and_its_stock_layers(single_interval):
    """rpf on Flux: finite, with base ratio 1 the model without regions for a reference of none."""
    case = shared_case("Flux")
    rule = RegionalPromptingFlux(0.3, 99, 1, single_interval, unmasked="pure base")
    halves = [case.tiny.conditioning(s) for s in (LEFT, RIGHT)]
    regional = patch(case.tiny, case.model, halves, rule=rule)
    outs = [
        run(case.tiny, regional, owned("Flux", marked(case.tiny), owners))
        for owners in ([1, 2], [2, 1], [0, 0])
    ]
    assert all(out.isfinite().all() for out in outs)
    assert min((outs[0] - other).abs().max() for other in outs[1:]) > 1e-3


def test_a_region_that_is_off_takes_its_reference_with_it():
    case = shared_case("Flux")
    halves = [case.tiny.conditioning(s) for s in (LEFT, RIGHT)]
    weights = EVERYWHERE.with_weights([1.0, 0.0])
    regional = patch(case.tiny, case.model, halves, weights)
    outs = [
        run(case.tiny, regional, RegionReference.execute(
            owned("Flux", marked(case.tiny), [1]), 2, latent("Flux", 1, seed))[0])
        for seed in (5, 90)
    ]  # fmt: skip
    torch.testing.assert_close(*outs, atol=1e-5, rtol=1e-5)


def test_negative_rows_stay_the_models_own():
    case = shared_case("Flux")
    tiny = case.tiny
    regional = patch(tiny, case.model, [tiny.conditioning(s) for s in (LEFT, RIGHT)])
    positive = owned("Flux", marked(tiny), [1, 2])
    own, whole = (
        tiny.sample(regional, positive, owned("Flux", tiny.conditioning(NEGATIVE), owners), steps=1)
        for owners in ([1, 2], [0, 0])
    )
    assert torch.equal(own, whole)


def test_the_node_counts_references_of_other_nodes():
    conditioning = hosts("Flux", shared_case("Flux").tiny.conditioning(BASE_SEED), 2)
    ((_, extra),) = RegionReference.execute(conditioning, 2, latent("Flux", 0))[0]
    assert extra[REFERENCES] == (0, 0, 2) and len(extra[HOST_KEY]) == 3
    ((_, extra),) = RegionReference.execute(conditioning, 1)[0]
    assert extra[REFERENCES] == (0, 1) and len(extra[HOST_KEY]) == 2
    assert REFERENCES not in conditioning[0][1]
    with pytest.raises(PromptError, match="no reference image"):
        RegionReference.execute(shared_case("Flux").tiny.conditioning(BASE_SEED), 1)
    with pytest.raises(PromptError, match="region is 65"):
        RegionReference.execute(conditioning, 65)


def test_a_region_may_be_called_by_its_name():
    conditioning = hosts("Flux", shared_case("Flux").tiny.conditioning(BASE_SEED), 1)
    halves = split_canvas(1, 2)
    named = replace(
        halves,
        regions=tuple(
            replace(r, name=n) for r, n in zip(halves.regions, ("fox", "boat"), strict=True)
        ),
    )

    def owner(which: str, regions: Any = named) -> int:
        given = RegionReference.execute(conditioning, 1, None, which, regions)[0]
        return given[0][1][REFERENCES][0]

    assert [owner(which) for which in ("boat", "2", " ", "fox")] == [2, 2, 1, 1]
    with pytest.raises(PromptError, match="no regions are connected"):
        owner("boat", None)
    with pytest.raises(PromptError, match="which means 2 regions"):
        owner("all")
    with pytest.raises(RegionError, match="reference image is meant for region 'cat'"):
        owner("cat")


def test_a_region_that_is_not_there_is_named():
    case = shared_case("Flux")
    regional = patch(case.tiny, case.model, [case.tiny.conditioning(LEFT)])
    with pytest.raises(PromptError, match="belongs to region 2, but there are 1 regions"):
        run(case.tiny, regional, owned("Flux", marked(case.tiny), [2]))


def test_models_without_references_refuse_them():
    case = shared_case("SD3")
    owners: dict[str, Any] = {REFERENCES: (1,)}
    positive = marked(case.tiny, **owners)
    regional = patch(case.tiny, case.model, [case.tiny.conditioning(LEFT)])
    with pytest.raises(PromptError, match="SD3 takes no reference images"):
        run(case.tiny, regional, positive)


@pytest.mark.parametrize("name", ["Z-Image", "Lumina 2"])
def test_references_in_front_of_the_prompt_are_refused(name):
    """Z-Image's (omni): for a region on every host, for the whole picture where the host has them;
    hosts without them do as if there were none."""
    case = shared_case(name)
    regional = patch(case.tiny, case.model, [case.tiny.conditioning(LEFT)])
    samples = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(5))
    whole, own = (
        RegionReference.execute(marked(case.tiny), region, {"samples": samples})[0]
        for region in (0, 1)
    )
    with pytest.raises(PromptError, match=f"{name} takes no reference images that regions could"):
        run(case.tiny, regional, own)
    if hasattr(case.model.model.diffusion_model, "embed_all"):
        with pytest.raises(HostError, match=rf"{name} model has reference images \(ref_latents\)"):
            run(case.tiny, regional, whole)
    else:
        plain = run(case.tiny, regional, marked(case.tiny))
        assert torch.equal(run(case.tiny, regional, whole), plain)


def test_a_replaced_list_of_references_is_noticed():
    case = shared_case("Flux")
    positive = owned("Flux", marked(case.tiny), [1, 1])
    fewer = [[states, {**extra, HOST_KEY: extra[HOST_KEY][:1]}] for states, extra in positive]
    regional = patch(case.tiny, case.model, [case.tiny.conditioning(LEFT)])
    with pytest.raises(HostError, match=r"lists 2 reference images.*holds 1 of 24 tokens"):
        run(case.tiny, regional, fewer)
