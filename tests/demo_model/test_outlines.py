"""The measure of where outlines are lost: the tiny Flux, and a network that cannot draw."""

from __future__ import annotations

import torch
from regional_dit.demo_model.loader import DemoVAE, load_model
from regional_dit.demo_model.measure_outlines import measure


def test_decoder_and_detector_lose_nothing():
    assert measure(lambda x, *_, **__: torch.zeros_like(x), DemoVAE().decode, 0.0, scenes=6) == {
        "all": 1, "circle": 1, "square": 1, "triangle": 1,
    }  # fmt: skip


def test_flux_takes_noise_off_and_a_blank_network_does_not():
    net, decode = load_model("flux").model.diffusion_model, DemoVAE().decode
    assert measure(net, decode, 0.4, scenes=4)["all"] >= 0.9
    blank = measure(lambda x, *_, **__: torch.zeros_like(x), decode, 0.4, scenes=4)
    assert blank["all"] < 0.9
