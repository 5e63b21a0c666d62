"""The models that judge: behind an endpoint, or on this machine."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ft_platform.errors import ConfigError
from ft_platform.evaluation.judging.question import choice_in
from ft_platform.models.endpoint import Endpoint
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.judge import Judge

ANSWER_TOKENS = 1024
"""Longest reply of a judge. Asked for one word, most need two tokens; some write down what they think first."""

OnAnswers = Callable[[int], None]


class AsksOneModel(Protocol):
    """A judge.

    Attributes:
        described: which model it is, for the report.
        tokens: tokens it has read and written so far, as far as known.
    """

    described: dict[str, Any]
    tokens: int

    def choose(
        self, instruction: str, questions: Sequence[str], choices: Sequence[str], on_answers: OnAnswers
    ) -> list[str | None]:
        """One of `choices` for each question; None where the reply cannot be read."""
        ...


class EndpointJudge:
    """A model behind an OpenAI-compatible endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.described = {"kind": "endpoint", "host": endpoint.host, "model": endpoint.model}
        self.tokens = 0

    def choose(
        self, instruction: str, questions: Sequence[str], choices: Sequence[str], on_answers: OnAnswers
    ) -> list[str | None]:
        found = []
        for done, question in enumerate(questions, start=1):
            reply = self.endpoint.chat(
                [{"role": "system", "content": instruction}, {"role": "user", "content": question}], ANSWER_TOKENS
            )
            self.tokens += sum(reply.usage.values())
            found.append(choice_in(reply.answer, choices))
            on_answers(done)
        return found


class LocalJudge:
    """A model on this machine: the choice with the highest log-probability, so that every reply can be read.

    A question longer than the model's context is not judged; cut, it would lack the second answer.
    """

    def __init__(self, settings: BaseModelSettings, environment: Environment) -> None:
        from ft_platform.models import base_model

        resolved = base_model.resolve_here(settings, environment)
        self.model, self.tokenizer = base_model.load(resolved, settings.dtype, settings.quantization)
        self.described = {"kind": "local", "uri": settings.uri, "sha256": resolved.weights_sha256}
        self.tokens = 0

    def choose(
        self, instruction: str, questions: Sequence[str], choices: Sequence[str], on_answers: OnAnswers
    ) -> list[str | None]:
        from ft_platform.evaluation.systems.label_scoring import label_scores
        from ft_platform.models.rendering.renderer import Renderer

        renderer = Renderer(self.tokenizer, Task(kind="classification", instruction=instruction), choices)
        prompts = [renderer.prompt_ids([{"role": "user", "content": question}]) for question in questions]
        labels = [renderer.answer_ids(choice) for choice in renderer.labels]
        room = self.model.config.get_text_config().max_position_embeddings - max(map(len, labels))
        fitting = [place for place, prompt in enumerate(prompts) if len(prompt) <= room]
        found: list[str | None] = [None] * len(prompts)
        if fitting:
            best = (
                label_scores(self.model, [prompts[place] for place in fitting], labels, on_answers)
                .argmax(dim=1)
                .tolist()
            )
            for place, choice in zip(fitting, best, strict=True):
                found[place] = renderer.labels[choice]
        self.tokens += sum(len(prompts[place]) for place in fitting)
        on_answers(len(prompts))
        return found


def judge_of(settings: Judge, environment: Environment) -> AsksOneModel:
    """The judge that the settings name.

    Raises:
        ConfigError: they name none, its host is not allowed, or its key is not set.
        BaseModelError, MissingExtra: the local model cannot be loaded.
    """
    if settings.endpoint:
        one = settings.endpoint
        return EndpointJudge(Endpoint(one.url, one.model, one.api_key_env, one.timeout_seconds))
    if settings.model:
        return LocalJudge(settings.model, environment)
    raise ConfigError(["no judge is named"], "Set judge.endpoint or judge.model in the use-case file")
