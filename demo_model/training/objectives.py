"""What each network is trained to predict. The networks are ComfyUI's own classes.

ComfyUI is imported when an objective is made, so that the caller decides where it is found.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from .. import network, network_flux, text
from .batches import Batch


class Objective(Protocol):
    """A network and its loss.

    Attributes:
        net: the network, in any dtype.
        config: its constructor arguments, written beside the weights.
    """

    net: Any
    config: dict

    def levels(self, u: torch.Tensor) -> torch.Tensor:
        """Shares 0..1 [B], spread evenly -> noise levels in the network's own unit [B]."""
        ...

    def loss(self, batch: Batch, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Squared error of the velocity per picture, float32 [B]."""
        ...

    def is_matrix(self, name: str, p: torch.Tensor) -> bool:
        """Whether Muon updates this parameter."""
        ...

    def probes(self, n: int) -> torch.Tensor:
        """``n`` ascending levels over the whole range, for validation."""
        ...

    def adapt(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Weights of an older checkpoint as this network names and sizes them."""
        ...


class HunyuanDiTObjective:
    """v-prediction on the noise schedule of the host's HunyuanDiT."""

    def __init__(self, fast_cpu: bool) -> None:
        import comfy.ldm.hydit.models as models
        import comfy.ops

        if fast_cpu:
            network.use_fast_cpu_kernels()
        self.config = network.model_config()
        self.net: Any = models.HunYuanDiT(**self.config, operations=comfy.ops.disable_weight_init)
        network.initialise(self.net)
        self.alphas = network.alphas_cumprod()
        self._pooled: torch.Tensor | None = None
        stock_pooler = self.net.pooler.forward
        self.net.pooler.forward = lambda x: stock_pooler(
            x if self._pooled is None else self._pooled
        )

    def adapt(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return network.extend_text_length(weights)

    def is_matrix(self, name: str, p: torch.Tensor) -> bool:
        return name.startswith("blocks.") and p.ndim == 2

    def levels(self, u: torch.Tensor) -> torch.Tensor:
        """Timesteps 0..999, 84 % of them between 150 and 850, where outlines are settled."""
        low, high = u < 0.08, u > 0.92
        middle = 150 + (u - 0.08) / 0.84 * 700
        t = torch.where(low, u / 0.08 * 150, middle)
        t = torch.where(high, 850 + (u - 0.92) / 0.08 * 150, t)
        return t.long().clamp(0, 999)

    def probes(self, n: int) -> torch.Tensor:
        return torch.linspace(20, 980, n).long()

    def loss(self, batch: Batch, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        clean = batch.latents.to(noise.device)
        a = self.alphas.to(noise.device)[levels].view(-1, 1, 1, 1)
        noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
        states = text.encode(batch.captions)
        cast = {"device": noise.device, "dtype": torch.bfloat16}
        self._pooled = text.encode(batch.pooled).t5.to(**cast)
        mask = states.mask.to(noise.device)
        v = self.net(
            noisy.to(torch.bfloat16), levels.float(), context=states.clip.to(**cast),
            text_embedding_mask=mask, encoder_hidden_states_t5=states.t5.to(**cast),
            text_embedding_mask_t5=mask,
        )  # fmt: skip
        return (v.float() - (a.sqrt() * noise - (1 - a).sqrt() * clean)).square().mean((1, 2, 3))


class FluxObjective:
    """Flow matching (arXiv 2209.03003): x = (1 - s) clean + s noise, predict noise - clean."""

    SHIFT, SPREAD, UNIFORM = 0.9, 1.1, 0.1
    """Levels are logit-normal around sigmoid(SHIFT); UNIFORM of them are spread over 0..1. Shapes
    are settled between 0.6 and 0.95: from cleaner latents every object comes out right."""

    def __init__(self, fast_cpu: bool) -> None:
        import comfy.ldm.flux.model as models
        import comfy.ops

        self.config = network_flux.model_config()
        self.net: Any = models.Flux(
            **network_flux.for_host(self.config), operations=comfy.ops.disable_weight_init
        )
        network_flux.initialise(self.net)
        self._tables: dict[tuple[int, int, int], torch.Tensor] = {}

    def adapt(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return network_flux.with_names_of(self.net, weights)

    def is_matrix(self, name: str, p: torch.Tensor) -> bool:
        return network_flux.is_matrix(name, p)

    def levels(self, u: torch.Tensor) -> torch.Tensor:
        s = torch.sigmoid(torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4)) * self.SPREAD + self.SHIFT)
        return torch.where(torch.rand(u.shape) < self.UNIFORM, torch.rand(u.shape), s)

    def probes(self, n: int) -> torch.Tensor:
        return torch.linspace(0.02, 0.98, n)

    def loss(self, batch: Batch, levels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        clean = batch.latents.to(noise.device)
        cast = {"device": noise.device, "dtype": torch.bfloat16}
        context, _ = text.encode(batch.captions).for_flux()
        _, pooled = text.encode(batch.pooled).for_flux()
        s = levels.view(-1, 1, 1, 1)
        noisy = (1 - s) * clean + s * noise
        size = (clean.shape[2], clean.shape[3], context.shape[1])
        if size not in self._tables:
            self._tables[size] = network_flux.rotation_table(self.net, *size).to(noise.device)
        v = network_flux.forward(
            self.net, noisy.to(torch.bfloat16), levels.float(), context.to(**cast),
            pooled.to(**cast), self._tables[size],
        )  # fmt: skip
        return (v.float() - (noise - clean)).square().mean((1, 2, 3))


OBJECTIVES: dict[str, Any] = {"hunyuan_dit": HunyuanDiTObjective, "flux": FluxObjective}
