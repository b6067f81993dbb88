"""What newer hosts do with a model: backends per model, quantised weights, several devices.

A host without one of them skips its test in words.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import comfy.ldm.modules.attention as host_attention
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import pytest
import regional_models
import tiny_hunyuan
import torch
from comfy.patcher_extension import WrappersMP
from regional_models import is_pristine
from tiny_joint_case import BASE, HARD, LEFT, RIGHT, shared_case

INT8 = "int8_tensorwise"


@pytest.fixture(scope="module", params=["Flux", "SD3"])
def case(request):
    return shared_case(request.param)


# --- ModelAttentionBackend: the attention of one model


def backends() -> list[str]:
    """Functions that this host knows by name; on a CPU those without kernels of their own."""
    return list(getattr(host_attention, "REGISTERED_ATTENTION_FUNCTIONS", ()))


@pytest.mark.parametrize("name", backends())
@pytest.mark.parametrize("patched_first", [False, True], ids=["backend first", "patch first"])
def test_every_registered_attention_of_one_model(case, name, patched_first):
    if not hasattr(comfy.model_patcher.ModelPatcher, "set_model_optimized_attention"):
        pytest.skip("this host chooses one attention for all models")
    calls: list[tuple[int, ...]] = []
    function = host_attention.get_attention_function(name)

    def counted(q: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        calls.append(tuple(q.shape))
        assert kwargs.get("mask") is None
        return function(q, *args, **kwargs)

    def with_backend(model: Any) -> Any:
        model = model.clone()
        model.set_model_optimized_attention(counted)
        return model

    def with_regions(model: Any) -> Any:
        return case.patch(model, [LEFT, RIGHT], HARD)

    wanted = case.sample(with_regions(case.model))
    steps = (with_regions, with_backend) if patched_first else (with_backend, with_regions)
    model = case.model
    for step in steps:
        model = step(model)
    torch.testing.assert_close(case.sample(model), wanted, atol=1e-4, rtol=1e-4)
    assert len(calls) > 2 * case.tiny.n_layers, "the groups of every layer went through it"


def test_the_node_that_chooses_an_attention(case):
    nodes = pytest.importorskip("comfy_extras.nodes_model_advanced")
    if not hasattr(nodes, "ModelAttentionBackend"):
        pytest.skip("no ModelAttentionBackend in this ComfyUI")
    model, *_ = nodes.ModelAttentionBackend().patch(case.model, "pytorch attention")
    out = case.sample(case.patch(model, [LEFT, RIGHT], HARD))
    wanted = case.sample(case.patch(case.model, [LEFT, RIGHT], HARD))
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)


# --- MultiGPU CFG Split: a network for each device, called from threads of their own


def split_over_two(monkeypatch: Any, model: Any, loader: Callable[[], Any]) -> Any:
    """The host's node, with the CPU taken for two devices by its two names."""
    split = pytest.importorskip("comfy_extras.nodes_multigpu", reason="no MultiGPU in this ComfyUI")
    devices = [model.load_device, torch.device("cpu", 0)]
    monkeypatch.setattr(
        comfy.model_management, "get_all_torch_devices", lambda exclude_current=False: devices
    )
    # The node stumbles over a loaded model whose patcher has ended, as those of other tests have.
    monkeypatch.setattr(comfy.model_management, "current_loaded_models", [])
    model = model.clone()
    model.cached_patcher_init = (loader, ())
    return split.MultiGPUCFGSplitNode.execute(model, 2).args[0]


def watched(model: Any, seen: set[tuple[int, bool]]) -> Any:
    """Notes which thread called the model, and whether its network was patched then."""
    model = model.clone()

    def spy(executor: Any, *args: Any, **kwargs: Any) -> Any:
        network = executor.class_obj
        swapped = any("forward" in module.__dict__ for module in network.modules())
        options = args[5] if len(args) > 5 else kwargs["transformer_options"]
        patched = swapped or "optimized_attention_override" in options
        seen.add((threading.get_ident(), patched))
        return executor(*args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "spy", spy)
    return model


