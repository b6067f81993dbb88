"""Attention backends, torch.compile, precisions and interrupted runs of the joint families."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from typing import Any

import comfy.ldm.modules.attention as host_attention
import comfy.model_management
import comfy.model_patcher
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfy_extras.nodes_torch_compile import TorchCompileModel
from host_features import outputs
from regional_dit.attention.rules import Rule
from regional_models import is_pristine
from tiny_joint_case import BASE, HARD, LEFT, RIGHT, STRONG, Case, host, shallow_case, shared_case
from torch._dynamo.utils import counters

OVERRIDE = "optimized_attention_override"


@pytest.fixture(scope="module", params=["Flux", "SD3"])
def case(request):
    return shared_case(request.param)


class Backend:
    """Stands where SageAttention or flash attention would: notes each call, then computes it."""

    def __init__(self) -> None:
        self.masks: list[Any] = []
        self.lengths: set[tuple[int, int]] = set()
        self.function = host_attention.wrap_attn(self._attention)

    def _attention(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, mask: Any = None, **kw
    ) -> torch.Tensor:
        kw.pop("transformer_options", None)
        self.masks.append(mask)
        dim = 2 if kw.get("skip_reshape") else 1
        self.lengths.add((q.shape[dim], k.shape[dim]))
        return host_attention.attention_pytorch(q, k, v, heads, mask=mask, **kw)


def as_flag(backend: Backend, name: str, monkeypatch: Any, model: Any) -> Any:
    """As the host's --use-sage-attention and --use-flash-attention do: it becomes the function
    that every model file imported."""
    monkeypatch.setitem(host_attention.REGISTERED_ATTENTION_FUNCTIONS, name, backend.function)
    chosen = host_attention.get_attention_function(name)
    previous = host_attention.optimized_attention
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("comfy.ldm") and hasattr(module, "optimized_attention"):
            monkeypatch.setattr(module, "optimized_attention", chosen)
    assert previous is not chosen
    return model


def as_override(backend: Backend, name: str, monkeypatch: Any, model: Any) -> Any:
    """As node packs do that choose the backend per model."""
    monkeypatch.setitem(host_attention.REGISTERED_ATTENTION_FUNCTIONS, name, backend.function)
    chosen = host_attention.get_attention_function(name)

    def override(func: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        return chosen(*args, **kwargs)

    model = model.clone()
    model.model_options["transformer_options"][OVERRIDE] = override
    return model


@cache
def regional(case: Case, rule: Rule) -> torch.Tensor:
    """With the host's own attention."""
    return case.sample(case.patch(case.model, [LEFT, RIGHT], rule))


@pytest.mark.parametrize("name", ["sage", "flash", "xformers"])
@pytest.mark.parametrize("choose", [as_flag, as_override])
@pytest.mark.parametrize("rule", [HARD, STRONG], ids=["hard", "soft"])
def test_no_mask_reaches_the_backend(case, rule, choose, name, monkeypatch):
    """The backend sees every group of queries, and never a mask."""
    expected = regional(case, rule)
    backend = Backend()
    model = choose(backend, name, monkeypatch, case.model)
    out = case.sample(case.patch(model, [LEFT, RIGHT], rule))
    assert len(backend.masks) > 2 * case.tiny.n_layers  # several groups in each layer
    assert all(mask is None for mask in backend.masks)
    n_text = case.tiny.text_length
    n_image = 8 * 6
    whole = 3 * n_text + n_image
    assert all(keys < whole for _, keys in backend.lengths)  # no call over the whole sequence
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def test_an_override_of_another_pack_is_chained(case):
    """Ours calls it for every group, so its effect is that of the stock run."""

    def weaker(func: Any, q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        seen.append(kwargs.get("mask"))
        return func(q, k, v * 0.8, *args, **kwargs)

    seen: list[Any] = []
    model = case.model.clone()
    model.model_options["transformer_options"][OVERRIDE] = weaker
    plain = case.sample(case.model)
    left = case.conds(LEFT)[0]
    wanted = case.sample(model, left)
    assert (wanted - plain).abs().max() > 1e-3
    seen.clear()
    out = case.sample(case.patch(model, [LEFT], HARD))
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)
    assert seen and all(mask is None for mask in seen)
    assert model.model_options["transformer_options"][OVERRIDE] is weaker


