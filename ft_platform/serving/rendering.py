"""The renderer that a released checkpoint was evaluated with."""

import json
from typing import Any

from ft_platform.errors import VersionRefused
from ft_platform.lake.releases import Release, released_versions
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.models.tokenizer import load_tokenizer
from ft_platform.use_case.file import load_use_case, use_case_folder
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import WORDS_ONLY, BaseModelSettings, reads_words
from ft_platform.use_case.settings.environment import Environment


def released_renderer(lake: Lake, release: Release, checkpoint: ArtifactVersion, tokenizer: Any) -> Renderer:
    """The renderer, from what the checkpoint says of its task.

    Raises:
        VersionRefused: prompts would be rendered otherwise than when it was evaluated.
    """
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    renderer = Renderer(tokenizer, Task.model_validate(training["task"]), training["labels"])
    if renderer.hash != release.record["renderer_hash"]:
        raise VersionRefused(
            f"prompts of {release.id} would be rendered otherwise than when it was evaluated ({renderer.hash}, not"
            f" {release.record['renderer_hash']})",
            "Serve it with the versions of the platform and of transformers that it was released with",
        )
    return renderer


def renderer_of(environment: Environment, lake: Lake, release: Release) -> Renderer:
    """The same, with the tokenizer of its base model. Raises as `released_renderer`."""
    resolved = base_model.resolve_here(base_of(environment, release), environment)
    _, checkpoint = released_versions(lake, release)
    return released_renderer(lake, release, checkpoint, load_tokenizer(resolved).tokenizer)


def base_of(environment: Environment, release: Release) -> BaseModelSettings:
    """The base model that a release needs: the one that its use case names, or none at all."""
    if reads_words(release.record["base_model"]):
        return WORDS_ONLY
    folder = use_case_folder(environment.defs, release.version.use_case)
    return load_use_case(folder, environment=environment).settings.base_model
