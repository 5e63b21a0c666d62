"""Which tokens may come next where an answer is one of some texts, or JSON of a schema."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ft_platform.errors import MissingExtra
from ft_platform.serving.engine.requests import Sampling

FORMAT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON as Python writes it; free white space would let a model write line breaks up to its last token."""


class Unfulfillable(ValueError):
    """No answer can be written under a constraint; the message names the keyword or the reason."""


class Choices:
    """An answer that is one of some texts, along the tree of their tokens.

    Args:
        choices: token ids of each, without the end of turn.
        end_of_turn: ids that end an answer.

    Attributes:
        complete: nothing but the end of turn can follow.
    """

    def __init__(self, choices: Sequence[Sequence[int]], end_of_turn: Sequence[int]) -> None:
        self._left = list(dict.fromkeys((*choice, *end_of_turn) for choice in choices))
        self._end = len(end_of_turn)
        self._written = 0
        if any(len(choice) == self._end for choice in self._left):
            raise Unfulfillable("choices: one of them has no tokens")
        self.complete = False

    def allowed(self) -> torch.Tensor:
        """Ids of the tokens that may come next. Shape `(allowed,)`."""
        return torch.tensor(sorted({choice[self._written] for choice in self._left}))

    def take(self, token: int) -> None:
        self._left = [choice for choice in self._left if choice[self._written] == token]
        self._written += 1
        self.complete = len(self._left) == 1 and len(self._left[0]) - self._written <= self._end

    def ends_with(self, token: int) -> bool:
        """Whether a token that may come next is of the end of turn: the answer is what is before it."""
        following = [choice for choice in self._left if choice[self._written] == token]
        return all(len(choice) - self._written <= self._end for choice in following)


class Json:
    """An answer that is JSON of a schema.

    Attributes:
        complete: nothing but the end of turn can follow.
    """

    def __init__(self, matcher: Any, end: int, vocabulary: int) -> None:
        self._matcher, self._end, self._vocabulary = matcher, end, vocabulary
        self.complete = False

    def allowed(self) -> torch.Tensor:
        """Ids of the tokens that may come next. Shape `(allowed,)`."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._require_no_error()
        return torch.from_numpy(np.flatnonzero(np.unpackbits(bits, count=self._vocabulary, bitorder="little")))

    def take(self, token: int) -> None:
        self._matcher.consume_token(token)
        self._require_no_error()
        self.complete = self._matcher.is_stopped()

    def ends_with(self, token: int) -> bool:
        return token == self._end

    def _require_no_error(self) -> None:
        if problem := self._matcher.get_error():
            raise Unfulfillable(f"schema: {problem[:300]}")


class Constraints:
    """Makes the constraints of requests.

    Args:
        text: `TextTokens` of the model.
        end_of_turn: ids that end an answer.
        vocabulary: outputs of the model.
    """

    def __init__(self, text: Any, end_of_turn: Sequence[int], vocabulary: int) -> None:
        self._text, self._end_of_turn, self._vocabulary = text, tuple(end_of_turn), vocabulary

    def of(self, sampling: Sampling) -> Choices | Json | None:
        """The constraint of a request, if it has one.

        Raises:
            Unfulfillable: `choices` or `schema` cannot be followed.
            MissingExtra: for a schema, llguidance is not installed.
        """
        if sampling.choices:
            return Choices([self._text.content(choice) for choice in sampling.choices], self._end_of_turn)
        return None if sampling.schema is None else self._json(sampling.schema)

    def _json(self, schema: dict[str, Any]) -> Json:
        tokenizer = self._tokenizer
        from llguidance import LLMatcher

        try:
            grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=FORMAT)
            matcher = LLMatcher(tokenizer, grammar)
        except (ValueError, TypeError) as error:
            raise Unfulfillable(f"schema: {str(error)[:300]}") from error
        if problem := matcher.get_error():
            raise Unfulfillable(f"schema: {problem[:300]}")
        return Json(matcher, self._end_of_turn[-1], self._vocabulary)

    @cached_property
    def _tokenizer(self) -> Any:
        """Takes a second, once."""
        try:
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            raise MissingExtra("llguidance", "serve") from error
        tokenizer = self._text.tokenizer
        return from_tokenizer(tokenizer, n_vocab=max(self._vocabulary, len(tokenizer)), eos_token=self._end_of_turn[-1])
