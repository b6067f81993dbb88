"""A LoRA file's adapters, read by the host's own key maps and classes, as deltas of layers.

The host knows which names a file may use for which weight (kohya, diffusers, BFL, PEFT, LyCORIS)
and what each kind of adapter holds; both are asked, not repeated. What cannot be a delta of a
layer's output is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import comfy.lora
import comfy.lora_convert
import comfy.weight_adapter as host
import torch

from ..errors import RegionalError
from .delta import Bias, Delta, Dora, Full, Glora, Kronecker, LowRank, Op, Sliced

PREFIX = "diffusion_model."
_OF_TEXT = ("lora_te", "text_encoder", "te", "clip")  # names of the text encoder's part
Rows = Callable[[torch.Tensor], torch.Tensor] | None  # what the host does to a delta's rows


class Site:
    """One layer of the network that can have a delta."""

    def __init__(self, name: str, module: Any) -> None:
        self.name = name
        if hasattr(module, "in_features") and hasattr(module, "out_features"):
            self.op = Op()
            self.shape: tuple[int, ...] = (module.out_features, module.in_features)
        elif hasattr(module, "kernel_size") and not getattr(module, "transposed", False):
            self.op = Op((module.stride, module.padding, module.dilation, module.groups))
            channels = module.out_channels, module.in_channels // module.groups
            self.shape = (*channels, *module.kernel_size)
        else:
            raise RegionalError(
                f"it changes {name}, a {type(module).__name__}, which is neither a linear layer "
                "nor a convolution"
            )

    @property
    def keeps_size(self) -> bool:
        """Whether it is a convolution that gives as many places as it gets, as in UNets."""
        return self.op.settings is not None and set(self.op.settings[0]) == {1}

    @property
    def n_inputs(self) -> int:
        return self.shape[1]


def read(tensors: Mapping[str, torch.Tensor], keys: dict[Any, Any]) -> dict[Any, Any]:
    """The host's patches by weight, as its LoRA loaders make them; none if no name fits."""
    converted = comfy.lora_convert.convert_lora(dict(tensors))
    return comfy.lora.load_lora(converted, keys, log_missing=False)


def unet_deltas(
    model: Any, tensors: Mapping[str, torch.Tensor], name: str
) -> dict[str, tuple[tuple[Site, Delta], ...]]:
    """Deltas by the name of the layer within the network.

    Args:
        model: ComfyUI's BaseModel.
        tensors: of the file.
        name: of the file, for messages.

    Raises:
        RegionalError: something in the file cannot be routed to tokens; says what, and why.
    """
    modules = dict(model.diffusion_model.named_modules())
    patches = read(tensors, comfy.lora.model_lora_keys_unet(model, {}))
    if not patches and not any(key.startswith(_OF_TEXT) for key in tensors):
        some = ", ".join(list(tensors)[:3])
        raise RegionalError(
            f"No tensor of {name} belongs to this model (it holds {some} ...). It was made for "
            "another model: choose a LoRA of this one."
        )
    found: dict[str, list[tuple[Site, Delta]]] = {}
    for target, patch in patches.items():
        # (weight, part of it, what to do to its rows), of which the last two may be left out
        parts: tuple[Any, ...] = target if isinstance(target, tuple) else (target,)
        key = str(parts[0])
        offset, rows = (*parts[1:], None, None)[:2]
        try:
            layer, _, kind = key.removeprefix(PREFIX).rpartition(".")
            if layer not in modules or kind not in ("weight", "bias"):
                raise RegionalError(f"it changes {key}, which is no layer's weight or bias")
            site = Site(layer, modules[layer])
            delta = delta_of(site, patch, offset, rows, bias=kind == "bias")
        except RegionalError as error:
            raise RegionalError(
                f"{name} cannot be used for single regions: {error}. Load it for the whole picture "
                "with a LoRA loader instead, or choose another file."
            ) from None
        found.setdefault(layer, []).append((site, delta))
    return {layer: tuple(deltas) for layer, deltas in found.items()}


