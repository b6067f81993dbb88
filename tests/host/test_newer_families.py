"""What is particular to families of newer hosts: sound beside a video, pictures to start from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from host_sampling import sampled
from regional_dit.attention.canvas.split import split_canvas
from regional_dit.attention.families import find_family
from regional_dit.nodes.regional.guidance import RegionGuidanceNode
from tiny_cross import TINY as CROSS
from tiny_cross_runs import BASE, LEFT, NEGATIVE, RIGHT, UID, assert_close, patched
from tiny_joint import TINY, TinyJoint
from tiny_joint_case import EVERYWHERE, shared_case
from tiny_joint_newer import hunyuan_video_15
from tiny_joint_runs import marked, patch, require_full_region_is_stock, run


def with_sound(
    tiny: Any, model: Any, seed: int, *, cfg: float = 3.0, **extra: Any
) -> list[torch.Tensor]:
    """The video and the sound of one sampling."""
    nested = pytest.importorskip("comfy.nested_tensor", reason="no sound in this ComfyUI")
    shapes = (1, *tiny.latent), (1, 8, 5, 16)
    latent = nested.NestedTensor([torch.zeros(shape) for shape in shapes])
    generator = torch.Generator().manual_seed(3)
    noise = nested.NestedTensor([torch.randn(shape, generator=generator) for shape in shapes])
    positive, negative = tiny.conditioning(seed, **extra), tiny.conditioning(NEGATIVE)
    out = sampled(model, positive, negative, latent, cfg=cfg, steps=1, noise=noise)
    return list(out.unbind())


@pytest.mark.parametrize("name", ["ltx2", "ltx2.3"])
def test_regions_are_placed_in_a_video_with_sound(name):
    tiny = CROSS[name]
    model = tiny.model()
    own: dict[str, Any] = {"regional_dit": UID}
    video, sound = with_sound(tiny, model, BASE)
    same = with_sound(tiny, patched(tiny, model, [BASE, BASE]), BASE, **own)
    assert_close(same[0], video)
    assert_close(same[1], sound)
    other = with_sound(tiny, patched(tiny, model, [LEFT, RIGHT]), BASE, **own)
    assert other[0].isfinite().all() and (other[0] - video).abs().max() > 1e-3


@pytest.mark.parametrize("which", ["1", "all"])
def test_guidance_by_region_leaves_the_sound_alone(which):
    tiny = CROSS["ltx2"]
    model = tiny.model()
    video, sound = with_sound(tiny, model, BASE)
    guided = RegionGuidanceNode.execute(model, split_canvas(1, 2), which, 8.0, 0.0, 1.0)[0]
    ours = with_sound(tiny, guided, BASE)
    high = with_sound(tiny, model, BASE, cfg=8.0)
    inside = video.shape[-1] // 2 if which == "1" else video.shape[-1]
    assert torch.equal(ours[1], sound) and not torch.equal(high[1], sound)
    assert torch.equal(ours[0][..., inside:], video[..., inside:])
    assert torch.equal(ours[0][..., :inside], high[0][..., :inside])
    assert (high[0] - video).abs().max() > 1e-3


@pytest.mark.parametrize("method", [None, "index_timestep_zero"])
@pytest.mark.parametrize("name", ["Krea 2", "OmniGen 2", "Flux.2 Klein"])
def test_references_of_newer_families_take_part(name, method):
    case = shared_case(name)
    tiny, model = case.tiny, case.model
    if name == "OmniGen 2" and method:
        pytest.skip("it knows one way")
    shape = (1, tiny.channels, *((1,) if tiny.frames else ()), 8, 6)
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    given: dict[str, Any] = {"reference_latents": [latent]}
    if method or name == "Krea 2":  # which takes none without a method
        given["reference_latents_method"] = method or "index"
    negative = tiny.conditioning(NEGATIVE)
    stock = tiny.sample(model, tiny.conditioning(BASE, **given), negative)
    assert (stock - run(tiny, model, tiny.conditioning(BASE))).abs().max() > 1e-3
    same = patch(tiny, model, [tiny.conditioning(BASE)] * 2, EVERYWHERE)
    out = tiny.sample(same, marked(tiny, **given), negative)
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)
    other = patch(tiny, model, [tiny.conditioning(s) for s in (LEFT, RIGHT)])
    out = tiny.sample(other, marked(tiny, **given), negative)
    assert out.isfinite().all() and (out - stock).abs().max() > 1e-3


@pytest.mark.parametrize("n_quoted", [0, 5])
def test_a_video_from_a_picture_with_text_to_be_written(n_quoted):
    """Vision tokens see a region that fills the video as they see its prompt alone."""
    tiny = TINY["HunyuanVideo 1.5"]
    model = tiny.model()
    generator = torch.Generator().manual_seed(9)
    vision = SimpleNamespace(last_hidden_state=torch.randn(1, 4, 1152, generator=generator))
    picture: dict[str, Any] = {"clip_vision_output": vision}
    region = dict(picture)
    if n_quoted:
        written = torch.randn(1, n_quoted, 1472, generator=generator)
        region["conditioning_byt5small"] = written
    wanted = run(tiny, model, tiny.conditioning(LEFT, **region))
    assert (wanted - run(tiny, model, tiny.conditioning(LEFT))).abs().max() > 1e-3
    regional = patch(tiny, model, [tiny.conditioning(LEFT, **region)])
    out = run(tiny, regional, marked(tiny, **picture))
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)


def test_the_distilled_upscaler_of_hunyuan_video():
    def build() -> Any:
        return hunyuan_video_15("HunyuanVideo15_SR_Distilled", 98)

    tiny = TinyJoint(build, 48, None, 32, 4, options={"pooled_output": None}, frames=True)
    assert find_family(tiny.model().model).name == "HunyuanVideo 1.5"
    require_full_region_is_stock(tiny, tiny.conditioning(LEFT, 7))
