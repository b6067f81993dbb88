"""Kernels that return attention with its log-sum-exp, the person's own backend first.

ComfyUI's attention functions return no log-sum-exp, but the kernels beneath them do. Each is tried
once on a small input, for each device, dtype and width of a head, and compared with the written-out
form; one that is not there, refuses the input or gives other numbers is passed over and named in
the log, so that no version of a private operator can silently spoil a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

# (q, k, v, scale) -> (out [B, H, Q, D], lse [B, H, Q] float32); all [B, H, T, D] of equal H
Run = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]

_TOLERANCE = 0.05  # quantised kernels (Sage) differ by about 0.02 on normal data


@dataclass(frozen=True)
class Kernel:
    """One way to compute attention with its log-sum-exp.

    Attributes:
        name: for the log.
        hosts: parts of the names of ComfyUI's attention functions that stand for it; empty for
            PyTorch's own, which serve everybody.
        devices: device types that it runs on.
        dtypes: of its inputs.
        run: the call.
    """

    name: str
    hosts: tuple[str, ...]
    devices: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...]
    run: Run


def _sage(q, k, v, scale):
    from sageattention import sageattn

    out, lse = sageattn(q, k, v, tensor_layout="HND", sm_scale=scale, return_lse=True)
    return out, lse


def _flash(q, k, v, scale):
    from flash_attn import flash_attn_func

    swapped = (t.transpose(1, 2) for t in (q, k, v))
    out, lse, _ = flash_attn_func(*swapped, softmax_scale=scale, return_attn_probs=True)
    return out.transpose(1, 2), lse


def _cudnn(q, k, v, scale):
    out = torch.ops.aten._scaled_dot_product_cudnn_attention(
        q, k, v, None, True, 0.0, False, False, scale=scale
    )
    return out[0], out[1].reshape(q.shape[:3])


def _aten_flash(q, k, v, scale):
    out = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, scale=scale)
    return out[0], out[1][..., : q.shape[2]]


def _aten_efficient(q, k, v, scale):
    out = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, True, scale=scale)
    return out[0], out[1][..., : q.shape[2]]  # the kernel pads its log-sum-exp


def _aten_cpu(q, k, v, scale):
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, scale=scale)


_HALF = (torch.float16, torch.bfloat16)
_CUDA = ("cuda",)  # AMD's devices go by this name too
KERNELS = (
    Kernel("SageAttention", ("sage",), _CUDA, _HALF, _sage),
    Kernel("flash-attn", ("flash",), _CUDA, _HALF, _flash),
    Kernel("cuDNN", ("cudnn",), _CUDA, _HALF, _cudnn),
    Kernel("PyTorch flash", (), _CUDA, _HALF, _aten_flash),
    Kernel("PyTorch memory-efficient", (), _CUDA, (*_HALF, torch.float32), _aten_efficient),
    Kernel("PyTorch CPU", (), ("cpu",), (torch.float32, torch.bfloat16), _aten_cpu),
)


def plans_by_shape(device: torch.device, host: str = "pytorch") -> bool:
    """Whether the host's attention function may be cuDNN, which plans anew for every new shape.

    That takes 0.4 s in public reports (sglang 4650, FunASR 3704): too much for each region of each
    drawing. PyTorch's attention chooses cuDNN by itself.
    """
    return device.type == "cuda" and any(part in host for part in ("pytorch", "cudnn"))


def kernel_for(q: torch.Tensor, host: str) -> Kernel | None:
    """The first kernel that works for such queries, or None.

    Args:
        q: [B, H, Q, D].
        host: name of the host's attention function; a kernel of that name comes first.
    """
    return _chosen(q.device, q.dtype, q.shape[-1], host)


@cache
def _chosen(device: torch.device, dtype: torch.dtype, width: int, host: str) -> Kernel | None:
    for kernel in KERNELS:
        wanted = not kernel.hosts or any(part in host for part in kernel.hosts)
        if wanted and device.type in kernel.devices and dtype in kernel.dtypes:
            fault = _fault(kernel, device, dtype, width)
            if fault is None:
                return kernel
            _LOG.info("Regional prompts: %s is not used for shared tokens: %s", kernel.name, fault)
    return None


@cache
def _fault(kernel: Kernel, device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """What keeps a kernel from being used; None if it gives the right numbers."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, 2, 80, width)
    q, k, v = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(3))
    try:
        return fault_of(kernel.run(q, k, v, width**-0.5), q, k, v)
    except Exception as error:  # whatever a foreign kernel raises, another one can do its work
        return f"{type(error).__name__}: {error}"


def fault_of(
    result: tuple[torch.Tensor, torch.Tensor], q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> str | None:
    """How a kernel's (out, lse) differs from the written-out form; None if it does not."""
    scores = q.float() @ k.float().transpose(-1, -2) * q.shape[-1] ** -0.5
    wanted = scores.softmax(-1) @ v.float(), scores.logsumexp(-1)
    for got, expected in zip(result, wanted, strict=True):
        if got.shape != expected.shape:
            return f"its result is of shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
        apart = float((got.float() - expected).abs().max())
        if not apart <= _TOLERANCE:
            return f"its result is {apart:.2g} off"
    return None


_LOG = logging.getLogger(__name__)
