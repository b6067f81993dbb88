"""Attention Specialty Tuning against the paper's formula, written out as one dense map."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from regional_dit.attention.calls.schedule import PercentRange
from regional_dit.attention.canvas.regions import RegionSet
from regional_dit.attention.errors import PromptError, RegionalError
from regional_dit.attention.phrases import BoundPhrase, PhraseBinding
from regional_dit.attention.rules import Bind, SpecialtyTuning
from regional_dit.attention.rules.specialty import class_layers, layer_class
from regional_dit.attention.sampling.host import install
from regional_dit.attention.sampling.run import RegionalPatch
from regional_dit.attention.text.prompts import MARKER, RegionalPrompts, text_from_conditioning
from regional_models import is_pristine
from tiny_joint import TINY
from tiny_joint_models import flux

UID, BASE, NEGATIVE, LEFT, RIGHT = "regions-a", 1, 2, 3, 4
T, ROWS, COLS, STEPS = 11, 8, 6, 4

# Tokens of an imagined "a [red fox] and a [very old | blue | cart]" : 11 tokens, two unused.
PHRASES = (
    BoundPhrase("red fox", (1, 2), (2,), (1,), ()),
    BoundPhrase("very old blue cart", (5, 6, 7, 8), (8,), (5, 6, 7), ()),
)
BINDING = PhraseBinding("prompt", T, PHRASES, (0, 3, 4), (9, 10), ())


def masks() -> list[torch.Tensor]:
    """Two rectangles on the token grid and a background, with borders on token borders."""
    first, second = torch.zeros(ROWS, COLS), torch.zeros(ROWS, COLS)
    first[1:7, 0:3] = 1
    second[2:6, 3:6] = 1
    return [first, second]


def deeper_flux() -> Any:
    """Twelve layers, so that every class of the table has one."""
    return flux(depth=3, depth_single_blocks=9)


@pytest.fixture(scope="module", params=["Flux", "SD3", "deeper Flux"])
def tiny(request):
    if request.param == "deeper Flux":
        return dataclasses.replace(TINY["Flux"], build=deeper_flux, n_layers=12)
    return TINY[request.param]


@pytest.fixture(scope="module")
def model(tiny):
    return tiny.model()


def regional(tiny: Any, model: Any, rule: Any, **kwargs: Any) -> torch.Tensor:
    texts = tuple(text_from_conditioning(tiny.conditioning(s), "region") for s in (LEFT, RIGHT))
    prompts = RegionalPrompts(UID, RegionSet.from_masks(masks()), texts, ("a", "b"))
    layers = tuple(range(tiny.n_layers))
    patched = install(model, RegionalPatch(prompts, rule, layers, PercentRange()))
    return run(tiny, patched, marked=True, **kwargs)


def run(tiny: Any, model: Any, marked: bool = False, tokens: int = T, **kwargs: Any):
    extra = {MARKER: UID} if marked else {}
    positive, negative = tiny.conditioning(BASE, tokens, **extra), tiny.conditioning(NEGATIVE)
    return tiny.sample(model, positive, negative, **{"steps": STEPS, "cfg": 1.0, **kwargs})


class Dense:
    """The paper's formula on the stock model: every joint attention call as one tuned map."""

    def __init__(self, n_layers: int, weights: tuple[float, float, float], exact: bool) -> None:
        self.n_layers, self.weights, self.exact = n_layers, weights, exact
        self.calls = 0
        n_image = ROWS * COLS
        layouts = torch.stack([m.flatten() for m in masks()])
        layouts = torch.cat([1 - layouts.sum(0, keepdim=True), layouts])  # background first
        self.i2i = layouts.T @ layouts
        self.image_size = 1 - self.i2i.sum(-1, keepdim=True) / n_image
        no_background = layouts[1:].T @ layouts[1:]
        self.instance_size = 1 - no_background.sum(-1, keepdim=True) / n_image
        self.t2t = torch.eye(T)
        self.maps = {name: torch.zeros(n_image, T) for name in ("instance", "attribute")}
        self.maps["background"] = torch.zeros(n_image, T)
        self.maps["background"][:, list(BINDING.background)] = layouts[0][:, None]
        for mask, phrase in zip(layouts[1:], PHRASES, strict=True):
            span = list(phrase.tokens)
            self.t2t[span[0] : span[-1] + 1, span[0] : span[-1] + 1] = 1
            self.maps["instance"][:, list(phrase.instance)] = mask[:, None]
            self.maps["attribute"][:, list(phrase.attributes)] = mask[:, None]
        self.text_size = 1 - 4.0 * self.t2t.sum(-1, keepdim=True) / 512

    def __call__(self, func: Any, q: Any, k: Any, v: Any, heads: int, **kw: Any) -> Any:
        n_tokens = q.shape[2 if kw.get("skip_reshape") else 1]
        sigma = float(kw["transformer_options"]["sigmas"][0])
        step, layer = divmod(self.calls, self.n_layers)
        if n_tokens != T + ROWS * COLS:  # SD3.5 medium's image-only attention
            return func(q, k, v, heads, **kw)
        self.calls += 1
        place = layer * 57 // self.n_layers + 1  # counted from one, as in the public code
        if place <= 5 or step >= STEPS // 2:
            return func(q, k, v, heads, **kw)
        if not kw.get("skip_reshape"):
            q, k, v = (t.reshape(*t.shape[:2], heads, -1).transpose(1, 2) for t in (q, k, v))
        text, image = slice(0, T), slice(T, None)
        scores = q.double() @ k.double().transpose(-1, -2) / q.shape[-1] ** 0.5
        probs = scores.softmax(-1)
        w_i2i, w_t2t, w_i2t = (w * sigma**3 for w in self.weights)
        tunings: list[Any] = []
        if place <= 50:
            tunings.append((image, image, w_i2i * self.image_size, self.i2i))
            tunings.append((text, text, w_t2t * self.text_size, self.t2t))
        if place <= 24:
            size = self.instance_size if place <= 19 else self.image_size
            names = ["instance"] if place <= 19 else ["instance", "background"]
        else:
            size = self.instance_size
            names = ["instance", "attribute"] if place <= 34 else ["attribute"]
        tunings.append((image, text, w_i2t * size, sum(self.maps[n] for n in names)))
        if not self.exact:
            for rows, columns, strength, match in tunings:
                scores[:, :, rows, columns] += (strength * match).double()
            probs = scores.softmax(-1)
        else:
            for rows, columns, strength, match in tunings:
                block = probs[:, :, rows, columns]
                probs[:, :, rows, columns] = block * (strength * (match - block)).exp()
            probs = probs / probs.sum(-1, keepdim=True)
        out = (probs @ v.double()).to(q.dtype)
        return out if kw.get("skip_output_reshape") else out.transpose(1, 2).flatten(2)


