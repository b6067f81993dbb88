"""The frozen text encoder."""

from __future__ import annotations

import torch
from regional_dit.demo_model import text


def words(prompt: str) -> list[str]:
    return [text.VOCABULARY[i] for i in text.tokenize(prompt)]


def test_phrases_are_separated_and_articles_dropped():
    expected = "<bos> red circle <sep> blue square <sep> black background"
    assert " ".join(words("a red circle, a blue square on black background")) == expected
    assert " ".join(words("Red circle and blue square. black background.")) == expected


def test_unknown_words_and_spellings():
    assert words("a shiny red circle") == ["<bos>", "<unk>", "red", "circle"]
    assert words("红色的圆")[1:] == ["<unk>"]
    assert words("grey circles") == ["<bos>", "gray", "circle"]
    assert words("(red circle:1.2)") == ["<bos>", "red", "circle"]
    assert words("") == ["<bos>"]


def test_rows_of_a_batch_equal_single_prompts():
    prompts = ["a red circle", "", "a blue square, white triangle, pink background"]
    batch = text.encode(prompts)
    assert batch.clip.shape == (3, text.TEXT_LEN, text.TEXT_DIM)
    for i, prompt in enumerate(prompts):
        alone = text.encode(prompt)
        assert torch.equal(alone.clip[0], batch.clip[i])
        assert torch.equal(alone.t5[0], batch.t5[i])
        assert torch.equal(alone.mask[0], batch.mask[i])


def test_a_phrase_is_bound_by_its_neighbours():
    red_blue, blue_red = text.encode(["red circle, blue square", "blue circle, red square"]).clip
    assert not torch.equal(red_blue[2], blue_red[2])  # "circle" knows the colour before it
    lone = text.encode("circle").clip[0]
    assert torch.equal(text.encode("square, circle").clip[0, 3], lone[1])  # but not across a comma


def test_long_prompts_grow_by_chunks():
    states = text.encode([", ".join(["a red circle"] * 14), "a red circle"])
    assert states.clip.shape[1] == 2 * text.TEXT_LEN
    assert states.mask.sum(1).tolist() == [42, 3]
    assert not states.clip[1, 3:].any()


def test_nine_objects_and_a_background_fit_one_chunk():
    prompt = ", ".join(["a red circle"] * 9) + ", black background"
    assert len(text.tokenize(prompt)) <= text.TEXT_LEN


def test_conditioning_has_the_keys_of_the_family():
    [[cond, options]] = text.encode("a red circle").conditioning()
    assert cond.shape == (1, text.TEXT_LEN, text.TEXT_DIM)
    assert set(options) == {
        "pooled_output",
        "attention_mask",
        "conditioning_mt5xl",
        "attention_mask_mt5xl",
    }
