"""Methods of the semantic benchmark, as data. A new rule is one more row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from semantic_scenes import Scene

Kind = Literal["merged", "masked", "rule"]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a picture of a scene.

    Attributes:
        name: in tables and result files; a changed setting needs another name.
        label: for a person.
        kind: "merged" = one prompt, no patch; "masked" = ComfyUI's own ConditioningSetMask, one
            conditioning per region; "rule" = the pack's patch.
        rule: class in ``attention.rules`` (kind "rule").
        settings: its fields.
        layers: first and last patched block; last -1 = what the rule asks for. None = no patch at
            all, the merged prompt.
    """

    name: str
    label: str
    kind: Kind = "rule"
    rule: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, int] = (0, -1)


DEFAULT = "couple-0.3"
"""The patch node's default."""

MAIN = (
    Method("merged", "merged prompt, no patch", "merged"),
    Method("setmask", "ComfyUI's ConditioningSetMask", "masked"),
    Method("couple-0.3", "couple, base ratio 0.3 (default)", rule="Couple",
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

JOINT_ATTENTION = (
    *MAIN[:2],
    Method("bind", "bind, release at 0.5", rule="Bind", settings={"release_at": 0.5}),
    Method("bind-1", "bind, release at 1", rule="Bind", settings={"release_at": 1.0}),
    Method("rpf", "rpf", rule="RegionalPromptingFlux"),
    Method("eligen", "eligen", rule="EliGen"),
    Method("bias", "bias", rule="Bias"),
)
"""For models with joint attention (``--model flux``)."""

GROUPS: dict[str, tuple[Method, ...]] = {
    "main": MAIN,
    "prefix": PREFIXES,
    "window": WINDOWS,
    "joint-attention": JOINT_ATTENTION,
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

    return method.kind != "rule" or hasattr(rules, method.rule)


def prepare(method: Method, scene: Scene, model: Any, clip: Any) -> tuple[Any, Any, Any]:
    """(model, positive, negative) for the sampler."""
    from regional_dit.nodes.prompts.conditioning import RegionalConditioning

    if method.kind == "merged":
        return model, encode(clip, scene.merged), encode(clip, "")
    if method.kind == "masked":
        return model, masked_conditioning(scene, clip), encode(clip, "")
    regional, positive, negative = call(
        RegionalConditioning,
        clip=clip,
        regions=scene.regions,
        prompts="\n".join(scene.prompts),
        global_prompt=scene.base,
    )
    return patched(method, model, regional), positive, negative


def patched(method: Method, model: Any, regional: Any) -> Any:
    from regional_dit.attention import rules
    from regional_dit.nodes.patching.patch import PatchCrossAttention

    rule = getattr(rules, method.rule)(**method.settings)
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
