"""The decoder: what it learns from, and what it makes of latents that are not clean."""

from __future__ import annotations

import random

import pytest
import torch
from regional_dit.demo_model import world
from regional_dit.demo_model.decoder import PALETTE, DemoDecoder
from regional_dit.demo_model.detector import detect
from regional_dit.demo_model.loader import DemoTextEncoder, DemoVAE, load_model
from regional_dit.demo_model.training import pairs
from regional_dit.demo_model.training.decoder import PairFile, draw_pictures, main, nearest_colour
from regional_dit.demo_model.training.spoil import bend, spoil
from torch.nn.functional import avg_pool2d


@pytest.fixture(scope="module")
def spoiled():
    """24 scenes with four objects, their pictures and their spoiled latents with all channels."""
    from regional_dit.demo_model.measure_outlines import draw_scene

    rng, generator = random.Random(3), torch.Generator().manual_seed(3)
    scenes = [draw_scene(rng)[0] for _ in range(24)]
    rendered = [torch.from_numpy(world.render(s, world.LATENT_FACTOR)) for s in scenes]
    pictures = torch.stack(rendered).movedim(-1, 1)
    rgb = spoil(pictures, generator)
    return scenes, pictures, torch.cat([rgb, rgb.mean(1, keepdim=True)], 1)


def right_objects(scenes, pictures) -> float:
    """Share of objects that the detector finds with their colour and shape; [B, H, W, 3]."""
    found = [sorted((o.color, o.shape) for o in detect(p.numpy()).objects) for p in pictures]
    asked = [[o.kind for o in s.objects] for s in scenes]
    hit = sum(kind in there for there, kinds in zip(found, asked, strict=True) for kind in kinds)
    return hit / sum(map(len, asked))


def test_bending_moves_outlines_both_ways():
    pictures = draw_pictures(random.Random(1), 6)
    bent = bend(pictures, torch.Generator().manual_seed(1))
    assert bent.shape == pictures.shape
    assert 0.01 < (bent - pictures).abs().mean() < 0.3
    assert abs(float((bent - pictures).mean())) < 0.03
    again = bend(pictures, torch.Generator().manual_seed(1))
    assert torch.equal(bent, again)


def test_some_latents_stay_straight():
    pictures = draw_pictures(random.Random(2), 64)
    latents = spoil(pictures, torch.Generator().manual_seed(2))
    assert latents.shape == (64, 3, 32, 32)
    distance = (latents - avg_pool2d(pictures, world.LATENT_FACTOR)).abs().mean((1, 2, 3))
    assert distance.min() < 0.05 < distance.max()


def test_palette_is_the_worlds():
    assert PALETTE.shape == (12, 3)
    colours = torch.from_numpy(PALETTE).T.reshape(1, 3, 3, 4)
    assert nearest_colour(colours).flatten().tolist() == list(range(12))


def test_shipped_decoder_sees_through_lumps(spoiled):
    scenes, _, latents = spoiled
    decoded = DemoVAE().decode(latents)
    assert right_objects(scenes, decoded) > 0.7


def test_shipped_decoder_makes_flat_colours_and_clean_edges(spoiled):
    _, _, latents = spoiled
    decoded = DemoVAE().decode(latents) * 2 - 1
    off = (decoded[..., None, :] - torch.from_numpy(PALETTE)).abs().amax(-1).amin(-1)
    assert (off < 0.1).float().mean() > 0.95  # the rest are edges


def test_training_writes_a_decoder_that_loads(tmp_path, capsys):
    kept = {"latents": torch.zeros(4, 4, 32, 32).half(),
            "pictures": torch.zeros(4, 3, 256, 256, dtype=torch.uint8)}  # fmt: skip
    torch.save(kept, tmp_path / "pairs.pt")
    out = tmp_path / "decoder.safetensors"
    main([str(out), "--minutes", "0.05", "--batch", "2", "--threads", "1",
          "--pairs", str(tmp_path / "pairs.pt")])  # fmt: skip
    assert "done: " in capsys.readouterr().out
    picture = DemoVAE(out).decode(torch.zeros(1, 4, 6, 4))
    assert picture.shape == (1, 48, 32, 3) and picture.isfinite().all()


def test_pairs_are_mirrored_together(tmp_path):
    pictures = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    pictures[..., :8] = 255
    latents = torch.zeros(1, 4, 4, 4)
    latents[..., 0] = 1
    torch.save({"latents": latents.half(), "pictures": pictures}, tmp_path / "pairs.pt")
    file, sides = PairFile(tmp_path / "pairs.pt"), set()
    rng = random.Random(0)
    for _ in range(12):
        drawn, clean = file.draw(rng, 2)
        assert (clean[..., ::8].amax((1, 2)) > 0).equal(drawn.amax((1, 2)) > 0)
        sides.add(float(drawn[0, 0, 0, 0]))
    assert sides == {0.0, 1.0}


@pytest.mark.parametrize("name", pairs.SAMPLERS)
def test_a_pair_is_a_denoised_scene(name):
    model, clip, rng = load_model(name), DemoTextEncoder(name), random.Random(5)
    found = [pairs.make_pair(rng, model, clip, name) for _ in range(3)]
    made = [pair for pair in found if pair is not None]
    assert made
    for latent, picture in made:
        assert latent.shape == (4, 32, 32) and picture.dtype == torch.uint8
        clean = avg_pool2d(picture.float() / 127.5 - 1, world.LATENT_FACTOR)
        assert 0 < (latent[:3].float() - clean).abs().mean() < 1.2 * pairs.MOVED


def test_size_of_the_net():
    assert sum(p.numel() for p in DemoDecoder().parameters()) < 500_000  # 1 MB in float16
