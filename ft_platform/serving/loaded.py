"""A released model in a Python program: `ft_platform.load("customer_feedback").classify(["..."])`."""

import atexit
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from ft_platform.errors import ConfigError
from ft_platform.serving.client import exchanged
from ft_platform.serving.protocol import WITHHELD, acted
from ft_platform.serving.trial import served
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case, use_case_folder

AT_ONCE = 16
"""Texts of one request, and answers that are asked for at the same time."""


@dataclass(frozen=True)
class Label:
    """The label of a text.

    Attributes:
        probability: of the label, in [0, 1]; `probabilities`: of every label.
        abstained: the probability is below the model's threshold, or the text is unlike its records, so that a person
            should decide.
        release: that gave it.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    abstained: bool
    release: str


@dataclass(frozen=True)
class Answer:
    """The answer to a text.

    Attributes:
        withheld: a guardrail did not let it out, so that it is empty.
        guardrails: those that did something.
        release: that gave it.
    """

    text: str
    withheld: bool
    guardrails: tuple[str, ...]
    release: str


class LoadedModel:
    """A released model, served for this process only, as `ft ask` does: with the renderer of its evaluation, with its
    guardrails, and not for longer than it may be used. Ends with the process, or with `close`.

    Args:
        name: of a use case, or `<use case>@previous`.

    Raises:
        ConfigError: there is no such use case, or nothing of it is released.
        FtError: the release may not be served.
    """

    def __init__(self, name: str) -> None:
        environment, use_case = load_environment(), name.partition("@")[0]
        settings = load_use_case(use_case_folder(environment.defs, use_case), environment=environment).settings
        self._name, self._has_labels = name, settings.task.kind == "classification"
        self._open = ExitStack()
        self._url = self._open.enter_context(served(environment, [use_case]))
        atexit.register(self.close)

    def classify(self, texts: Sequence[str]) -> list[Label]:
        """The label of each text.

        Raises:
            ConfigError: the model has no labels.
            EndpointFailed: a text is empty, or a guardrail refuses it, or the model was withdrawn meanwhile.
        """
        self._require(self._has_labels, "classify", "answers in words: use `answer`")
        given = _several(texts)
        parts = [given[start : start + AT_ONCE] for start in range(0, len(given), AT_ONCE)]
        return [label for part in parts for label in self._labels(part)]

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """The answer to each text.

        Raises:
            ConfigError: the model answers with labels.
            EndpointFailed: as `classify`.
        """
        self._require(not self._has_labels, "answer", "answers with labels: use `classify`")
        with ThreadPoolExecutor(AT_ONCE) as several:
            return list(several.map(self._answer, _several(texts)))

    def close(self) -> None:
        """Lets go of the model's memory."""
        self._open.close()

    def __enter__(self) -> "LoadedModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require(self, holds: bool, method: str, but: str) -> None:
        if not holds:
            raise ConfigError([f"{self._name} cannot {method}: it {but}"])

    def _labels(self, texts: list[str]) -> list[Label]:
        found, _ = exchanged(self._url, "/v1/classify", {"model": self._name, "input": texts})
        release = found["release"]
        return [
            Label(one["label"], one["probability"], one["probabilities"], one["abstained"], release)
            for one in found["data"]
        ]

    def _answer(self, text: str) -> Answer:
        body = {"model": self._name, "messages": [{"role": "user", "content": text}], "temperature": 0}
        found, headers = exchanged(self._url, "/v1/chat/completions", body)
        (choice,) = found["choices"]
        withheld = choice["finish_reason"] == WITHHELD
        return Answer(choice["message"]["content"], withheld, acted(headers), headers["X-FT-Release"])


def _several(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ConfigError(["texts must be a list of texts"], 'Put a single one into a list: classify(["..."])')
    return list(texts)
