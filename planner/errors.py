"""Errors of the planner. Each message says what was got, what was expected and what to do."""

from __future__ import annotations


class PlanError(ValueError):
    """A plan, a sentence or a setting of the planner is not usable."""


class EndpointError(PlanError):
    """The endpoint configuration is missing or wrong."""


class ChatError(PlanError):
    """A language model endpoint gave no usable reply."""


class ChatDeadlineError(ChatError):
    """The total time allowed for the call, retries included, has passed."""


class ChatStopped(ChatError):
    """The caller asked to stop while the call was under way."""
