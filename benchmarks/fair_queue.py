"""A month of programs of 20 departments on one set of GPUs: who waits how long, by the order of Dagster's pool and by
that of the fair queue.

    python benchmarks/fair_queue.py --seed 1 --places 3

Arrivals are made up: most departments train a few times a week and evaluate what they trained, three flood the queue
with searches, and now and then a model that is served needs a retraining at once. The order is that of
`costs.fair_queue`, with its defaults; time is simulated. Prints one line of JSON for each policy, then the ratios to
the first: Dagster's pool, first come, first served."""

import argparse
import heapq
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ft_platform.costs.fair_queue import Entry, in_order, used_lately, who_makes_room
from ft_platform.use_case.settings.quotas import PRIORITIES, Queue, Quotas

HOUR, DAY = 3600.0, 86_400.0
DAYS, DEPARTMENTS, FLOODING = 30, 20, 3
LOOK_SECONDS = 600.0
"""Between two looks whether somebody is to make room; real programs look every two seconds."""
RESTART_SECONDS = 120.0
"""That a training loses which makes room: one optimizer step, imports, loading."""
LOW, NORMAL, HIGH = range(3)


@dataclass
class Job:
    """A program from its arrival to its end.

    Attributes:
        left: seconds that it still has to run.
        stops: how often it made room.
    """

    entry: Entry
    seconds: float
    left: float
    ended: float = 0.0
    stops: int = 0

    @property
    def waited(self) -> float:
        return self.ended - self.entry_since - self.seconds - self.stops * RESTART_SECONDS

    entry_since: float = 0.0


@dataclass
class Policy:
    """How places are given.

    Attributes:
        order: entries that wait, the next one first.
        queue: its rules; None: nobody makes room.
    """

    name: str
    order: Callable[[Sequence[Entry], Mapping[str, float], float], list[Entry]]
    queue: Queue | None = None
    jobs: list[Job] = field(default_factory=list)


def arrivals(seed: int) -> list[Job]:
    """The same programs for each policy."""
    draw, jobs = random.Random(seed), []

    def add(team: str, at: float, program: str, priority: int, hours: float) -> None:
        name, stoppable = f"{len(jobs):05d}", program == "train"
        entry = Entry(name, "gpu", "", team, team, program, "gpu", priority, since=at, stoppable=stoppable)
        jobs.append(Job(entry, hours * HOUR, hours * HOUR, entry_since=at))

    for number in range(DEPARTMENTS):
        team, at = f"department_{number:02d}", draw.uniform(0, DAY)
        floods = number < FLOODING
        while at < DAYS * DAY:
            if floods:  # a batch all at once: searches, which are of the low class, and trainings
                for _ in range(draw.randint(4, 8)):
                    kind, priority = draw.choice((("search", LOW), ("train", LOW), ("train", NORMAL)))
                    add(team, at, kind, priority, draw.lognormvariate(1.2, 0.5))
                at += draw.expovariate(1 / (2.5 * DAY))
                continue
            add(team, at, "train", NORMAL, draw.lognormvariate(0.7, 0.6))
            add(team, at + draw.uniform(2, 8) * HOUR, "evaluate", NORMAL, draw.uniform(0.1, 0.5))
            if draw.random() < 0.12:
                add(team, at + draw.uniform(0, DAY), "train", HIGH, draw.uniform(1, 3))
            at += draw.expovariate(1 / (1.6 * DAY))
    return sorted(jobs, key=lambda job: job.entry_since)


