"""Figures for Prometheus: counts and seconds by route, model and status. No text and no key is in a name or a label.

The name of a model is a label only if it is served: what clients send otherwise has no bound.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from ft_platform.serving.api.noting import Notes
from ft_platform.serving.engine.requests import State

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
STATES = {
    "running": "Answers that are being written",
    "waiting": "Answers that wait for their turn",
    "cache_tokens": "Tokens of requests under way in the memory of the engine",
    "kept_tokens": "Tokens of earlier requests that are kept for others that start alike",
    "capacity_tokens": "Tokens that fit into the memory of the engine",
}


class EngineState:
    """Asks the engine when Prometheus asks."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        found = self._state()
        for name, meaning in STATES.items():
            yield GaugeMetricFamily(f"ft_serve_{name}", meaning, value=float(getattr(found, name)))


class NotesState:
    """Asks what keeps records of requests when Prometheus asks."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ft_serve_spool_off", "1: requests are not noted", value=float(bool(self._notes.off)))
        if (waiting := self._notes.waiting()) is not None:
            yield GaugeMetricFamily(
                "ft_serve_spool_waiting", "Records that were not shipped to the lake", value=waiting
            )


class Metrics:
    """The figures of one server."""

    def __init__(self, state: Callable[[], State], notes: Notes) -> None:
        self._registry = registry = CollectorRegistry()
        registry.register(EngineState(state))
        registry.register(NotesState(notes))
        self.requests = Counter(
            "ft_serve_requests",
            "Requests, also those that no report of a day counts: without a model, or on trial",
            ("route", "model", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "ft_serve_request_seconds", "Time of whole requests", ("route",), buckets=SECONDS, registry=registry
        )
        self.first_token = Histogram(
            "ft_serve_first_token_seconds", "Time to the first token", ("model",), buckets=SECONDS, registry=registry
        )
        self.tokens = Counter(
            "ft_serve_tokens", "Tokens: prompt, cached, completion", ("model", "kind"), registry=registry
        )
        self.refused = Counter("ft_serve_refused", "Requests that were refused", ("reason",), registry=registry)
        self.gone = Counter("ft_serve_gone", "Clients that went away or were too slow", ("why",), registry=registry)
        for why in ("went_away", "too_slow"):  # 0 until it happens, so that a dashboard finds them
            self.gone.labels(why)
        self.guardrails = Counter(
            "ft_serve_guardrails",
            "Requests that a guardrail changed, withheld an answer to, or refused",
            ("model", "guardrail", "did"),
            registry=registry,
        )
        self.feedback = Counter("ft_serve_feedback", "Answers that were rated", ("model", "rating"), registry=registry)

        self.shadows = Counter(
            "ft_serve_shadows", "Requests to a candidate whose answers nobody sees", ("outcome",), registry=registry
        )
        self.noted = Counter(
            "ft_serve_noted",
            "Requests that were noted: kept, late (after the answer) or lost",
            ("outcome",),
            registry=registry,
        )

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
