"""The targets of a use case, from its YAML."""

from collections.abc import Sequence
from importlib import import_module

from ft_platform.errors import ConfigError
from ft_platform.serving.targets.contract import Target
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.serving_targets import LocalTarget, OpenAIEndpointTarget


def open_target(environment: Environment, use_case: NamedUseCase, name: str, beside: Sequence[str] = ()) -> Target:
    """A target that the YAML names.

    Args:
        beside: other use cases that a server of our own is started with.

    Raises:
        ConfigError: there is none of this name, or its key is not in the environment.
    """
    known = use_case.settings.serving.targets
    if name not in known:
        raise ConfigError(
            [f"{use_case.name} has no target {name!r}; serving.targets has {', '.join(known) or 'none'}"],
            f"See: ft explain {use_case.name}",
        )
    settings = known[name]
    if isinstance(settings, LocalTarget):
        from ft_platform.serving.targets.local import Local

        return Local(settings, environment.home, use_case.name, beside)
    if isinstance(settings, OpenAIEndpointTarget):
        from ft_platform.serving.targets.openai_endpoint import OpenAIEndpoint

        return OpenAIEndpoint(settings, environment.home, use_case.name, name)
    return import_module(f"ft_platform.serving.targets.{settings.kind}").target(settings, use_case.name)
