"""Events of answers, from threads to the loop."""

import asyncio
import threading

import pytest

from ft_platform.serving.api.errors import ApiError
from ft_platform.serving.api.events import Events
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api.metrics import Metrics
from ft_platform.serving.api.noting import NoNotes
from ft_platform.serving.api.services import Services
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.catalog import GivenModels, Shelf
from ft_platform.serving.engine.requests import Event, Finished, Handle, Piece
from ft_platform_tests.serving.fakes import FakeEngine

END = Finished("stop", 1, 0, 1)


def piece(text: str) -> Piece:
    return Piece((1,), text, ())


def test_events_keep_their_order_whatever_thread_they_come_from() -> None:
    async def collected() -> list[tuple[int, Event]]:
        with Events(2, 10_000, 10) as events:
            for number in range(2):
                take = events.taker(number)
                given = [*(piece(str(place)) for place in range(2000)), END]
                threading.Thread(target=lambda take=take, given=given: [take(one) for one in given]).start()
            return [found async for found in events]

    found = asyncio.run(collected())
    for number in range(2):
        own = [event for of, event in found if of == number]
        assert [event.text for event in own if isinstance(event, Piece)] == [str(place) for place in range(2000)]
        assert own[-1] is END


def test_what_is_not_taken_is_cancelled_and_not_kept() -> None:
    cancelled = []

    async def filled() -> None:
        with Events(1, 3, 10) as events:
            events.add(Handle(lambda: cancelled.append(1)))
            for _ in range(100):
                events.taker(0)(piece("x"))
            assert len(events._waiting) == 3
            await asyncio.sleep(0)
            assert cancelled == [1]
            async for _ in events:
                pass

    with pytest.raises(ApiError, match="too_slow"):
        asyncio.run(filled())
    assert cancelled == [1]


def test_time_is_over_also_where_events_never_end() -> None:
    async def endless() -> None:
        with Events(1, 10, 0.05) as events:
            take = events.taker(0)
            take(piece("x"))
            async for _ in events:
                take(piece("x"))

    with pytest.raises(ApiError, match="timeout"):
        asyncio.run(endless())


def test_an_event_after_the_end_of_the_loop_is_no_error() -> None:
    async def ended() -> Events:
        return Events(1, 10, 1)

    asyncio.run(ended()).taker(0)(piece("x"))


def test_who_leaves_while_an_answer_is_begun_leaves_nothing_behind() -> None:
    engine, going, cancelled = FakeEngine(), threading.Event(), threading.Event()
    shelf = Shelf(GivenModels(), engine)
    services = Services(engine, shelf, ApiKeys(None), Metrics(engine.state, NoNotes()), Limits())

    def start() -> Handle:
        going.wait(5)
        return Handle(cancelled.set)

    async def left() -> None:
        beginning = asyncio.ensure_future(services.begun(start))
        await asyncio.sleep(0.01)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        going.set()
        await asyncio.sleep(0.1)

    asyncio.run(left())
    assert cancelled.is_set()
