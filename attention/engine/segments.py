"""Attention of several short sequences that lie one behind the other, in few kernel launches.

They are one variable-length call where the device has such a kernel (``torch.nn.attention.varlen``,
CUDA); else those of equal lengths become the batch of one call, and others a call each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from . import kernels as lse_kernels
from . import varlen
from .groups import Attention
from .partial import Partial, WithLse

# Queries of a sequence, below which several run as one call of the variable-length kernel; above,
# the person's own choice of backend holds.
_SHORT = 1024


@dataclass(frozen=True, eq=False)
class Segments:
    """Lengths of packed sequences.

    Attributes:
        queries: of each, in the order in which they lie.
        keys: the same of their keys.
    """

    queries: tuple[int, ...]
    keys: tuple[int, ...]

    @classmethod
    def of(cls, parts: Iterable[Any]) -> Segments:
        """Of things with ``queries`` [Q] and ``keys`` [T]."""
        listed = [(part.queries.numel(), part.keys.numel()) for part in parts]
        queries, keys = zip(*listed, strict=True)
        return cls(queries, keys)

    @cached_property
    def are_alike(self) -> bool:
        """Whether all have the same lengths."""
        return len(set(self.queries)) == 1 and len(set(self.keys)) == 1

    @cached_property
    def are_short(self) -> bool:
        """Whether a launch each would take longer than what it computes."""
        return sum(self.queries) < _SHORT * len(self.queries)

    def attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attention: Attention,
        partial: WithLse,
    ) -> torch.Tensor:
        """Each sequence by itself.

        Args:
            q: [B, H, sum of queries, D].
            k, v: [B, H, sum of keys, D].
            attention: the host's function.
            partial: with log-sum-exp; names the scale.

        Returns:
            [B, sum of queries, C].
        """
        several = len(self.queries) > 1
        packed = several and (self.are_short and varlen.is_usable(q))
        if packed or (several and lse_kernels.plans_by_shape(q.device, partial.host)):
            out, _ = self.attend_with_lse(q, k, v, partial)
            return out.transpose(1, 2).flatten(2)
        if several and self.are_alike:
            stacked = attention(*(self._stacked(t) for t in (q, k, v)))
            return stacked.reshape(q.shape[0], q.shape[2], -1)
        return _joined([attention(*part) for part in self._parts(q, k, v)], 1)

    def attend_with_lse(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, partial: WithLse
    ) -> Partial:
        """The same with its log-sum-exp: [B, H, sum of queries, D] and [B, H, sum of queries]."""
        if len(self.queries) > 1 and varlen.is_usable(q):
            return varlen.attend_with_lse(q, k, v, self.queries, self.keys, partial.scale)
        outs, lses = zip(*(partial(*part) for part in self._parts(q, k, v)), strict=True)
        return _joined([out.transpose(1, 2) for out in outs], 1).transpose(1, 2), _joined(lses, 2)

    def _stacked(self, x: torch.Tensor) -> torch.Tensor:
        """[B, H, n * T, D] -> [B * n, H, T, D]."""
        batch, heads, _, width = x.shape
        apart = x.unflatten(2, (len(self.queries), -1)).transpose(1, 2)
        return apart.reshape(batch * len(self.queries), heads, -1, width)

    def _parts(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        asked, seen = q.split(self.queries, 2), (t.split(self.keys, 2) for t in (k, v))
        return zip(asked, *seen, strict=True)


def _joined(parts: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)
