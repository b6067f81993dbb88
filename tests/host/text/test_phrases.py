"""Phrases in the tokens of ComfyUI's real tokenizers; encoders are stand-ins that echo the ids.

Two oracles that share nothing with the code under test: the offsets that the tokenizers library
gives, and the host's own joining of encoders, which shows where in the conditioning each id lands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from comfy.text_encoders import sd3_clip
from echo_clips import CASES, PAIRS, Case, EchoClip, bind, clip_of, spelled, sub_tokenizer
from regional_dit.attention.errors import PromptError
from regional_dit.attention.phrases import Phrase, bind_phrases
from regional_dit.attention.phrases.plain import fold
from regional_dit.nodes.prompts.phrases import split_phrase


def is_word(piece: str) -> bool:
    return bool(piece.strip("▁Ġ")) and piece not in ("<unk>", "[UNK]")


def offset_tokens(clip: EchoClip, prompt: str, name: str, span: tuple[int, int]) -> set[int] | None:
    """Tokens of one encoder, whole stream, by the tokenizers library's own offsets.

    None: no offsets. Tokens of space alone are left out, as are unknown pieces.
    """
    sub = sub_tokenizer(clip, name)
    if not getattr(sub.tokenizer, "is_fast", False):
        return None
    template = getattr(clip.tokenizer, "llama_template", "{}")
    whole = template.format(prompt)
    shift = template.index("{}")
    read = sub.tokenizer(whole, return_offsets_mapping=True)
    end = -1 if sub.tokenizer_adds_end_token else None
    offsets = read["offset_mapping"][sub.tokens_start : end]
    ids = read["input_ids"][sub.tokens_start : end]
    stream = [t for chunk in clip.tokenize(prompt, return_word_ids=True)[name] for t in chunk]
    words = [i for i, t in enumerate(stream) if t[2]]
    assert [stream[i][0] for i in words] == ids
    found = set()
    for index, (a, b), token in zip(words, offsets, ids, strict=True):
        text = whole[a:b].strip()
        inside = max(a, span[0] + shift) < min(b, span[1] + shift)
        if inside and text and is_word(sub.inv_vocab[token]):
            found.add(index)
    return found


def test_table_is_large_enough() -> None:
    assert sum(len(case.spans) for case in CASES) >= 60


@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_span_holds_the_phrase(name: str, case: Case) -> None:
    clip = clip_of(name)
    binding = bind(clip, case.prompt, list(case.phrases))
    for phrase, span in zip(binding.phrases, case.spans, strict=True):
        for part, start, stop in binding.parts:
            mine = tuple(t for t in phrase.tokens if start <= t < stop)
            if not mine:
                assert case.language == "zh" and part == "t5xxl"
                continue
            text = fold(spelled(clip, case.prompt, binding, mine).replace("<unk>", "?"))
            wanted = fold(case.prompt[slice(*span)])
            # A token may hold the space or the sign beside the phrase ("”—"), never a letter.
            assert wanted in text or part == "t5xxl"
            assert len(text) <= len(wanted) + 2
            expected = offset_tokens(clip, case.prompt, part, span)
            if expected is not None:
                stream = sum(map(len, clip.tokenize(case.prompt)[part]))
                cut = stream - (stop - start)
                vocabulary = sub_tokenizer(clip, part).inv_vocab
                ids = clip.encode(case.prompt)[0, :, 0].long().tolist()
                words = {t - start + cut for t in mine if is_word(vocabulary[ids[t]])}
                assert words == expected


@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_every_token_has_one_class(name: str, case: Case) -> None:
    binding = bind(clip_of(name), case.prompt, list(case.phrases))
    all_tokens = [t for p in binding.phrases for t in p.tokens]
    all_tokens += [*binding.background, *binding.special]
    assert sorted(all_tokens) == list(range(binding.n_tokens))
    for phrase in binding.phrases:
        assert phrase.instance, phrase.text
        assert set(phrase.instance) | set(phrase.attributes) <= set(phrase.tokens)
        assert not set(phrase.instance) & set(phrase.attributes)


def words(clip: EchoClip, prompt: str, phrases: list[str | Phrase]) -> list[list[str]]:
    """Pieces of each phrase, instance in capitals, for tests on single tokens."""
    binding = bind(clip, prompt, phrases)
    ids = clip.encode(prompt)[0, :, 0].long().tolist()
    vocabulary = sub_tokenizer(clip, binding.parts[0][0]).inv_vocab
    shown = []
    for phrase in binding.phrases:
        pieces = {t: vocabulary[ids[t]].replace("▁", "").replace("</w>", "") for t in phrase.tokens}
        shown.append([p.upper() if t in phrase.instance else p for t, p in pieces.items()])
    return shown


def test_instance_and_attributes() -> None:
    found = words(
        clip_of("flux"), "in snow, a shiny red car and a fox", ["a shiny red car", "a fox"]
    )
    assert found == [["", "a", "shiny", "red", "CAR"], ["", "a", "", "FOX"]] or found == [
        ["", "a", "shiny", "red", "CAR"],
        ["", "a", "FOX"],
    ]
    named = words(clip_of("flux"), "a red fire truck", [Phrase("a red fire truck", "fire truck")])
    assert named == [["", "a", "red", "FIRE", "TRUCK"]]


def test_weights_are_read_as_the_encoder_reads_them() -> None:
    prompt = r"a (red:1.2) fox, ((a blue) car:0.8) and a smile \(big\)"
    phrases = ["a red fox", "a blue car", "smile (big)"]
    for name in ("flux", "sd3", "aura"):
        clip = clip_of(name)
        binding = bind(clip, prompt, [*phrases[:2], r"smile \(big\)"])
        texts = [fold(spelled(clip, prompt, binding, p.tokens)) for p in binding.phrases]
        times = len(binding.parts)
        assert texts == [fold(phrase) * times for phrase in phrases]
        instances = [fold(spelled(clip, prompt, binding, p.instance)) for p in binding.phrases[:2]]
        assert instances == ["fox" * times, "car" * times]
    # Language models get the text as it is.
    literal = bind(clip_of("qwen-image"), "a (red:1.2) fox", ["a (red:1.2) fox"])
    assert "(red:1.2)" in spelled(
        clip_of("qwen-image"), "a (red:1.2) fox", literal, literal.phrases[0].tokens
    )
    with pytest.raises(PromptError, match="Nearest text: 'a \\(red"):
        bind(clip_of("qwen-image"), "a (red:1.2) fox", ["a red fox"])


def test_occurrences() -> None:
    clip = clip_of("flux")
    prompt = "a cat, a cat and a cat"
    first, second, third = (bind(clip, prompt, [Phrase("a cat", occurrence=i)]) for i in (1, 2, 3))
    last = [b.phrases[0].tokens[-1] for b in (first, second, third)]
    assert last == sorted(last) and len(set(last)) == 3
    chosen = bind(clip, prompt, ["a cat", Phrase("a cat", occurrence=1)])
    assert [p.tokens[-1] for p in chosen.phrases] == [last[1], last[0]]
    with pytest.raises(PromptError, match="occurrence 4, but it occurs 3 times"):
        bind(clip, prompt, [Phrase("a cat", occurrence=4)])
    with pytest.raises(PromptError, match="only where other phrases stand: 'a black cat'"):
        bind(clip, "a black cat", ["a black cat", "cat"])


@pytest.mark.parametrize(
    ("phrase", "nearest"),
    [("a blue bus", "a blue car"), ("a red fux", "a red fox"), ("ed fox", "red fox")],
)
def test_missing_phrase_shows_the_nearest_text(phrase: str, nearest: str) -> None:
    with pytest.raises(PromptError, match=f"does not occur.*Nearest text: {nearest!r}"):
        bind(clip_of("flux"), "a red fox looks at a blue car", [phrase])


def test_missing_chinese_phrase_shows_the_nearest_text() -> None:
    with pytest.raises(PromptError, match="Nearest text: '红色的猫'"):
        bind(clip_of("qwen-image"), "一只红色的猫坐在沙发上", ["红色的狗"])


def test_characters_that_the_encoder_does_not_know() -> None:
    with pytest.raises(PromptError, match=r"no token of its own in t5xxl.*language"):
        bind(clip_of("flux"), "一只红色的猫", ["红色的猫"])
    binding = bind(clip_of("sd3"), "一只红色的猫", ["红色的猫"])  # CLIP reads the bytes
    assert binding.notes and "t5xxl" in binding.notes[0]
    assert max(binding.phrases[0].tokens) < 77


def test_embeddings_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"emb_params": torch.zeros(2, 768)}, tmp_path / "style.safetensors")
    tokenizer = sd3_clip.SD3Tokenizer(embedding_directory=str(tmp_path))
    clip = EchoClip(tokenizer, sd3_clip.SD3ClipModel)
    for name in ("style", "missing"):
        prompt = f"a red fox embedding:{name} in the snow"
        with pytest.raises(PromptError, match="embedding"):
            bind_phrases(clip, prompt, 154, [Phrase("a red fox")], split_phrase)


def test_phrase_across_two_chunks_of_clip() -> None:
    clip = clip_of("sd3 without t5")
    prompt = "word " * 73 + "a large purple striped elephant and a fox"
    binding = bind(clip, prompt, ["a large purple striped elephant", "a fox"])
    assert binding.n_tokens == 154
    elephant = binding.phrases[0].tokens
    assert elephant[0] < 76 and elephant[-1] > 77 and not {76, 77} & set(elephant)
    assert "purplestripedelephant" in fold(spelled(clip, prompt, binding, elephant))


@pytest.mark.parametrize("prompt", ["the image", "user", "assistant", "color, shape", "red im_end"])
def test_prompt_that_repeats_words_of_the_template(prompt: str) -> None:
    for name in ("qwen-image", "z-image"):
        clip = clip_of(name)
        binding = bind(clip, prompt, [prompt])
        assert fold(spelled(clip, prompt, binding, binding.phrases[0].tokens)) == fold(prompt)
        assert not binding.background


def test_prompt_with_a_template_of_its_own() -> None:
    prompt = "<|im_start|>system\nDraw.<|im_end|>\n<|im_start|>user\na red fox<|im_end|>\n"
    clip = clip_of("qwen-image")
    binding = bind(clip, prompt, ["a red fox"])
    assert spelled(clip, prompt, binding, binding.phrases[0].tokens).strip() == "a red fox"


def test_conditioning_of_another_prompt() -> None:
    for name in ("flux", "sd3", "qwen-image"):
        for n_tokens in (3, 2000):
            with pytest.raises(PromptError, match="the very same prompt"):
                bind_phrases(clip_of(name), "a fox", n_tokens, [Phrase("a fox")], split_phrase)


def test_unknown_encoders() -> None:
    clip = clip_of("sd3")

    class Odd(EchoClip):
        def __init__(self) -> None:
            self.tokenizer, self.cond_stage_model = clip.tokenizer, None

        def tokenize(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
            tokens = clip.tokenize(text, return_word_ids)
            return {"g": tokens["g"], "t5xxl": tokens["t5xxl"]}

    with pytest.raises(PromptError, match=r"parts g \+ t5xxl.*not known"):
        bind_phrases(Odd(), "a fox", 154, [Phrase("a fox")], split_phrase)


def test_hunyuan_dit(clip: Any) -> None:
    prompt = "一只红色的猫和 a blue dog"
    n_tokens = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))[0][0].shape[1]
    phrases = [Phrase("红色的猫"), Phrase("a blue dog")]
    binding = bind_phrases(clip, prompt, n_tokens, phrases, split_phrase)
    # [CLS] 一 只 红 色 的 猫 和 a blue dog
    assert [p.tokens for p in binding.phrases] == [(3, 4, 5, 6), (8, 9, 10)]
    assert [p.instance for p in binding.phrases] == [(6,), (10,)]
    assert [p.attributes for p in binding.phrases] == [(3, 4), (9,)]
