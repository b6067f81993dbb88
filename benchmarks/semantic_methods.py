"""Methods of the semantic benchmark, as data. A new rule is one more row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from semantic_scenes import Scene

Kind = Literal["merged", "masked", "rule", "phrases"]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a picture of a scene.

    Attributes:
        name: in tables and result files; a changed setting needs another name.
        label: for a person.
        kind: "merged" = one prompt, no patch; "masked" = ComfyUI's own ConditioningSetMask, one
            conditioning per region; "rule" = the pack's patch; "phrases" = the same, the phrases of
            one merged prompt bound to their regions (Attention Specialty Tuning).
        rule: class in ``attention.rules`` (kinds "rule" and "phrases").
        settings: its fields.
        layers: first and last patched block; last -1 = what the rule asks for. None = no patch at
            all, the merged prompt.
        avoids: give each region a negative prompt that names the other regions' objects.
    """

    name: str
    label: str
    kind: Kind = "rule"
    rule: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, int] = (0, -1)
    avoids: bool = False


REFERENCES = {"hunyuan_dit": "couple-0.3", "flux": "bind-base-0.1"}
"""Demo model -> the method that the others are compared with. The patch node's default is base
ratio 0.1 since the results of the first were made."""

MAIN = (
    Method("merged", "merged prompt, no patch", "merged"),
    Method("setmask", "ComfyUI's ConditioningSetMask", "masked"),
    Method("couple-0.3", "couple, base ratio 0.3", rule="Couple",
           settings={"base_ratio": 0.3}),
    Method("couple-0.1", "couple, base ratio 0.1", rule="Couple", settings={"base_ratio": 0.1}),
    Method("rcac", "rcac (first half of the layers)", rule="RCAC"),
    Method("rcac-literal", "the paper's equation as printed", rule="RCACLiteral"),
    Method("joint", "joint", rule="Joint"),
    Method("omost", "omost", rule="Omost"),
    Method("dense", "dense", rule="Dense"),
    Method("rpg", "rpg", rule="RPG"),
    Method("larender", "larender", rule="LaRender"),
)  # fmt: skip

CROSS_EXTRA = (
    Method("couple-avoid", "couple 0.3, the other objects as negatives", rule="Couple",
           settings={"base_ratio": 0.3}, avoids=True),
)  # fmt: skip

DEMO_LAYERS = 8
_BARE: dict[str, Any] = {"rule": "Couple", "settings": {"base_ratio": 0.0}}
PREFIXES = (
    Method("first-0", "no layer", "merged"),
    *(
        Method(f"first-{k}", f"layers 0..{k - 1}", layers=(0, k - 1), **_BARE)
        for k in range(1, DEMO_LAYERS + 1)
    ),
)
"""The paper's ablation: the first k layers, so that depth grows with the count."""

WINDOWS = tuple(
    Method(f"window-{a}-{a + width - 1}", f"layers {a}..{a + width - 1}",
           layers=(a, a + width - 1), **_BARE)
    for width, step in ((2, 2), (4, 2))
    for a in range(0, DEMO_LAYERS - width + 1, step)
)  # fmt: skip
"""A window of constant width that slides: depth alone."""


def _bind(name: str, label: str, **settings: Any) -> Method:
    settings = {"base_ratio": 0.3, **settings}
    return Method(f"bind{name}", f"bind, {label}", rule="Bind", settings=settings)


JOINT_ATTENTION = (
    *MAIN[:2],
    _bind("-base-0.1", "base ratio 0.1 (default)", base_ratio=0.1),
    _bind("", "base ratio 0.3"),
    Method("rpf-0.1", "rpf, base ratio 0.1, single blocks by turns",
           rule="RegionalPromptingFlux",
           settings={"base_ratio": 0.1, "inject_steps": 5, "single_interval": 2}),
    Method("rpf-0.2", "rpf, base ratio 0.2, all blocks", rule="RegionalPromptingFlux",
           settings={"base_ratio": 0.2, "inject_steps": 5}),
    Method("rpf-0.2-first-10", "rpf, base ratio 0.2, all blocks, 10 steps",
           rule="RegionalPromptingFlux", settings={"base_ratio": 0.2, "inject_steps": 10}),
    Method("rpf-0.2-all", "rpf, base ratio 0.2, all blocks and steps",
           rule="RegionalPromptingFlux", settings={"base_ratio": 0.2, "inject_steps": 1000}),
    Method("eligen", "eligen", rule="EliGen"),
    Method("bias", "bias", rule="Bias"),
    Method("ast", "specialty tuning, additive", "phrases", "SpecialtyTuning"),
    Method("ast-exact", "specialty tuning, exact", "phrases", "SpecialtyTuning",
           {"form": "exact"}),
    Method("ast-text", "specialty tuning, additive, with regional text", "phrases",
           "SpecialtyTuning", {"regional_text": True}),
)  # fmt: skip
"""For models with joint attention (``--model flux``). The two published kinds of preset of rpf,
which inject in 10 of 24 steps, do so in 5 of 12; the third is for 24."""

BIND = (
    *(_bind(f"-release-{r:g}", f"release at {r:g}", release_at=r) for r in (0.3, 0.5, 0.7)),
    *(_bind(f"-base-{b:g}", f"base ratio {b:g}", base_ratio=b) for b in (0.0, 0.5)),
    _bind("-open", "no layer isolated", isolate_until=0.0),
    _bind("-half", "isolated until 0.5", isolate_until=0.5),
    _bind("-all", "all layers isolated until 0.2", isolated_layers=(0, 8)),
    Method(
        "bind-avoid",
        "bind, the other objects as negatives",
        rule="Bind",
        settings={"base_ratio": 0.3},
        avoids=True,
    ),
)
"""Settings of bind around base ratio 0.3, release at 1."""

