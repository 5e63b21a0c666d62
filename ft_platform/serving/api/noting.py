"""What is noted of a request: one record without its text, and, where the use case and the request allow it, its text.

An answer's last byte is sent once its record is on the disk, or after `NOTED_SECONDS`: noting never fails an answer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ft_platform.serving.engine.requests import Decision
from ft_platform.use_case.schema import UseCase

NOTED_SECONDS = 0.25
SUBJECT, CONSENT, PURPOSE = "X-FT-Subject", "X-FT-Consent", "X-FT-Purpose"
LONGEST_RIGHT = 300
LONGEST_FEATURE = 100


@dataclass(frozen=True)
class Rights:
    """What a request says about its texts."""

    subject: str = ""
    consent: str = ""
    purpose: str = ""

    def over(self, other: "Rights") -> "Rights":
        """What this says, and what the other says where this says nothing."""
        return Rights(self.subject or other.subject, self.consent or other.consent, self.purpose or other.purpose)

    def allow(self, settings: UseCase) -> bool:
        """Whether a request says all that its texts need to be kept."""
        capture = settings.monitoring.capture
        said = {
            "subject": bool(self.subject),
            "consent": self.consent in settings.governance.accepted_consent,
            "purpose": capture.purpose in [one.strip() for one in self.purpose.split(";")],
        }
        return all(said[one] for one in capture.requires)


@dataclass
class Note:
    """What is known of a request as it is answered.

    Attributes:
        characters: of all messages.
        answers: `traffic.tables.ANSWER` for each answer.
        share: with which probability texts are kept.
        is_trial: it only tries the model (`protocol.TRIAL`).
        conversations: what was asked, for each answer; None: it is not kept.
        features: what the request said of the sensitive features of the use case, where its texts are kept.
        texts: what was answered.
    """

    first_seconds: float | None = None
    characters: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    share: float = 0.0
    rights: Rights = Rights()
    is_trial: bool = False
    conversations: Sequence[Sequence[dict[str, str]]] | None = None
    features: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def ask(
        self,
        request_id: str,
        settings: UseCase,
        conversations: Sequence[Sequence[dict[str, str]]],
        said: Mapping[str, Any],
    ) -> None:
        """Decides whether the texts of this request are kept, and with them what it said of sensitive features.

        Args:
            said: `metadata` of the request.
        """
        self.characters = sum(len(message["content"]) for one in conversations for message in one)
        self.share = 0.0 if self.is_trial else settings.monitoring.capture.share
        if drawn(request_id) < self.share and self.rights.allow(settings):
            self.conversations, self.features = conversations, sensitive(settings, said)

    def answer(self, text: str, reason: str, decision: Decision | None = None, abstained: bool = False) -> None:
        self.answers.append(
            {
                "decision": decision and decision.label,
                "confidence": decision and decision.probability,
                "entropy": decision and decision.entropy,
                "abstained": abstained,
                "reason": reason,
                "characters": len(text),
            }
        )
        self.texts.append(text)

    def kept(self) -> dict[str, Any]:
        """Columns of `texts` (`traffic.tables`) that the request itself fills."""
        said = {"conversations": self.conversations, "features": self.features}
        return {**asdict(self.rights), **{name: json.dumps(one, ensure_ascii=False) for name, one in said.items()}}


class Notes(Protocol):
    """Where records are kept."""

    off: str
    lost: int

    def append(self, use_case: str, records: Mapping[str, Mapping[str, Any]]) -> "Future[bool]":
        """Keeps records of one request, by kind; whether they are on the disk. Never raises and never waits."""
        ...

    def waiting(self) -> int | None:
        """Records on the disk that were not shipped yet; None if nobody knows."""
        ...


class NoNotes:
    """Nothing is noted."""

    off, lost = "", 0

    def append(self, use_case: str, records: Mapping[str, Mapping[str, Any]]) -> "Future[bool]":
        done: Future[bool] = Future()
        done.set_result(False)
        return done

    def waiting(self) -> int:
        return 0


def sensitive(settings: UseCase, said: Mapping[str, Any]) -> dict[str, str]:
    """What a request says of the use case's sensitive features: texts of at most `LONGEST_FEATURE` characters. Features
    that anonymization drops or replaces are left out, and those named as a right is."""
    names = set(settings.fairness.sensitive_features) - set(settings.privacy.columns) - set(asdict(Rights()))
    texts = {name: said[name].strip() for name in sorted(names) if isinstance(said.get(name), str)}
    return {name: text for name, text in texts.items() if 0 < len(text) <= LONGEST_FEATURE}


def drawn(request_id: str) -> float:
    """A number in [0, 1) that only the id decides, whose last twelve digits are random (RFC 9562, version 4)."""
    return int(request_id[-12:], 16) / 16**12


def digest(key_id: str) -> str:
    """Of an API key's id."""
    return hashlib.sha256(key_id.encode()).hexdigest()[:16]