def delta_of(site: Site, patch: Any, offset: Any, rows: Rows, *, bias: bool) -> Delta:
    """The delta of one of the host's patches.

    Args:
        site: the layer.
        patch: the host's adapter, or its ("diff", (tensor,)).
        offset: (axis, first, number) of the part of the weight that is meant, None for all.
        rows: what the host does to the rows of the delta; such as swapping their halves.
        bias: whether the patch is of the bias.
    """
    shape = list(site.shape[:1] if bias else site.shape)
    inputs = outputs = None
    if offset is not None:
        axis, first, number = offset
        if first + number > shape[axis]:
            raise RegionalError(
                f"it changes {first} to {first + number} of {site.name}, which has {shape[axis]}"
            )
        shape[axis] = number
        inputs, outputs = [(first, number) if axis == i else None for i in (1, 0)]
    if isinstance(patch, host.WeightAdapterBase):
        if bias:
            raise RegionalError(f"it has a {patch.name} adapter for the bias of {site.name}")
        delta = _from_adapter(site, patch, tuple(shape), rows or (lambda t: t), offset)
    else:
        delta = _from_difference(site, patch, tuple(shape), rows or (lambda t: t), bias)
    if inputs is None and outputs is None:
        return delta
    return Sliced(delta, inputs, outputs)


def _from_difference(
    site: Site, patch: Any, shape: tuple[int, ...], rows: Callable[..., Any], bias: bool
) -> Delta:
    kind, values = patch if len(patch) == 2 else ("diff", patch)
    if kind != "diff":
        raise RegionalError(f"it replaces {site.name} ({kind}) and adds nothing to it")
    if tuple(values[0].shape) != shape:
        raise RegionalError(
            f"its change of {site.name} is {tuple(values[0].shape)}, but the layer has {shape}"
        )
    change = rows(values[0])
    return Bias(site.op, change) if bias else Full(site.op, change)


def _from_adapter(
    site: Site, adapter: Any, shape: tuple[int, ...], rows: Callable[..., Any], offset: Any
) -> Delta:
    make = _MAKERS.get(adapter.name)
    if make is None:
        raise RegionalError(
            f"the {adapter.name.upper()} adapter of {site.name} turns the weight itself; supported "
            f"are {', '.join(sorted(name.upper() for name in _MAKERS))} and DoRA"
        )
    delta, dora_scale = make(site.op, adapter.weights, shape, rows)
    if dora_scale is None:
        return delta
    if site.op.settings is not None or (offset is not None and offset[0] == 1):
        raise RegionalError(f"the DoRA scale of {site.name} is not on a whole linear layer")
    by_output = dora_scale.shape[0] == shape[0]
    # The host computes in float32 whatever the weight's dtype; its eps is the weight's own.
    return Dora(site.op, delta, dora_scale.flatten(), by_output, torch.finfo(torch.float32).eps)


def _lora(op: Op, weights: Any, shape: tuple[int, ...], rows: Any) -> tuple[Delta, Any]:
    up, down, alpha, middle, dora_scale, reshape = weights
    if reshape is not None:
        raise RegionalError(f"it makes a layer larger, to {reshape}")
    scale = 1.0 if alpha is None else alpha / down.shape[0]
    if middle is not None:  # LoCon with a middle part: as the host multiplies it out
        final = (down.shape[1], down.shape[0], *middle.shape[2:])
        product = down.transpose(0, 1).flatten(1) @ middle.transpose(0, 1).flatten(1)
        down = product.reshape(final).transpose(0, 1)
    return _low_rank(op, down.flatten(1), up.flatten(1), scale, shape, rows), dora_scale


def _low_rank(
    op: Op, down: torch.Tensor, up: torch.Tensor, scale: float, shape: tuple[int, ...], rows: Any
) -> Delta:
    """From down [r, in ...] and up [out, r], flattened."""
    if up.shape[0] != shape[0] or down.shape[1] != torch.Size(shape[1:]).numel():
        raise RegionalError(
            f"its factors {tuple(up.shape)} and {tuple(down.shape)} do not fit a layer of {shape}"
        )
    up = rows(up) * scale
    if (op.settings is not None and op.settings[-1] != 1) or _is_large(down, up):
        return Full(op, (up.float() @ down.float()).reshape(shape))
    return LowRank(op, down.reshape(-1, *shape[1:]), up)