RPF = tuple(
    Method(f"rpf-{base:g}-first-{steps}", f"rpf, base ratio {base:g}, first {steps} steps",
           rule="RegionalPromptingFlux", settings={"base_ratio": base, "inject_steps": steps})
    for base in (0.1, 0.3, 0.5) for steps in (2, 5, 12)
)  # fmt: skip
"""Regional Prompting for FLUX (arXiv 2411.02395): base ratio by injection steps, of 12."""

FLUX_LAYERS = 9
FLUX_PREFIXES = tuple(
    Method(
        f"bind-first-{k}",
        f"bind, layers 0..{k - 1}",
        rule="Bind",
        layers=(0, k - 1),
        settings={"base_ratio": 0.3},
    )
    for k in (2, 3, 5, 7, FLUX_LAYERS)
)
FLUX_WINDOWS = tuple(
    Method(f"bind-window-{a}-{a + 2}", f"bind, layers {a}..{a + 2}", rule="Bind",
           layers=(a, a + 2), settings={"base_ratio": 0.3})
    for a in range(0, FLUX_LAYERS - 2, 3)
)  # fmt: skip
"""Three double blocks, then six single ones."""

GROUPS: dict[str, tuple[Method, ...]] = {
    "main": MAIN,
    "cross-extra": CROSS_EXTRA,
    "prefix": PREFIXES,
    "window": WINDOWS,
    "joint-attention": JOINT_ATTENTION,
    "bind-settings": BIND,
    "rpf-settings": RPF,
    "flux-prefix": FLUX_PREFIXES,
    "flux-window": FLUX_WINDOWS,
}
LABELS = {method.name: method.label for group in GROUPS.values() for method in group}
"""Method -> what a person reads; in the order of the tables."""


def find_methods(names: list[str]) -> list[Method]:
    """Methods by the names of groups or of single methods, in order.

    Raises:
        SystemExit: an unknown name; the text lists the known ones.
    """
    single = {m.name: m for group in GROUPS.values() for m in group}
    found: list[Method] = []
    for name in names:
        if name not in GROUPS and name not in single:
            known = ", ".join([*GROUPS, *single])
            raise SystemExit(f"There is no method {name!r}. There are: {known}")
        found += GROUPS.get(name) or (single[name],)
    return found


def is_available(method: Method) -> bool:
    """Whether this version of the pack has the method's rule."""
    from regional_dit.attention import rules

    return not method.rule or hasattr(rules, method.rule)


def prepare(method: Method, scene: Scene, model: Any, clip: Any) -> tuple[Any, Any, Any]:
    """(model, positive, negative) for the sampler."""
    from regional_dit.nodes.prompts.conditioning import RegionalConditioning

    if method.kind == "merged":
        return model, encode(clip, scene.merged), encode(clip, "")
    if method.kind == "masked":
        return model, masked_conditioning(scene, clip), encode(clip, "")
    prompt = scene.sentence if method.kind == "phrases" else scene.base
    regional, positive, negative = call(
        RegionalConditioning,
        clip=clip,
        regions=scene.regions,
        prompts="\n".join(scene.prompts),
        global_prompt=prompt,
        negative_prompts="\n".join(others(scene)) if method.avoids else "",
    )
    bound = {}
    if method.kind == "phrases":
        bound["binding"], positive = bind(scene, clip, positive)
    return patched(method, model, regional, bound), positive, negative


def others(scene: Scene) -> list[str]:
    """For each region, the objects of all the others."""
    return [", ".join(p for p in scene.phrases if p != phrase) for phrase in scene.phrases]


def bind(scene: Scene, clip: Any, positive: Any) -> tuple[Any, Any]:
    """Phrases of the sentence, one per region, and the sampler's positive."""
    from regional_dit.nodes.prompts.phrases import BindPhrases

    inputs = {"clip": clip, "regions": scene.regions, "positive": positive}
    found = call(BindPhrases, prompt=scene.sentence, phrases="\n".join(scene.phrases), **inputs)
    return found[0], found[1]


def patched(method: Method, model: Any, regional: Any, bound: dict[str, Any]) -> Any:
    from regional_dit.attention import rules
    from regional_dit.nodes.patching.patch import PatchCrossAttention

    rule = getattr(rules, method.rule)(**bound, **method.settings)
    first, last = method.layers
    return call(
        PatchCrossAttention,
        model=model,
        regional=regional,
        first_layer=first,
        last_layer=last,
        rule=rule,
    )[0]


def call(node: Any, **inputs: Any) -> tuple[Any, ...]:
    """A node's outputs, with its own defaults for the inputs that are not given."""
    declared = node.define_schema().inputs
    defaults = {i.id: i.default for i in declared if getattr(i, "default", None) is not None}
    return node.execute(**{**defaults, **inputs}).args


def encode(clip: Any, text: str) -> Any:
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def masked_conditioning(scene: Scene, clip: Any) -> Any:
    """Each region's prompt under its mask, the background prompt under what is left over."""
    host_nodes = import_module("nodes")  # ComfyUI's, not the pack's folder of that name
    masks = scene.regions.masks(64, 64)
    pairs = [(p, m) for p, m in zip(scene.prompts, masks, strict=True)]
    rest = (1 - masks.sum(0)).clamp(0, 1)
    if float(rest.max()) > 0.01:
        pairs.append((scene.base, rest))
    combined: Any = []
    for prompt, mask in pairs:
        conditioning = encode(clip, prompt)
        combined += host_nodes.ConditioningSetMask().append(conditioning, mask, "default", 1.0)[0]
    return combined
