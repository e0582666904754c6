"""Four kinds of engine that a config can name and that are never built."""

from lit_grpo.engines.settings import TransformersSettings


class Engine1(TransformersSettings):
    """The first."""


class Engine2(TransformersSettings):
    """The second."""


class Engine3(TransformersSettings):
    """The third."""


class Engine4(TransformersSettings):
    """The fourth."""