@pytest.mark.parametrize("patched_first", [False, True], ids=["split first", "patch first"])
def test_joint_attention_over_two_devices(case, monkeypatch, patched_first):
    wanted = case.sample(case.patch(case.model, [LEFT, RIGHT]))
    if patched_first:
        patched = case.patch(case.model, [LEFT, RIGHT])
        model = split_over_two(monkeypatch, patched, case.tiny.model)
    else:
        model = split_over_two(monkeypatch, case.model, case.tiny.model)
        model = case.patch(model, [LEFT, RIGHT])
    seen: set[tuple[int, bool]] = set()
    out = case.sample(watched(model, seen))
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)
    assert len({thread for thread, _ in seen}) == 2, "one thread for each device"
    assert is_pristine(case.model)


def test_cross_attention_over_two_devices(model, monkeypatch):
    def run(model: Any) -> torch.Tensor:
        negative = tiny_hunyuan.conditioning(regional_models.NEGATIVE)
        return tiny_hunyuan.run_ksampler(model, regional_models.positive(), negative)

    wanted = run(regional_models.patched(model))
    split = split_over_two(monkeypatch, model, tiny_hunyuan.tiny_hunyuan)
    seen: set[tuple[int, bool]] = set()
    out = run(watched(regional_models.patched(split), seen))
    torch.testing.assert_close(out, wanted, atol=1e-4, rtol=1e-4)
    assert {patched for _, patched in seen} == {False, True}, "of the positive's alone"
    assert is_pristine(model)


# --- quantised weights, which the newest templates load


def quantised(sd: dict[str, torch.Tensor], **params: Any) -> dict[str, torch.Tensor]:
    """The state dict with the blocks' matrices in int8, as the host's files have them."""
    from comfy.quant_ops import QuantizedTensor

    out: dict[str, torch.Tensor] = {}
    conf = torch.tensor(list(json.dumps({"format": INT8, **params}).encode()), dtype=torch.uint8)
    for key, value in sd.items():
        if "_blocks." not in key or value.ndim != 2:
            out[key] = value
            continue
        small = QuantizedTensor.from_float(
            value.clone(), "TensorWiseINT8Layout", per_channel=bool(params), **params
        )
        out.update(small.state_dict(key))
        out[key.removesuffix("weight") + "comfy_quant"] = conf
    return out


@pytest.mark.parametrize(
    "params", [{}, {"convrot": True, "convrot_groupsize": 16}], ids=["int8", "int8 convrot"]
)
def test_quantised_weights(monkeypatch, params):
    """A region acts on int8 weights as its prompt does alone, and costs no more than they do."""
    ops = pytest.importorskip("comfy.quant_ops", reason="no quantised weights in this ComfyUI")
    if INT8 not in getattr(ops, "QUANT_ALGOS", {}):
        pytest.skip("no int8 weights in this ComfyUI")
    case = shared_case("Flux")
    sd = quantised(case.model.model.diffusion_model.state_dict(), **params)
    monkeypatch.setattr(comfy.supported_models.Flux, "quant_config", {"mixed_ops": True})
    model = case.tiny.build()
    missing, unexpected = model.diffusion_model.load_state_dict(sd, strict=False)
    assert not missing and not unexpected
    block = model.diffusion_model.double_blocks[0].img_attn.qkv
    assert isinstance(block.weight, ops.QuantizedTensor)
    small = comfy.model_patcher.ModelPatcher(
        model, comfy.model_management.get_torch_device(), torch.device("cpu")
    )
    stock, plain = case.sample(small), case.sample(case.model)
    cost = (stock - plain).abs().max()
    assert cost > 1e-5, "the weights are rounded"
    one = case.sample(case.patch(small, [LEFT], HARD))
    wanted = case.sample(small, case.conds(LEFT)[0])
    torch.testing.assert_close(one, wanted, atol=1e-4, rtol=1e-4)
    same = case.sample(case.patch(small, [BASE, BASE]))
    assert (same - stock).abs().max() < cost
    assert (case.sample(case.patch(small, [LEFT, RIGHT])) - stock).abs().max() > 0.01
