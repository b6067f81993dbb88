"""Reference images beside regional prompts, and other tokens that the host adds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regional_dit.attention.errors import HostError
from regional_dit.attention.rules import RegionalPromptingFlux
from tiny_joint import TINY
from tiny_joint_case import BASE, EVERYWHERE, LEFT, N_IMAGE, NEGATIVE, RIGHT, shared_case
from tiny_joint_runs import marked, patch, run

REFERENCES = {
    "Flux": {"reference_latents": (1, 16, 8, 12)},
    "Flux.2": {"reference_latents": (1, 128, 5, 4)},
    "Qwen-Image": {"reference_latents": (1, 16, 1, 8, 12)},
    "HiDream": {"concat_latent_image": (1, 16, 16, 12)},
}


def references(name: str) -> dict[str, Any]:
    ((key, shape),) = REFERENCES[name].items()
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    return {key: [latent] if key == "reference_latents" else latent}


@pytest.mark.parametrize("name", list(REFERENCES))
def test_references_take_part(name):
    """Regions with the global prompt's text: as without regions, references included."""
    case, given = shared_case(name), references(name)
    tiny, model = case.tiny, case.model
    if name == "HiDream":  # the host asks for it on both sides
        negative = tiny.conditioning(NEGATIVE, **given)
    else:
        negative = tiny.conditioning(NEGATIVE)
    stock = tiny.sample(model, tiny.conditioning(BASE, **given), negative)
    assert (stock - run(tiny, model, tiny.conditioning(BASE))).abs().max() > 0.01
    same = patch(tiny, model, [tiny.conditioning(BASE)] * 2, EVERYWHERE)
    out = tiny.sample(same, marked(tiny, **given), negative)
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)
    other = patch(tiny, model, [tiny.conditioning(s) for s in (LEFT, RIGHT)])
    out = tiny.sample(other, marked(tiny, **given), negative)
    assert out.isfinite().all() and (out - stock).abs().max() > 0.01


# The host's own Flux.1 does not run with "index_timestep_zero".
@pytest.mark.parametrize(
    ("name", "method"),
    [("Flux", "index"), ("Flux.2", "index"), ("Flux.2", "index_timestep_zero")],
)
def test_the_second_stream_is_modulated_as_the_image(name, method):
    """Hosts may modulate references as at time zero; the image's second stream is none of them."""
    case = shared_case(name)
    given = {**references(name), "reference_latents_method": method}
    tiny, model = case.tiny, case.model
    negative = tiny.conditioning(NEGATIVE)
    stock = tiny.sample(model, tiny.conditioning(BASE, **given), negative)
    rule = RegionalPromptingFlux(base_ratio=1.0, inject_steps=99)
    regional = patch(tiny, model, [tiny.conditioning(s) for s in (LEFT, RIGHT)], rule=rule)
    out = tiny.sample(regional, marked(tiny, **given), negative)
    torch.testing.assert_close(out, stock, atol=1e-4, rtol=1e-4)


def test_references_stay_with_the_global_prompt():
    """In Flux's first block, reference tokens get what they get without regions; others do not."""
    case, given = shared_case("Flux"), references("Flux")
    seen: list[torch.Tensor] = []
    projection = case.model.model.diffusion_model.double_blocks[0].img_attn.proj
    handle = projection.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    regional = patch(case.tiny, case.model, [case.tiny.conditioning(LEFT)])
    try:
        run(case.tiny, case.model, case.tiny.conditioning(BASE, **given), cfg=1.0, steps=1)
        run(case.tiny, regional, marked(case.tiny, **given), cfg=1.0, steps=1)
    finally:
        handle.remove()
    stock, ours = seen
    torch.testing.assert_close(ours[:, N_IMAGE:], stock[:, N_IMAGE:], atol=1e-5, rtol=1e-5)
    assert (ours[:, :N_IMAGE] - stock[:, :N_IMAGE]).abs().max() > 1e-3


def test_hidream_references_of_odd_width_are_refused():
    """The host joins the pictures before it cuts tokens: one of them would hold both."""
    tiny = TINY["HiDream"]
    given: dict[str, Any] = {"concat_latent_image": torch.zeros(1, 16, 16, 11)}
    model = patch(tiny, tiny.model(), [tiny.conditioning(LEFT)])
    with pytest.raises(HostError, match="multiple of 16 pixels"):
        tiny.sample(model, marked(tiny, **given), tiny.conditioning(NEGATIVE, **given), width=11)


def test_flux_patches_that_add_text_tokens_are_refused():
    case = shared_case("Flux")
    model = case.model.clone()

    def style(embedded: dict[str, Any]) -> dict[str, Any]:
        more = {
            key: torch.cat([embedded[key][:, :3], embedded[key]], 1) for key in ("txt", "txt_ids")
        }
        return {**embedded, **more}

    model.set_model_post_input_patch(style)
    with pytest.raises(HostError, match=r"adds 3 tokens to the text.*Remove"):
        run(case.tiny, patch(case.tiny, model, [case.tiny.conditioning(LEFT)]), marked(case.tiny))
