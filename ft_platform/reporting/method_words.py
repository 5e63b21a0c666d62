"""An evaluation of a model that was not fine-tuned in words.

In figures and predictions the evaluated model is called `fine_tuned`, whatever its method; pages of a linear probe and
of a TF-IDF classifier say what it is. The same system among the alternatives is this model trained once more, so these
pages leave it out."""

from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import NOT_FINE_TUNED

TITLES = {method: f"Trained {name}" for method, name in NOT_FINE_TUNED.items()}
WORDS = {
    "Fine-tuned model": "Trained {name}",
    "fine-tuned model": "trained {name}",
    "Fine-tuning pays off": "Training it pays off",
    "Fine-tuning does not pay off": "Training it does not pay off",
    "We cannot say that fine-tuning is better": "We cannot say that it is better",
    "Fine-tune: it is better": "Train: it is better",
    "no reason to fine-tune rather": "no reason to train rather",
    " fine-tuned and ": " with it and ",
}
"""What sentences about a fine-tuned model say -> what they say of another one."""


def model_words(method: str | None) -> str:
    """What the evaluated model is called."""
    return NOT_FINE_TUNED.get(method or "", "fine-tuned model")


def without_itself(figures: Mapping[str, Any], method: str | None) -> Mapping[str, Any]:
    """Figures of an evaluation (`evaluation.scores`), without a system among the alternatives that is the model."""
    if method not in NOT_FINE_TUNED:
        return figures
    by_system = ("systems", "differences", "tests", "confusion", "per_class", "calibration", "per_1000_requests")
    left = {
        name: {system: one for system, one in figures[name].items() if system != method}
        for name in (*by_system, "seconds")
        if isinstance(figures.get(name), Mapping)
    }
    return {**figures, **left}


def as_trained(said: Any, method: str | None) -> Any:
    """Sentences and titles, in lists and mappings too, as they are of what was trained."""
    if method not in NOT_FINE_TUNED:
        return said
    if isinstance(said, str):
        for words, own in WORDS.items():
            said = said.replace(words, own.format(name=NOT_FINE_TUNED[method]))
        return said
    if isinstance(said, Mapping):
        return {name: as_trained(one, method) for name, one in said.items()}
    if isinstance(said, list | tuple):
        return type(said)(as_trained(one, method) for one in said)
    return said


def titled(by_system: Mapping[str, Any], method: str | None) -> dict[str, Any]:
    """Figures by system for a picture, which calls systems it does not know by their name."""
    own = TITLES.get(method or "", FINE_TUNED)
    return {own if name == FINE_TUNED else name: one for name, one in by_system.items()}
