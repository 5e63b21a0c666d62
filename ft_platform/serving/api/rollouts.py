"""Rollouts in one server: who answers a request, what is counted of it, and when a candidate loses its traffic."""

import logging
import threading
from collections.abc import Callable

from ft_platform.process.hooks import place_of_error
from ft_platform.serving.api.exchange import Exchange, Tried
from ft_platform.serving.catalog import ServedModel, Shelf
from ft_platform.serving.rollout.last_minute import FAILED, LastMinute, acted_on_answer
from ft_platform.serving.rollout.under_way import CANDIDATE, UnderWay

LOG = logging.getLogger(__name__)
Stop = Callable[[str, UnderWay, str], None]
"""Use case, rollout and reason: notes that a candidate gets no more traffic, for every server and after a restart."""


class Rollouts:
    """Called by the loop of the server only."""

    def __init__(self, shelf: Shelf, stop: Stop) -> None:
        self._shelf, self._stop = shelf, stop
        self._minutes: dict[tuple[str, str], LastMinute] = {}
        self._stopped: set[tuple[str, str]] = set()

    def model(self, exchange: Exchange, found: ServedModel, caller: str) -> ServedModel:
        """What answers a request: the champion that was found, or the candidate in its place.

        Args:
            caller: whom it stays with.
        """
        rollout, other = self.rollout(found.name), self._shelf.find(f"{found.name}@{CANDIDATE}")
        if rollout is None or other is None or exchange.note.is_trial:
            return found
        if (found.release, other.release) != (rollout.champion, rollout.candidate):
            return found
        who = exchange.key.id if exchange.key else ""
        in_share = rollout.includes(who if rollout.rules.sticky_by == "key" else f"{who}\n{caller}")
        by_candidate = in_share and rollout.rules.mode == "canary"
        exchange.tried = Tried(rollout, by_candidate, in_share)
        if not by_candidate:
            return found
        exchange.release, exchange.checkpoint = other.release, other.checkpoint
        return other.called(found.name)

    def rollout(self, name: str) -> UnderWay | None:
        """Of a model, if its candidate gets traffic."""
        found = self._shelf.rollout(name)
        return None if found is None or found.stopped or found.identity in self._stopped else found

    def ended(self, exchange: Exchange, seconds: float) -> None:
        """Counts a request that was answered, or failed."""
        tried = exchange.tried
        if tried is None or (exchange.status != 200 and exchange.code not in FAILED):
            return
        minute = self._minutes.setdefault(tried.rollout.identity, LastMinute(tried.rollout))
        of = (seconds, exchange.code in FAILED, acted_on_answer(exchange.acted))
        if not tried.by_candidate:
            minute.champion(*of)
        elif tried.rollout.identity not in self._stopped and (why := minute.candidate(*of)):
            self._stopped.add(tried.rollout.identity)
            LOG.error(f"{tried.rollout.candidate} of {exchange.use_case} gets no more traffic: {why}")
            threading.Thread(target=self._note, args=(exchange.use_case, tried.rollout, why), daemon=True).start()

    def _note(self, use_case: str, rollout: UnderWay, why: str) -> None:
        try:
            self._stop(use_case, rollout, why)
        except Exception as error:  # of a disk; this server gives it no traffic all the same
            LOG.error(f"that {rollout.candidate} was stopped could not be noted: {place_of_error(error)}")
