"""The guardrails of one served model, put together: what happens to its requests, and to their answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ft_platform.models.rendering.renderer import Renderer
from ft_platform.models.rendering.text_tokens import CHARACTERS_PER_TOKEN
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.serving.guardrails.abstaining import NAME as ABSTAINING
from ft_platform.serving.guardrails.abstaining import is_unlike_the_records
from ft_platform.serving.guardrails.answer_form import AnswerForm, a_label, json_of
from ft_platform.serving.guardrails.answer_scan import AnswerScan, Finder
from ft_platform.serving.guardrails.longest_input import require_short
from ft_platform.serving.guardrails.parts import Parts
from ft_platform.serving.guardrails.personal_data import NAME as PERSONAL_DATA
from ft_platform.serving.guardrails.personal_data import PersonalData
from ft_platform.serving.guardrails.restoring import Restoring
from ft_platform.serving.protocol import WITHHELD
from ft_platform.use_case.schema import UseCase

Message = dict[str, str]
ABSTAINED = "abstained"
"""How an answer ends whose label is not relied on; in `finish_reason` it is `WITHHELD`."""


class AnswerGuard:
    """What one answer goes through, part by part.

    Attributes:
        acted: guardrail -> what it did.
        form: writes the whole answer as the client wants it, once it is known.
        let_go: what may be shown of the answer, before its form.
    """

    def __init__(self, parts: Sequence[Parts]) -> None:
        self._parts = list(parts)
        self.acted: dict[str, str] = {}
        self.form: Callable[[str], str] | None = None
        self.let_go = ""

    @property
    def is_idle(self) -> bool:
        """Whether parts of the answer are shown as they come."""
        return not self._parts

    @property
    def changed(self) -> bool:
        """Whether what was let go is not what the model wrote."""
        return any(one.changed for one in self._parts)

    def push(self, text: str) -> str:
        """What may be shown after one more part."""
        for one in self._parts:
            text = one.push(text)
        self.let_go += text
        return "" if self.form else text

    def end(self, reason: str) -> tuple[str, str]:
        """The rest of the answer, and why it ended.

        Args:
            reason: why the model ended it.
        """
        if reason == ABSTAINED:
            self.acted[ABSTAINING] = "withheld"
            return "", WITHHELD
        rest = ""
        for one in self._parts:
            rest = one.push(rest) + one.rest()
            if one.withheld:
                self.acted[one.name] = "withheld"
                return "", WITHHELD
            if one.changed and one.name:
                self.acted[one.name] = "replaced"
        self.let_go += rest
        return self.form(self.let_go) if self.form and self.let_go else rest, reason

    def whole(self, text: str, reason: str) -> tuple[str, str]:
        """An answer that is shown at once, and why it ended."""
        before = self.push(text)
        rest, reason = self.end(reason)
        return ("" if reason == WITHHELD else before + rest), reason


@dataclass(frozen=True)
class Guarded:
    """One conversation after the guardrails of requests.

    Attributes:
        messages: what the model reads.
        acted: guardrail -> what it did.
        answer: makes the guard of an answer.
        is_unlike_the_records: so that the model abstains, however sure it is.
    """

    messages: Sequence[Message] = field(repr=False)
    acted: Mapping[str, str] = field(default_factory=dict)
    answer: Callable[[], AnswerGuard] = field(default=lambda: AnswerGuard([]), repr=False)
    is_unlike_the_records: bool = False


class ModelGuardrails:
    """The guardrails that a use case asks for. Not for several threads at once.

    Raises:
        ConfigError: an entity or operator of `privacy` names no entity.
        MissingExtra: the package of `privacy.ner`, or that of `cleaning.allowed_languages`, is not installed.
    """

    def __init__(self, settings: UseCase, renderer: Renderer, use_case: str, release: str) -> None:
        self._settings, self._renderer = settings.serving.guardrails, renderer
        self._task, self._evaluation = settings.task, settings.evaluation
        self._scanner = Scanner(settings.privacy)
        self._personal_data = PersonalData(settings.privacy, self._scanner, use_case, release)
        self._find = Finder(self._scanner)
        self._cleaning = settings.cleaning
        self._abstains = bool(renderer.labels) and self._settings.abstain_below != "none"
        if self._abstains:  # loads what tells languages, or says that it is missing, before anything is served
            is_unlike_the_records(["a text"], settings.cleaning)

    def request(self, messages: Sequence[Message], form: str = "text") -> Guarded:
        """What the model reads in place of a conversation.

        Args:
            form: of the answer, which the client asks for: `text`, `json_object` or `json_schema`.

        Raises:
            Refused: a guardrail refuses it.
        """
        texts = [message["content"] for message in messages]
        require_short(texts, self._settings, self._renderer.text)
        if self._renderer.labels:  # of longer texts the renderer reads no more either
            texts = [text[: self._evaluation.max_prompt_tokens * CHARACTERS_PER_TOKEN] for text in texts]
        try:
            return self._guarded(messages, texts, form)
        finally:
            self._scanner.forget()

    def _guarded(self, messages: Sequence[Message], texts: list[str], form: str) -> Guarded:
        originals: Mapping[str, str] = {}
        acted, read = {}, texts
        asked = [text for message, text in zip(messages, texts, strict=True) if message["role"] == "user"]
        if self._settings.personal_data == "refuse":
            self._personal_data.require_none(texts)
        elif self._settings.personal_data == "replace":
            replaced = self._personal_data.replaced(texts)
            originals, read = replaced.originals, replaced.texts
            acted = {PERSONAL_DATA: "replaced"} if replaced.entities else {}
        return Guarded(
            [{**message, "content": text} for message, text in zip(messages, read, strict=True)],
            acted,
            partial(self._answer, originals, [*texts, *read, self._renderer.system], form),
            self._abstains and is_unlike_the_records(asked, self._cleaning),
        )

    def _answer(self, originals: Mapping[str, str], known: Sequence[str], form: str) -> AnswerGuard:
        choices = self._settings
        if labels := self._renderer.labels:
            return AnswerGuard([AnswerForm(a_label(labels))] if choices.invalid_answer == "abstain" else [])
        is_json = self._task.answer_format == "json" or form != "text"
        parts: list[Parts] = [Restoring(originals, is_json)] if originals else []
        if choices.answer_scan != "pass":
            parts.append(AnswerScan(self._forgetting, known, choices.answer_scan, is_json))
        if choices.invalid_answer == "abstain" and self._task.answer_format == "json":
            # What a client asks for by a schema of its own need not have the task's fields.
            parts.append(AnswerForm(json_of(None if form == "json_schema" else self._task.schema_of_answers)))
        return AnswerGuard(parts)

    def _forgetting(self, text: str) -> list[Span]:
        try:
            return self._find(text)
        finally:
            self._scanner.forget()
