"""Which weights a retraining starts from: those of the base model, or of the champion where they fit.

Covered: no release stands, withdrawn or erased records, records on another side, another base model, other labels,
weights of another kind: each gives the base model, with the reason. Weights that were altered are an error.
Not covered: a prompt that is rendered otherwise since, which the run itself refuses.
"""

import json

from ft_platform.errors import ConfigError, CorruptVersion, VersionRefused
from ft_platform.lake.store import Lake
from ft_platform.models.rendering.renderer import labels_of
from ft_platform.settings.training import CHAMPION
from ft_platform.training.continuing import require_no_leak, require_start
from ft_platform.use_case.named import NamedUseCase


def weights_of(lake: Lake, use_case: NamedUseCase) -> tuple[str, str]:
    """Id of the champion's checkpoint if a retraining trains it further, else empty; and why not, if
    `retraining.start` asks for it.

    Raises:
        ConfigError: the file also says `training.continue_from`.
        CorruptVersion: the champion's checkpoint was altered.
    """
    if use_case.settings.retraining.start != CHAMPION:
        return "", ""
    settings = use_case.settings
    if settings.training.continue_from:
        raise ConfigError(
            [f"retraining.start and training.continue_from of {use_case.name} both say what a retraining starts from"],
            "Remove training.continue_from; for one run: ft run --continue",
        )
    training = settings.training.model_copy(update={"continue_from": CHAMPION})
    further = use_case.model_copy(update={"settings": settings.model_copy(update={"training": training})})
    try:
        start = require_start(lake, further)
        assert start
        splits = lake.latest(use_case.name, "splits")
        if splits:
            require_no_leak(lake, further, splits, start)
    except CorruptVersion:
        raise
    except VersionRefused as refusal:
        return "", refusal.message
    told = json.loads(lake.read_file(start, "training.json"))
    wanted = settings.base_model.model_dump(include={"uri", "revision", "sha256"})
    other = [name for name, value in wanted.items() if value and value != told["base_model"].get(name)]
    if other:
        return "", f"base_model has another {' and '.join(other)} than {start.id}"
    if splits and told["labels"] and told["labels"] != labels_of(lake.read_table(splits, ["label", "split"])):
        return "", f"the train split has other labels than {start.id}"
    return start.id, ""
