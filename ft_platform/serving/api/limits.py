"""Bounds of what clients may send, hold and wait for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server.

    Attributes:
        head_bytes: of the lines before a body.
        body_bytes: of a body; 1 MB is about 250,000 tokens.
        body_seconds: time for a whole body.
        request_seconds: time from the end of a body to the end of its answer.
        write_seconds: time in which a client must take something of what is sent to it.
        requests: that are under way at once, from the end of their heads on.
        requests_of_key: of these, with one key, so that none can hold all places.
        refusals: that are sent in a second to those who come too often; more wait for up to `refusal_seconds`. Clients
            that ask again at once when refused (`hey`) otherwise take the server's time from those it answers: at
            three times its capacity, 53 of 109 answers per CPU second were left.
        waiting_pieces: of an answer, that a slow client may leave in memory.
        answers: that one request may ask for (prompts times `n`).
        texts: that one request may have labelled.
    """

    head_bytes: int = 16_384
    body_bytes: int = 1_000_000
    body_seconds: float = 15.0
    request_seconds: float = 300.0
    write_seconds: float = 30.0
    requests: int = 256
    requests_of_key: int = 128
    refusals: float = 50.0
    refusal_seconds: float = 1.0
    waiting_pieces: int = 512
    answers: int = 16
    texts: int = 64
