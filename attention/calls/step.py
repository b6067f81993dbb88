"""Where in the denoising a model call stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch


class Step:
    """The step that a model call belongs to.

    The current sigma lies on the device; it is read back when first asked for, so that rules and
    ranges that do not depend on the step cost no synchronisation.

    Args:
        sigmas: current sigma, first element used.
        schedule: all sigmas of this sampling, n_steps + 1 of them, falling.
        percent_to_sigma: of the model; maps elapsed share 0..1 of the denoising to sigma.
    """

    def __init__(
        self,
        sigmas: torch.Tensor,
        schedule: Sequence[float],
        percent_to_sigma: Callable[[float], float],
    ) -> None:
        self._sigmas = sigmas
        self._schedule = schedule
        self._percent_to_sigma = percent_to_sigma

    @cached_property
    def sigma(self) -> float:
        """Current sigma (in flow models the time from 1 down to 0)."""
        return float(self._sigmas.flatten()[0])

    @property
    def n_steps(self) -> int:
        return max(1, len(self._schedule) - 1)

    @cached_property
    def index(self) -> int:
        """0-based step, the last one whose sigma is at or above the current one.

        By sigma alone, as no hook tells the step: an evaluation between two steps counts as in the
        one that it began; one with added noise (churn) as in the step before, and Heun's second
        one, which is at the next sigma, as in the next step.
        """
        above = sum(sigma >= self.sigma * (1 - 1e-5) for sigma in self._schedule[:-1])
        return max(0, above - 1)

    @property
    def share(self) -> float:
        """Elapsed share of the steps of this sampling, index / n_steps, 0..1."""
        return self.index / self.n_steps

    @cached_property
    def percent(self) -> float:
        """Elapsed share 0..1 of the model's denoising: ``percent_to_sigma`` the other way round.

        In models with discrete timesteps this is 1 - t / 1000.
        """
        low, high = 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            if float(self._percent_to_sigma(middle)) > self.sigma:
                low = middle
            else:
                high = middle
        return high

    def before(self, percent: float) -> bool:
        """Whether less than ``percent`` (0..1) of the model's denoising has passed."""
        if percent <= 0.0:
            return False
        return percent >= 1.0 or self.sigma > float(self._percent_to_sigma(percent))
