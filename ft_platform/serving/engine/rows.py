"""Rows of a batch: an answer that is being written, and a prompt whose labels are scored."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ft_platform.models.kernels.packed_attention import NO_TREE, Tree
from ft_platform.serving.engine.cache import common_start
from ft_platform.serving.engine.constrained import Choices, Json
from ft_platform.serving.engine.requests import Event, Finished, Generation, Piece, Scores, Sharing, TokenLogprob
from ft_platform.serving.engine.sampling import Sampler, log_probability
from ft_platform.serving.engine.stacked_lora import LoadedAdapter
from ft_platform.serving.engine.text_stream import TextStream


class Row:
    """One sequence in the batch.

    Attributes:
        adapter: None for the base model.
        tokens: the prompt, and what was written after it.
        prompt_tokens: how many of them are the prompt.
        caller, public: who asks, and how many first tokens of the prompt no caller wrote (`requests.Sharing`).
        room: places that the row needs in the cache.
        tree: labels that come after the prompt in the same pass.
        first, done: place in the cache, and how many tokens are computed there.
        cached: of these, how many were there before.
        cancelled: nobody waits for it any more.
        problem: why it cannot be computed, or nothing.
        writes: it takes a pass for each token of its answer.
        keeps_all: it takes the outputs after every token of its prompt.
    """

    writes = keeps_all = False

    def __init__(
        self, adapter: LoadedAdapter | None, prompt: Sequence[int], more: int, sharing: Sharing, tree: Tree = NO_TREE
    ) -> None:
        self.adapter, self.tokens, self.tree = adapter, list(prompt), tree
        self.caller, self.public = sharing.caller, common_start(np.array(sharing.public), np.array(prompt))
        self.prompt_tokens = len(self.tokens)
        self.room = len(self.tokens) + more
        self.first, self.done, self.cached = -1, 0, 0
        self.cancelled = False
        self.problem = ""

    def take(self, logits: torch.Tensor) -> bool:
        """Handles the outputs after the last token and of the tree, `(1 + tree, vocabulary)`; True at the end. A row
        that keeps all gets those after each of the last `len(logits)` computed tokens."""
        raise NotImplementedError

    def fail(self, message: str) -> None:
        """Tells whoever asked."""
        raise NotImplementedError


class Writing(Row):
    """An answer that is being written.

    Args:
        text: `TextTokens`.
        end: the token that ends an answer.
        constraint: what the answer has to be.
    """

    writes = True

    def __init__(
        self,
        request: Generation,
        adapter: LoadedAdapter | None,
        text: Any,
        end: int,
        constraint: Choices | Json | None,
        on_event: Callable[[Event], None],
    ) -> None:
        super().__init__(adapter, request.prompt, request.sampling.max_tokens, request.sharing)
        self._sampling, self._text, self._end = request.sampling, text, end
        self._constraint, self._on_event = constraint, on_event
        self._sampler = Sampler(request.sampling)
        self._stream = TextStream(text, request.sampling.stop)
        self.keeps_all = request.sampling.prompt_logprobs is not None
        self._prompt: list[TokenLogprob] = []

    def take(self, logits: torch.Tensor) -> bool:
        if self.keeps_all and self.done <= self.prompt_tokens:
            self._score_prompt(logits)
            logits = logits[-1:]
            if self.done < self.prompt_tokens:
                return False
        if len(self.tokens) == self.room:
            return self._finish("length")
        constraint = self._constraint
        token = self._sampler.token(logits[0], None if constraint is None else constraint.allowed())
        ends = token == self._end if constraint is None else constraint.ends_with(token)
        self.tokens.append(token)
        if ends:
            return self._finish("stop")
        if constraint:
            constraint.take(token)
        shown = self._stream.push(token)
        asked = self._sampling.logprobs
        told = () if asked is None else (log_probability(logits[0], token, asked, self._text),)
        complete = self._stream.stopped or bool(constraint and constraint.complete)
        last = complete or len(self.tokens) == self.room
        self._on_event(Piece((token,), shown + self._stream.rest() if last else shown, told))
        return self._finish("stop" if complete else "length") if last else False

    def _score_prompt(self, logits: torch.Tensor) -> None:
        asked, first = self._sampling.prompt_logprobs, self.done - len(logits)
        following = self.tokens[first + 1 : min(self.done + 1, self.prompt_tokens)]
        for outputs, token in zip(logits, following, strict=False):
            self._prompt.append(log_probability(outputs, token, asked or 0, self._text))

    def _finish(self, reason: str, message: str = "") -> bool:
        if reason == "stop" and (rest := self._stream.rest()):
            self._on_event(Piece((), rest))
        written = len(self.tokens) - self.prompt_tokens
        told = tuple(self._prompt)
        self._on_event(Finished(reason, self.prompt_tokens, self.cached, written, message, prompt_logprobs=told))
        return True

    def fail(self, message: str) -> None:
        self._finish("error", message)


class LabelScores:
    """The prompts of one call of `scores`.

    Args:
        labels: names of the labels.
        ids: tokens of each with its end of turn; none for a label head.
    """

    def __init__(
        self,
        adapter: LoadedAdapter,
        labels: tuple[str, ...],
        ids: Sequence[Sequence[int]],
        prompts: Sequence[Sequence[int]],
        on_done: Callable[[Scores | Exception], None],
        sharing: Sharing,
    ) -> None:
        self.labels, self.ids = labels, ids
        tree = Tree.of(label[:-1] for label in ids)
        self.rows = [Scoring(self, adapter, prompt, sharing, tree) for prompt in prompts]
        self._on_done = on_done
        self._told = False

    def one_is_done(self) -> None:
        if not self._told and all(row.scores is not None for row in self.rows):
            self._told = True
            scores = tuple(row.scores for row in self.rows if row.scores is not None)
            prompt, cached = (sum(getattr(row, name) for row in self.rows) for name in ("prompt_tokens", "cached"))
            self._on_done(Scores(self.labels, scores, prompt, cached))

    def fail(self, message: str) -> None:
        """Ends all prompts, once."""
        if not self._told:
            self._told = True
            for row in self.rows:
                row.cancelled = True
            self._on_done(RuntimeError(message))


class Scoring(Row):
    """A prompt whose labels are scored: by a label head, or as a tree of tokens behind the prompt."""

    def __init__(
        self, job: LabelScores, adapter: LoadedAdapter, prompt: Sequence[int], sharing: Sharing, tree: Tree
    ) -> None:
        super().__init__(adapter, prompt, len(tree.tokens), sharing, tree)
        self._job = job
        self.scores: tuple[float, ...] | None = None

    def take(self, logits: torch.Tensor) -> bool:
        job = self._job
        if job.ids:
            # Predicted by the prompt's last token, then by the tokens of the tree.
            normalized = torch.logsumexp(logits, dim=-1)
            paths = [[0, *(1 + place for place in path)] for path in self.tree.paths]
            found = [
                (logits[path, list(label)] - normalized[path]).sum() for path, label in zip(paths, job.ids, strict=True)
            ]
            scores = torch.stack(found)
        else:
            scores = torch.log_softmax(logits[0, : len(job.labels)], dim=-1)
        if not bool(scores.isfinite().all()):
            raise ValueError("the model gave numbers that are not finite")
        self.scores = tuple(scores.tolist())
        job.one_is_done()
        return True

    def fail(self, message: str) -> None:
        self._job.fail(message)
