"""Phrases in the tokens of ComfyUI's real tokenizers; encoders are stand-ins that echo the ids.

Two oracles that share nothing with the code under test: the offsets that the tokenizers library
gives, and the host's own joining of encoders, which shows where in the conditioning each id lands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.sd1_clip
import pytest
import torch
from comfy.text_encoders import aura_t5, flux, qwen_image, sd3_clip
from regional_dit.attention.errors import PromptError
from regional_dit.attention.phrases import Phrase, PhraseBinding, bind_phrases, parse_phrase_lines
from regional_dit.attention.phrases.overwrite import matching_tokens, overwrite_spans
from regional_dit.attention.phrases.plain import fold
from regional_dit.attention.regions import Box, Region, RegionSet
from regional_dit.nodes.phrases import BindPhrases, split_phrase
from regional_dit.planner.plan import Plan, RegionPlan

WIDTH = 8


class Echo(comfy.sd1_clip.ClipTokenWeightEncoder):
    """An encoder whose "embedding" of a token is its id."""

    def __init__(self, mask: bool = False, width: int = WIDTH) -> None:
        self.mask, self.width = mask, width
        self.special_tokens = {"start": 49406, "end": 49407, "pad": 49407}

    def encode(self, tokens: list[list[int]]) -> tuple:
        out = torch.tensor(tokens, dtype=torch.float32)[..., None].repeat(1, 1, self.width)
        pooled = torch.zeros(len(tokens), WIDTH)
        if not self.mask:
            return out, pooled
        return out, pooled, {"attention_mask": torch.ones(len(tokens), out.shape[1])}


class EchoClip:
    """The host's tokenizer and text encoder class, with echoes for the networks inside."""

    def __init__(self, tokenizer: Any, model_class: type, **encoders: Any) -> None:
        self.tokenizer = tokenizer
        self.cond_stage_model: Any = object.__new__(model_class)
        torch.nn.Module.__init__(self.cond_stage_model)
        for name, encoder in encoders.items():
            setattr(self.cond_stage_model, name, encoder)

    def tokenize(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **kwargs)

    def encode_from_tokens_scheduled(self, tokens: Any) -> list:
        out, pooled = self.cond_stage_model.encode_token_weights(tokens)[:2]
        return [[out, {"pooled_output": pooled}]]

    def encode(self, text: str) -> torch.Tensor:
        tokens = self.tokenize(text)
        plain = {n: [[(t[0], 1.0) for t in c] for c in chunks] for n, chunks in tokens.items()}
        return self.encode_from_tokens_scheduled(plain)[0][0]


def single(name: str, attribute: str) -> dict[str, Any]:
    return {"clip_name": name, "clip": attribute, attribute: Echo(mask=True)}


def sd3(**missing: Any) -> EchoClip:
    echoes = {"clip_l": Echo(), "clip_g": Echo(), "t5xxl": Echo(width=4096)}
    echoes = {**echoes, "t5_attention_mask": False}
    return EchoClip(sd3_clip.SD3Tokenizer(), sd3_clip.SD3ClipModel, **{**echoes, **missing})


def z_image() -> EchoClip:
    names = pytest.importorskip("comfy.text_encoders.z_image", reason="no Z-Image in this ComfyUI")
    qwen = single("qwen3_4b", "qwen3_4b")
    return EchoClip(names.ZImageTokenizer(), names.ZImageTEModel, **qwen)


MAKERS: dict[str, Callable[[], EchoClip]] = {
    "flux": lambda: EchoClip(flux.FluxTokenizer(), flux.FluxClipModel, clip_l=Echo(), t5xxl=Echo()),
    "sd3": sd3,
    "sd3 without t5": lambda: sd3(t5xxl=None),
    "qwen-image": lambda: EchoClip(
        qwen_image.QwenImageTokenizer(),
        qwen_image.QwenImageTEModel,
        **single("qwen25_7b", "qwen25_7b"),
    ),
    "z-image": z_image,
    "aura": lambda: EchoClip(
        aura_t5.AuraT5Tokenizer(), aura_t5.AuraT5Model, **single("pile_t5xl", "pile_t5xl")
    ),
}
NO_CHINESE = ("flux",)
_made: dict[str, EchoClip] = {}


def clip_of(name: str) -> EchoClip:
    if name not in _made:
        _made[name] = MAKERS[name]()
    return _made[name]


@dataclass(frozen=True)
class Case:
    language: str
    prompt: str
    spans: tuple[tuple[int, int], ...]  # characters of the prompt

    @property
    def phrases(self) -> list[str]:
        return [self.prompt[a:b] for a, b in self.spans]


