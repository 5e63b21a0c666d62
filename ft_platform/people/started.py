"""Who started a run, and how that is known. The web server signs it when it makes the run: a tag alone can be typed by
anybody who starts one in another way.

Covered: a tag that was typed, changed, or copied from another run. Not covered: whoever may act as the account that has
the key. A run that repeats another by itself (a retry, a backfill) was made by the daemon, which vouches for nobody."""

import base64
import binascii
import json
from collections.abc import Mapping

from ft_platform.lake.journal import Keys
from ft_platform.people.person import SIGNED_IN, STARTED_BY, Person

KNOWN_BY = "ft/known_by"
"""Tag of a run: how it is known who started it, and the signature of that."""
SHOWN = (*SIGNED_IN, "token")
"""What is worth a signature."""
DOMAIN = b"ft_platform run v1\n"
"""Before the signed bytes, so that the signature of nothing else that the key signs is one of a run."""
NOT_SHOWN = "the run names this person, and no web server of this installation vouches for it"


def tags_of(person: Person) -> dict[str, str]:
    """What the web server asks for a run with; `signed_tags` makes it count."""
    return {STARTED_BY: person.name, KNOWN_BY: person.known_by}


def signed_tags(run_id: str, tags: Mapping[str, str], keys: Keys) -> dict[str, str]:
    """The tags of a run that the web server makes, `tags_of` among them, with the signature.

    Raises:
        KeyMissing: the signing key cannot be used.
    """
    name, known_by = tags.get(STARTED_BY), tags.get(KNOWN_BY, "")
    if not name or known_by not in SHOWN:
        return {key: value for key, value in tags.items() if key != KNOWN_BY}
    signature = base64.b64encode(keys.sign(_content(run_id, name, known_by))).decode()
    return {**tags, KNOWN_BY: f"{known_by} {signature}"}


def starter(run_id: str, tags: Mapping[str, str], keys: Keys) -> Person | None:
    """Who started a run; self-declared unless a web server of this installation says how that is known. None: nobody is
    named."""
    if not (name := tags.get(STARTED_BY)):
        return None
    known_by, _, signature = tags.get(KNOWN_BY, "").partition(" ")
    try:
        content, given = _content(run_id, name, known_by), base64.b64decode(signature, validate=True)
    except binascii.Error:
        return Person(name)
    known = any(key.signed(content, given) for key in keys.public.values() if not key.stolen_since)
    return Person(name, known_by=known_by) if known else Person(name)  # type: ignore[arg-type]


def _content(run_id: str, name: str, known_by: str) -> bytes:
    return DOMAIN + json.dumps([run_id, name, known_by]).encode()