@pytest.mark.parametrize(
    ("family", "order"),
    [("Flux", "compile last"), ("Flux", "compile first"), ("Z-Image", "compile last")],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_torch_compile_node(family, order):
    """Backend "eager": the graph is captured, with PyTorch's own kernels. It is captured once, and
    not broken for the regions. One step, twice. Z-Image refines, pads and numbers each text."""
    case = shallow_case(family)

    def compiled(model: Any) -> Any:
        return outputs(TorchCompileModel, model, "eager")[0]

    def patched(model: Any) -> Any:
        return case.patch(model, [LEFT, RIGHT])

    expected = case.sample(patched(case.model), steps=1)
    steps = [patched, compiled] if order == "compile last" else [compiled, patched]
    torch._dynamo.reset()
    counters.clear()
    try:
        model = steps[1](steps[0](case.model))
        out = case.sample(model, steps=1)
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
        graphs = counters["stats"]["unique_graphs"]
        assert graphs == 1 and not counters["graph_break"]
        torch.testing.assert_close(case.sample(model, steps=1), out, atol=1e-5, rtol=1e-5)
        assert counters["stats"]["unique_graphs"] == graphs
    finally:
        torch._dynamo.reset()
    assert is_pristine(case.model)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_torch_compile_broken_inside_of_blocks():
    """HiDream's experts break the graph in each block. What is compiled then is a part of a block,
    for all of its kind, and newer ComfyUI keeps torch.compile from looking at what differs in
    ``transformer_options``."""

    def looked_at(guards: Any) -> list[bool]:
        return ["transformer_options" not in guard.name for guard in guards]

    case = shallow_case("HiDream")
    model = case.patch(case.model, [LEFT, RIGHT])
    expected = case.sample(model, steps=1)
    compiled = model.clone()
    set_torch_compile_wrapper(compiled, "eager", options={"guard_filter_fn": looked_at})
    torch._dynamo.reset()
    counters.clear()
    try:
        out = case.sample(compiled, steps=1)
    finally:
        torch._dynamo.reset()
    assert counters["graph_break"]
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


def stored_as(case: Any, dtype: torch.dtype, compute: torch.dtype | None) -> Any:
    """The same weights kept as ``dtype`` and computed in ``compute``, as the host loads them."""
    base = case.tiny.build()
    config = base.model_config
    config.set_inference_dtype(dtype, compute)
    model = type(base)(config, device="cpu")
    weights = {k: v.to(dtype) for k, v in case.model.model.diffusion_model.state_dict().items()}
    model.diffusion_model.load_state_dict(weights)
    device = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, device, device)


@pytest.mark.parametrize(
    ("dtype", "compute"),
    [
        (torch.bfloat16, None),
        (torch.float16, None),
        (torch.float8_e4m3fn, torch.float32),
        (torch.float8_e4m3fn, torch.bfloat16),
        (torch.float8_e5m2, torch.bfloat16),
    ],
    ids=["bf16", "fp16", "fp8", "fp8-bf16", "fp8e5-bf16"],
)
def test_weights_in_low_precision(case, dtype, compute):
    low = stored_as(case, dtype, compute)
    assert next(low.model.diffusion_model.parameters()).dtype == dtype
    out = case.sample(case.patch(low, [LEFT, RIGHT]))
    stock = case.sample(low)
    assert out.isfinite().all() and (out - stock).abs().max() > 1e-2
    # One full region is the stock run with its text, as far as the precision reaches.
    wanted = case.sample(low, case.conds(LEFT)[0])
    close = 1e-3 if compute == torch.float32 else 0.1
    one = case.sample(case.patch(low, [LEFT], HARD))
    assert (one - wanted).abs().mean() < close
    assert (wanted - stock).abs().mean() > 3 * (one - wanted).abs().mean()
    if compute is None:  # the patch adds no more rounding than the precision costs anyhow
        exact = case.sample(case.patch(case.model, [LEFT, RIGHT]))
        rounding = (stock - case.sample(case.model)).abs().mean()
        assert (out - exact).abs().mean() < 3 * rounding + 1e-3


@contextmanager
def failing(module: Any, after: int):
    """The module's forward raises at its call number ``after``."""
    calls = []
    forward = module.forward

    def fail(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == after:
            raise RuntimeError("out of memory, say")
        return forward(*args, **kwargs)

    module.forward = fail
    try:
        yield
    finally:
        del module.forward


def interrupting(model: Any, after: int) -> Any:
    calls = []
    model = model.clone()

    def stop(executor: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        out = executor(*args, **kwargs)
        if len(calls) == after:
            raise comfy.model_management.InterruptProcessingException
        return out

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "stop", stop)
    return model


def test_an_interrupted_run_leaves_nothing_behind(case):
    stock = case.sample(case.model)
    expected = case.sample(case.patch(case.model, [LEFT, RIGHT]))
    patched = case.patch(case.model, [LEFT, RIGHT])
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        case.sample(interrupting(patched, 2), steps=4)
    assert is_pristine(case.model)
    network = case.model.model.diffusion_model
    blocks = getattr(network, "joint_blocks", None) or network.single_blocks
    with failing(blocks[1], 2), pytest.raises(RuntimeError, match="out of memory"):
        case.sample(patched, steps=4)
    assert is_pristine(case.model)
    assert torch.equal(case.sample(case.model), stock)
    assert torch.equal(case.sample(patched), expected)


def test_base_prompt_of_another_length_than_the_regions(case):
    """The global prompt may be joined from two encodes (Conditioning Concat)."""
    positive, _ = case.conds()
    more = case.tiny.conditioning(15, 9)
    longer = host.ConditioningConcat().concat(positive, more)[0]
    out = case.sample(case.patch(case.model, [BASE, RIGHT]), longer)
    stock = case.sample(case.model, longer)
    assert out.isfinite().all() and (out - stock).abs().max() > 1e-3
