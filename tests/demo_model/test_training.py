"""Training of the demo models: the same numbers as the host, and a run that survives its end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import comfy.ldm.flux.model
import comfy.ops
import pytest
import torch
from regional_dit.demo_model import network_flux, text
from regional_dit.demo_model.train import Trainer, parse_args, run, state_path
from regional_dit.demo_model.training.batches import draw_batch, draw_size
from regional_dit.demo_model.training.objectives import FluxObjective

ROOT = Path(__file__).resolve().parents[2]


class Never:
    asked = False


def trainer(out: Path, *options: str) -> Trainer:
    return Trainer(parse_args([str(out), "--model", "flux", "--batch", "2", *options]))


@pytest.fixture
def small_flux(monkeypatch):
    for name, value in {"HIDDEN": 32, "HEADS": 1, "DOUBLE": 1, "SINGLE": 1}.items():
        monkeypatch.setattr(network_flux, name, value)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40)])
def test_training_forward_equals_the_hosts(height: int, width: int):
    torch.manual_seed(0)
    config = network_flux.for_host(network_flux.model_config())
    net = comfy.ldm.flux.model.Flux(**config, operations=comfy.ops.disable_weight_init)
    network_flux.initialise(net)
    with torch.no_grad():
        for p in net.parameters():  # the start is an identity; its blocks must take part
            p.add_(0.03 * torch.randn_like(p))
        x, sigma = torch.randn(2, 4, height, width), torch.tensor([0.3, 0.8])
        context, pooled = text.encode(["a red circle", "a blue square, pink background"]).for_flux()
        expected = net(x.clone(), sigma, context.clone(), y=pooled.clone())
        table = network_flux.rotation_table(net, height, width, context.shape[1])
        found = network_flux.forward(net, x, sigma, context, pooled, table)
    assert expected.abs().mean() > 0.05
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_flux_context_is_cut_and_has_the_pooled_vector_of_the_whole_prompt():
    states = text.encode(["a red circle", ", ".join(["a red circle"] * 12)])
    context, pooled = states.for_flux()
    assert context.shape[1] == 40 and pooled.shape == (2, text.TEXT_DIM)
    assert text.encode("a red circle").for_flux()[0].shape[1] == 8
    means = [
        row[: int(mask.sum())].mean(0) for row, mask in zip(states.clip, states.mask, strict=True)
    ]
    assert torch.allclose(pooled, torch.stack(means), atol=1e-6)


def test_flux_levels_cover_the_range_and_favour_the_noisy_half():
    torch.manual_seed(0)
    levels = FluxObjective.levels(FluxObjective, (torch.arange(4000) + 0.5) / 4000)
    assert 0 <= levels.min() < 0.05 and 0.97 < levels.max() <= 1
    assert ((levels > 0.6) & (levels < 0.95)).float().mean() > 0.5


def test_batches_say_nothing_about_places_and_repeat_themselves():
    first, second = (draw_batch(random.Random(3), 24, 40, 5) for _ in range(2))
    assert torch.equal(first.latents, second.latents) and first.captions == second.captions
    assert first.latents.shape == (5, 4, 24, 40)
    sizes = {draw_size(random.Random(i), 32, 0.2) for i in range(200)}
    assert {(32, 32, 32), (48, 48, 10), (24, 40, 32), (40, 24, 32)} == sizes


def test_loss_falls(small_flux, tmp_path):
    made = trainer(tmp_path / "m", "--lr", "3e-3", "--large", "0", "--batch", "8")
    losses = [made.one_step(1.0) for _ in range(60)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_a_stopped_run_goes_on_where_it_was(small_flux, tmp_path):
    made = trainer(tmp_path / "m")
    for _ in range(3):
        made.one_step(1.0)
    made.save()
    after = trainer(tmp_path / "m", "--resume")
    assert (after.state.step, after.state.seen) == (3, made.state.seen)
    assert after.state.seconds == made.state.seconds
    for name, p in made.state.master.items():
        assert torch.equal(after.state.master[name], p)
        assert torch.equal(after.state.average[name], made.state.average[name])
    before, changed = after.rng.getstate(), after.one_step(1.0)
    again = trainer(tmp_path / "m", "--resume")
    assert again.rng.getstate() == before and again.one_step(1.0) == changed


def test_decay_cuts_a_model_and_leaves_the_state_alone(small_flux, tmp_path):
    out = tmp_path / "m"
    trainer(out, "--minutes", "0").save()
    kept = state_path(out).read_bytes()
    cut = trainer(out, "--resume", "--decay", "0.02", "--ema", "0.9999")
    assert all(torch.equal(a, cut.state.master[k]) for k, a in cut.state.average.items())
    assert cut.state.ema < 0.99  # what is cut follows the settled weights, not the long average
    run(cut, Never())  # type: ignore[arg-type]
    assert state_path(out).read_bytes() == kept
    assert cut.state.step > 1 and (tmp_path / "m.decayed.safetensors").is_file()


def test_wrong_states_are_explained(small_flux, tmp_path, monkeypatch, capsys):
    with pytest.raises(FileNotFoundError, match="--resume"):
        trainer(tmp_path / "none", "--resume")
    trainer(tmp_path / "m").save()
    with pytest.raises(SystemExit):
        trainer(tmp_path / "m")
    assert "--resume" in capsys.readouterr().err
    monkeypatch.setattr(network_flux, "SINGLE", 2)
    with pytest.raises(ValueError, match="another network"):
        trainer(tmp_path / "m", "--resume")


def test_sigterm_saves_and_ends(tmp_path):
    """Of the other model, which no test above trains."""
    out = tmp_path / "m"
    options = ["--model", "hunyuan_dit", "--batch", "1", "--threads", "1", "--large", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "demo_model.train", str(out), *options], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("parameters ")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and "stopped at step" in said and "nan" not in said
    assert state_path(out).is_file() and out.with_suffix(".safetensors").is_file()
