"""One layer of joint attention with regions on the device, and the same by one dense mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .calls import GRIDS

BASE_TEXT = 512


@dataclass(frozen=True)
class Layer:
    """Queries, keys and values of a whole sequence, and who sees whom.

    Attributes:
        q, k, v: [1, H, S, D].
        ours: a function without arguments, by the pack's pieces: [1, S, C].
        bias: [S, S] added to the scores, -inf where nothing is seen; float32.
        asks: [S] whether a token asks at all (padding does not).
    """

    q: Any
    k: Any
    v: Any
    ours: Callable[[], Any]
    bias: Any
    asks: Any


def layer_rules() -> dict[str, tuple[Any, str]]:
    """(rule, phase) by name."""
    from regional_dit.attention.rules import Bind, BlockKinds, EliGen

    blocks = BlockKinds(57, 19, takes_stream=True)
    return {
        "bind": (Bind(0.3, 0.0, 1.0).fitted(blocks), "open"),
        "bind hard": (Bind(0.0, 0.0, 1.0).fitted(blocks), "open"),
        "bind isolated": (Bind().fitted(blocks), "isolated"),
        "eligen": (EliGen(), "always"),
    }


def make(
    name: str, n: int, side: int, text: int, heads: int, width: int, dtype: Any, device: Any
) -> Layer:
    """A layer by the rule of that name with n regions on side x side image tokens."""
    import torch
    from regional_dit.attention.calls.call_plan import CallPlan, LayerJob, TextStates
    from regional_dit.attention.canvas.split import split_canvas
    from regional_dit.attention.canvas.tokens import TokenGrid
    from regional_dit.attention.engine.groups import groups_to
    from regional_dit.attention.engine.partial import WithLse
    from regional_dit.attention.joint.call import joint_call
    from regional_dit.attention.joint.context import Layout
    from regional_dit.attention.joint.places import places_of

    rule, phase = layer_rules()[name]
    size = 2 * side
    grid = TokenGrid(side, side, 2, size, size, 0, 0, size, size)
    groups = groups_to(rule.groups(split_canvas(*GRIDS[n]), grid, phase), device, dtype)
    # Unlike lengths, as of real prompts.
    texts = tuple(TextStates(r, max(1, text - 8 * (r % 3))) for r in range(n))
    rows = slice(0, 1)
    plan = CallPlan((rows,), {0: (LayerJob(rows, grid, groups, texts),)})
    call = joint_call(plan, (BASE_TEXT,), lambda states: (states,))
    image = call.n_text, call.n_text + grid.n_tokens
    layout = Layout(lambda spans: spans, image=(image,))
    places = places_of(call, 0, image[1], lambda _end: layout, device)
    if places is None:
        raise AssertionError("the benchmark's own layout is refused")
    generator = torch.Generator(device).manual_seed(0)
    q, k, v = (
        torch.randn(1, heads, image[1], width, device=device, dtype=dtype, generator=generator)
        for _ in range(3)
    )
    partial = WithLse()

    def ours() -> Any:
        return places.attend(0, q, k, v, host_attention, partial)

    bias = dense_bias(groups, places.layouts[0][0], image[1])
    asks = (bias > float("-inf")).any(1)
    return Layer(q, k, v, ours, bias.to(device), asks.to(device))


def host_attention(q: Any, k: Any, v: Any) -> Any:
    """ComfyUI's own function: [1, H, T, D] -> [1, T, C]."""
    import comfy.ldm.modules.attention as attention

    return attention.optimized_attention(q, k, v, q.shape[1], skip_reshape=True)


def dense_bias(groups: Any, layout: Any, n_tokens: int) -> Any:
    """The groups as one mask [S, S] over the whole sequence, float32 on the CPU."""
    import torch

    bias = torch.full((n_tokens, n_tokens), float("-inf"))
    for group in groups:
        rows = layout.positions(group.source)
        rows = rows if group.queries is None else rows[group.queries.cpu()]
        for block in group.blocks:
            columns = layout.key_positions([block])
            seen = rows if block.queries is None else rows[block.queries.cpu()]
            weight = torch.zeros(1) if block.log_weight is None else block.log_weight.cpu().float()
            value = weight.expand(len(seen))[:, None].expand(-1, len(columns))
            bias[seen[:, None], columns[None]] = value
    return bias