def dense(tiny: Any, model: Any, weights: tuple[float, float, float], exact: bool):
    spied = model.clone()
    oracle = Dense(tiny.n_layers, weights, exact)
    options = {**spied.model_options["transformer_options"]}
    options["optimized_attention_override"] = oracle
    spied.model_options["transformer_options"] = options
    out = run(tiny, spied)
    assert oracle.calls == STEPS * tiny.n_layers
    return out


@pytest.mark.parametrize("weights", [(3.5, 3.5, 5.0), (3.5, 0.0, 0.0), (0, 3.5, 0), (0, 0, 5.0)])
@pytest.mark.parametrize("form", ["additive", "exact"])
def test_both_forms_equal_the_paper(tiny, model, weights, form):
    rule = SpecialtyTuning(BINDING, *weights, form=form)
    out = regional(tiny, model, rule)
    wanted = dense(tiny, model, weights, form == "exact")
    effect = (wanted - run(tiny, model)).abs().max()
    assert effect > 1e-3
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("noop", [{"tuned_share": 0.0}, dict.fromkeys(
    ("image_weight", "text_weight", "cross_weight"), 0.0)])  # fmt: skip
def test_noops_are_bit_exact(tiny, model, noop):
    rule = SpecialtyTuning(BINDING, **noop)
    assert torch.equal(regional(tiny, model, rule), run(tiny, model))


@pytest.mark.parametrize("form", ["additive", "exact"])
def test_weights_zero_with_regional_text_equal_bind(tiny, model, form):
    rule = SpecialtyTuning(BINDING, 0.0, 0.0, 0.0, tuned_share=1.0, form=form, regional_text=True)
    wanted = regional(tiny, model, Bind(0.3, isolate_until=0.0, release_at=1.0))
    torch.testing.assert_close(regional(tiny, model, rule), wanted, atol=1e-5, rtol=1e-5)


def test_tuning_acts_beside_regional_text(tiny, model):
    both = regional(tiny, model, SpecialtyTuning(BINDING, regional_text=True, tuned_share=1.0))
    bound = regional(tiny, model, Bind(0.3, isolate_until=0.0, release_at=1.0))
    assert both.isfinite().all() and (both - bound).abs().max() > 0.01


@pytest.mark.parametrize("form", ["additive", "exact"])
def test_batches_sizes_and_negatives(tiny, model, form):
    rule = SpecialtyTuning(BINDING, form=form)
    together = regional(tiny, model, rule, batch=2, cfg=3.0)
    torch.testing.assert_close(
        together[:1], regional(tiny, model, rule, cfg=3.0), atol=1e-4, rtol=1e-4
    )
    assert regional(tiny, model, rule, height=15, width=11).isfinite().all()
    assert is_pristine(model)


def test_layer_classes_are_the_published_ones():
    assert class_layers(57) == {
        "instance": (5, 18),
        "instance+background": (19, 23),
        "instance+attribute": (24, 33),
        "attribute": (34, 49),
        "attribute, text only": (50, 56),
    }
    assert layer_class(4, 57) is None and layer_class(0, 24) is None


def test_phrases_of_another_prompt_are_refused(tiny, model):
    rule = SpecialtyTuning(dataclasses.replace(BINDING, n_tokens=9, special=()))
    with pytest.raises(PromptError, match=r"9 text tokens.*positive has 11"):
        regional(tiny, model, rule)


def test_one_phrase_per_region(tiny, model):
    rule = SpecialtyTuning(dataclasses.replace(BINDING, phrases=PHRASES[:1]))
    with pytest.raises(RegionalError, match="1 phrases are bound, but there are 2"):
        regional(tiny, model, rule)