def cases() -> list[Case]:
    found = []
    for line in Path(__file__).with_name("phrases.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        language, marked = line.split(": ", 1)
        text, spans = "", []
        for outside, inside in re.findall(r"([^\[]*)(?:\[([^\]]*)\])?", marked):
            text += outside
            if inside:
                spans.append((len(text), len(text) + len(inside)))
            text += inside
        found.append(Case(language, text, tuple(spans)))
    return found


CASES = cases()
PAIRS = [
    pytest.param(name, case, id=f"{name}-{case.phrases[0]}")
    for name in MAKERS
    for case in CASES
    if case.language == "en" or name not in NO_CHINESE
]


def bind(clip: EchoClip, prompt: str, phrases: list[str | Phrase]) -> PhraseBinding:
    wanted = [p if isinstance(p, Phrase) else Phrase(p) for p in phrases]
    return bind_phrases(clip, prompt, clip.encode(prompt).shape[1], wanted, split_phrase)


def sub_tokenizer(clip: EchoClip, name: str) -> Any:
    for attribute in (name, f"clip_{name}"):
        if hasattr(clip.tokenizer, attribute):
            return getattr(clip.tokenizer, attribute)
    raise AssertionError(name)


def spelled(clip: EchoClip, prompt: str, binding: PhraseBinding, tokens: tuple[int, ...]) -> str:
    """Text of the ids that the host really puts at these places of the conditioning."""
    ids = clip.encode(prompt)[0, :, 0].long().tolist()
    text = ""
    for name, start, stop in binding.parts:
        inner = sub_tokenizer(clip, name).tokenizer
        inner = getattr(inner, "tokenizer", inner)
        part = [ids[t] for t in tokens if start <= t < stop]
        if part:
            text += inner.decode(part) + "\n"
    return text


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


@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_overwrite_pairs_equal_characters(name: str, case: Case) -> None:
    clip = clip_of(name)
    master = bind(clip, case.prompt, list(case.phrases))
    equal, total = 0, 0
    for phrase in master.phrases:
        alone = bind(clip, phrase.text, [phrase.text])
        pairs = matching_tokens(phrase, alone.phrases[0])
        length = clip.encode(phrase.text).shape[1]
        assert all(source < length for _, source in pairs)
        for to, source in pairs:
            text = fold(spelled(clip, case.prompt, master, (to,)))
            own = fold(spelled(clip, phrase.text, alone, (source,)))
            equal += text == own
            assert text == own or set(text) & set(own) or "�" in text + own
        length = max(key[2] for key in alone.phrases[0].keys)
        inside = {
            token
            for key, token in zip(phrase.keys, phrase.tokens, strict=True)
            if 0 <= key[1] < key[2] <= length
        }
        assert inside <= {to for to, _ in pairs}  # all but space is overwritten
        total += len(pairs)
    assert equal >= 0.6 * total


def test_overwrite_spans_replaces_the_spans_alone() -> None:
    torch.manual_seed(0)
    master = torch.randn(1, 12, 4, dtype=torch.float16)
    phrase = torch.randn(1, 6, 4)
    kept = master.clone()
    result = overwrite_spans(master, [phrase, phrase], [((2, 0), (3, 1)), ()])
    assert torch.equal(master, kept) and result.dtype == master.dtype
    assert torch.equal(result[:, 2:4], phrase[:, :2].half())
    others = [i for i in range(12) if i not in (2, 3)]
    assert torch.equal(result[:, others], master[:, others])
    with pytest.raises(PromptError, match="wide"):
        overwrite_spans(master, [phrase[..., :2]], [((2, 0),)])
    with pytest.raises(PromptError, match="tokens long"):
        overwrite_spans(master, [phrase], [((2, 6),)])


def regions(n: int) -> RegionSet:
    return RegionSet(tuple(Region(Box(i / n, 0, (i + 1) / n, 1)) for i in range(n)))


def test_node_binds_and_overwrites() -> None:
    clip = clip_of("flux")
    prompt = "a red fox looks at a blue car in the snow"
    positive = [[torch.zeros_like(clip.encode(prompt)), {"regional_dit": "id"}]]
    lines = "a red fox\na blue car | car"
    out = BindPhrases.execute(clip, regions(2), positive, prompt, lines, True, 64)
    binding, encoded, picture, report = out.args
    changed = encoded[0][0][0].any(-1).nonzero()[:, 0].tolist()
    assert changed == [t for p in binding.phrases for t in p.tokens]
    assert encoded[0][1] == {"regional_dit": "id"} and not positive[0][0].any()
    assert picture.ndim == 4 and picture.shape[-1] == 3
    assert "1. 'a red fox': tokens 0-4; instance 3-4; attributes 2" in report
    plain = BindPhrases.execute(clip, regions(2), positive, prompt, lines, False, 64)
    assert torch.equal(plain.args[1][0][0], positive[0][0])


def test_node_takes_a_plan() -> None:
    clip = clip_of("flux")
    prompt = "a red circle and a dark blue square on black background"
    plan = Plan(
        prompt,
        regions=(
            RegionPlan("a circle on black background", "red", None, 1.0, 0, "circle", ("red",)),
            RegionPlan("a square", "dark blue", None, 1.0, 0, "square", ("dark blue",)),
        ),
    )
    positive = [[clip.encode(prompt), {}]]
    out = BindPhrases.execute(clip, regions(2), positive, prompt, "", False, 64, plan)
    assert [p.text for p in out.args[0].phrases] == ["red circle", "a dark blue square"]
    with pytest.raises(PromptError, match="both the phrases box and a plan"):
        BindPhrases.execute(clip, regions(2), positive, prompt, "a fox", False, 64, plan)
    with pytest.raises(PromptError, match="1 phrases for 2 regions"):
        BindPhrases.execute(clip, regions(2), positive, prompt, "red circle", False, 64)


def test_phrase_lines() -> None:
    lines = "a red car | car\n\n a cat | #2 \na dog | dog | #1\n"
    assert parse_phrase_lines(lines) == (
        Phrase("a red car", "car"),
        Phrase("a cat", occurrence=2),
        Phrase("a dog", "dog", occurrence=1),
    )
    for wrong, message in (
        ("", "no phrases"),
        ("| car", "Line 1"),
        ("a | b | c", "Line 1"),
        ("a | #x", "occurrence"),
        ("a | #0", "occurrence"),
    ):
        with pytest.raises(PromptError, match=message):
            parse_phrase_lines(wrong)