class Month:
    """One policy, played through."""

    def __init__(self, policy: Policy, jobs: list[Job], places: int) -> None:
        self.policy, self.places = policy, places
        self.jobs = {job.entry.id: replace(job) for job in jobs}
        self.waiting: dict[str, Job] = {}
        self.running: dict[str, Job] = {}
        self.rows: list[dict[str, Any]] = []
        self.stops, self._since = 0, 0.0
        self._of_flooding, self._of_all = 0.0, 0.0

    @property
    def share(self) -> float:
        """Of the places, that flooding departments had while others waited."""
        return self._of_flooding / self._of_all

    def _count(self, now: float) -> None:
        if any(not floods(job) for job in self.waiting.values()):
            self._of_all += (now - self._since) * len(self.running)
            self._of_flooding += (now - self._since) * sum(map(floods, self.running.values()))
        self._since = now

    def play(self) -> list[Job]:
        """Every program, once all have ended."""
        events = [(job.entry_since, "arrives", name) for name, job in self.jobs.items()]
        heapq.heapify(events)
        look = 0.0
        while events:
            now, what, name = heapq.heappop(events)
            self._count(now)
            if what == "arrives":
                self.waiting[name] = self.jobs[name]
            elif what == "ends" and name in self.running and self._is_over(self.running[name], now):
                self._stop(self.running.pop(name), now)
                self.jobs[name].ended = now
            if self.policy.queue and now >= look:
                self._make_room(now)
            for job in self._start(now):
                heapq.heappush(events, (now + job.left, "ends", job.entry.id))
            if self.policy.queue and self.waiting and now >= look:
                look = now + LOOK_SECONDS
                heapq.heappush(events, (look, "looks", ""))
        return list(self.jobs.values())

    def _is_over(self, job: Job, now: float) -> bool:
        return abs((job.entry.started or 0.0) + job.left - now) < 1e-3

    def _used(self, now: float) -> dict[str, float]:
        running = [job.entry for job in self.running.values()]
        return used_lately(self.rows, running, self.policy.queue or Queue(), now, {})

    def _start(self, now: float) -> list[Job]:
        begun = []
        while self.waiting and len(self.running) < self.places:
            entries = [job.entry for job in self.waiting.values()]
            job = self.waiting.pop(self.policy.order(entries, self._used(now), now)[0].id)
            job.entry = replace(job.entry, started=now, seconds=job.left)
            self.running[job.entry.id] = job
            begun.append(job)
        return begun

    def _make_room(self, now: float) -> None:
        """The first of those that wait asks, if nothing is free."""
        assert self.policy.queue
        if not self.waiting or len(self.running) < self.places:
            return
        used = self._used(now)
        first = self.policy.order([job.entry for job in self.waiting.values()], used, now)[0]
        running = [job.entry for job in self.running.values()]
        asked = who_makes_room(first, running, used, Quotas(), self.policy.queue, now)
        if asked:
            job = self.running.pop(asked.id)
            ran = now - (job.entry.started or now)
            self._stop(job, now)
            job.left += RESTART_SECONDS - ran
            job.stops += 1
            self.stops += 1
            job.entry = replace(job.entry, started=None, since=job.entry.since + ran)
            self.waiting[asked.id] = job

    def _stop(self, job: Job, now: float) -> None:
        begun = job.entry.started or now
        row = {"team": job.entry.team, "use_case": job.entry.team, "state": "finished"}
        at = datetime.fromtimestamp(begun, UTC)
        self.rows.append({**row, "started_at": at, "seconds": now - begun, "gpu_seconds": now - begun})


def policies() -> list[Policy]:
    quotas, fair = Quotas(), Queue()
    without = Queue(preempt=False)
    return [
        Policy("first come, first served", lambda entries, _used, _now: sorted(entries, key=lambda one: one.since)),
        Policy(
            "classes only",
            lambda entries, _used, _now: sorted(entries, key=lambda one: (-one.priority, one.since)),
        ),
        Policy("fair, nobody makes room", lambda entries, used, now: in_order(entries, used, quotas, without, now)),
        Policy("fair", lambda entries, used, now: in_order(entries, used, quotas, fair, now), fair),
    ]


def floods(job: Job) -> bool:
    return job.entry.team < f"department_{FLOODING:02d}"


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / HOUR


def told(month: Month) -> dict[str, float]:
    """Hours that programs waited, and the share of the places that flooding departments had while others waited."""
    found: dict[str, float] = {}
    jobs = month.play()
    groups = {name: [job for job in jobs if job.entry.priority == place] for place, name in enumerate(PRIORITIES)}
    groups["normal_flooding"] = [job for job in groups["normal"] if floods(job)]
    groups["normal_others"] = [job for job in groups["normal"] if not floods(job)]
    for name, group in groups.items():
        waits = [job.waited for job in group]
        found |= {f"{name}_p50": percentile(waits, 0.5), f"{name}_p95": percentile(waits, 0.95)}
    found |= {
        "longest": max(job.waited for job in jobs) / HOUR,
        "flooding_share": month.share,
        "made_room": month.stops,
    }
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--places", type=int, default=3)
    arguments = parser.parse_args()
    jobs, results = arrivals(arguments.seed), {}
    load = sum(job.seconds for job in jobs) / (arguments.places * DAYS * DAY)
    print(json.dumps({"programs": len(jobs), "load": round(load, 3), "places": arguments.places}))
    for policy in policies():
        month = Month(policy, jobs, arguments.places)
        results[policy.name] = told(month)
        print(json.dumps({"policy": policy.name, **results[policy.name]}))
    first, fair = results["first come, first served"], results["fair"]
    print(json.dumps({"ratios": {name: _ratio(fair[name], first[name]) for name in first if name != "made_room"}}))


def _ratio(value: float, first: float) -> float | None:
    return round(value / first, 3) if first else None


if __name__ == "__main__":
    main()