def _is_large(down: torch.Tensor, up: torch.Tensor) -> bool:
    """Whether the factors hold more numbers than their product."""
    return down.numel() + up.numel() > down.shape[1] * up.shape[0]


def _loha(op: Op, weights: Any, shape: tuple[int, ...], rows: Any) -> tuple[Delta, Any]:
    w1a, w1b, alpha, w2a, w2b, t1, t2, dora_scale = weights
    scale = 1.0 if alpha is None else alpha / w1b.shape[0]
    if t1 is not None:
        parts = [
            torch.einsum("i j k l, j r, i p -> p r k l", t.float(), b.float(), a.float())
            for t, b, a in ((t1, w1b, w1a), (t2, w2b, w2a))
        ]
        return Full(op, rows((parts[0] * parts[1]).reshape(shape)) * scale), dora_scale
    up = (w1a[:, :, None] * w2a[:, None]).flatten(1)  # (A B) * (C D), column by column
    down = (w1b[:, None] * w2b[None]).flatten(0, 1)
    return _low_rank(op, down, up, scale, shape, rows), dora_scale


def _lokr(op: Op, weights: Any, shape: tuple[int, ...], rows: Any) -> tuple[Delta, Any]:
    w1, w2, alpha, w1_a, w1_b, w2_a, w2_b, t2, dora_scale = weights
    rank = None
    if w1 is None:
        rank, w1 = w1_b.shape[0], w1_a.float() @ w1_b.float()
    if w2 is None:
        rank = w2_b.shape[0]
        if t2 is None:
            w2 = w2_a.float() @ w2_b.float()
        else:
            w2 = torch.einsum(
                "i j k l, j r, i p -> p r k l", t2.float(), w2_b.float(), w2_a.float()
            )
    scale = 1.0 if alpha is None or rank is None else alpha / rank
    plain = torch.equal(rows(torch.arange(shape[0])), torch.arange(shape[0]))
    if op.settings is None and w2.ndim == 2 and plain:
        return Kronecker(w1 * scale, w2), dora_scale
    if w2.ndim == 4:
        w1 = w1[:, :, None, None]
    return Full(op, rows(torch.kron(w1.float(), w2.float()).reshape(shape)) * scale), dora_scale


def _glora(op: Op, weights: Any, shape: tuple[int, ...], rows: Any) -> tuple[Delta, Any]:
    a1, a2, b1, b2 = weights[:4]
    alpha, dora_scale = weights[4:]
    old = b2.shape[1] == b1.shape[0] == a1.shape[0] == a2.shape[1]
    rank = a1.shape[0]
    new = b2.shape[0] == b1.shape[1] == a1.shape[1] == a2.shape[0]
    if new and not (old and a2.shape[0] == shape[0] == shape[1]):
        old, rank = False, a2.shape[0]
    scale = 1.0 if alpha is None else alpha / rank
    if not torch.equal(rows(torch.arange(shape[0])), torch.arange(shape[0])):
        raise RegionalError("its GLORA adapter is for a layer whose rows the host reorders")
    a1, a2, b1, b2 = (t.flatten(1) for t in weights[:4])
    if old:
        if torch.Size(shape[2:]).numel() != 1:
            raise RegionalError("its GLORA adapter is of the old kind, on a convolution")
        a1, a2, b1, b2 = a2, a1, b2, b1
    added = _low_rank(op, b2, b1, scale, shape, rows)
    return Glora(op, a1, a2, added, scale), dora_scale


_MAKERS: dict[str, Callable[..., tuple[Delta, Any]]] = {
    "lora": _lora,
    "loha": _loha,
    "lokr": _lokr,
    "glora": _glora,
}
