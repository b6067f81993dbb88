"""Errors of the attention core: each says what it got, what it expected and what to do."""


class RegionalError(ValueError):
    """Base of every error that this pack raises on purpose."""


class RegionError(RegionalError):
    """A region, mask or split that cannot be used."""


class PromptError(RegionalError):
    """Prompts that do not fit the regions or the model."""


class UnsupportedModelError(RegionalError):
    """The model's class is not one that the pack can patch."""


class HostError(RegionalError):
    """ComfyUI lacks a hook that the pack needs, or called it in an unknown way."""
