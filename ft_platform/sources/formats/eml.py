"""Messages of e-mail (`.eml`, RFC 5322): one row per file, with the columns of `COLUMNS`.

`text` is the body as plain text, or where there is none as HTML (which cleaning turns into text). Attachments are not
read."""

import binascii
from collections.abc import Iterator
from datetime import UTC
from email import errors, message, policy
from email.parser import BytesParser

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.budget import over
from ft_platform.sources.file_format import OpenFile

ENDINGS = (".eml",)
IS_TEXT = False
COLUMNS = ("message_id", "thread", "from", "to", "cc", "subject", "date", "text")
"""`thread`: the message id that the conversation began with. `date`: ISO 8601, UTC."""
DAMAGED = (errors.InvalidBase64PaddingDefect, errors.InvalidBase64CharactersDefect, errors.InvalidBase64LengthDefect)


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of the message.

    Raises:
        SourceError: no message, a body that cannot be decoded, or beyond the limits.
    """
    columns = file.require(COLUMNS)
    if file.path.stat().st_size > file.budget.item_characters:
        raise over(file.name, f"has more than {file.budget.item_characters:,} bytes", "field_characters")
    try:
        row = _row(file)
    except SourceError:
        raise
    except RecursionError:
        raise SourceError(f"{file.name} has parts that are nested too deeply", "Take it out of the source") from None
    except Exception:  # the parser of headers lets ValueError, IndexError, AttributeError and others pass
        raise SourceError(
            f"{file.name} cannot be read as a message: cut or damaged", "Export it again, or take it out of the source"
        ) from None
    yield from file.batches(columns, [[row[name] for name in columns]])


def _row(file: OpenFile) -> dict[str, str | None]:
    with open(file.path, "rb") as raw:
        mail = BytesParser(policy=policy.default).parse(raw)
    if not mail.keys():
        raise SourceError(f"{file.name} is not a message: it has no header", "Take it out of the source")
    depth = _depth(mail)
    if depth > file.budget.limits.nesting_depth:
        raise over(
            file.name, f"has parts that are nested more than {file.budget.limits.nesting_depth} deep", "nesting_depth"
        )
    references = (
        _header(mail, "references") or _header(mail, "in-reply-to") or _header(mail, "message-id") or ""
    ).split()
    sent = getattr(mail["date"], "datetime", None)
    return {
        "message_id": _header(mail, "message-id"),
        "thread": references[0] if references else None,
        **{name: _header(mail, name) for name in ("from", "to", "cc", "subject")},
        "date": sent.astimezone(UTC).isoformat() if sent else None,
        "text": _body(file, mail),
    }


def _header(mail: message.EmailMessage, name: str) -> str | None:
    value = mail[name]
    return None if value is None else str(value).strip()


def _body(file: OpenFile, mail: message.EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain", "html"))
    if part is None:
        raise SourceError(f"{file.name} has no text", "Take it out of the source")
    try:
        text = part.get_content(errors="strict")
    except (UnicodeError, LookupError, binascii.Error):
        raise SourceError(
            f"{file.name}: its text is not in the encoding that it states",
            "Export it again, or take it out of the source",
        ) from None
    if any(isinstance(defect, DAMAGED) for defect in part.defects):
        raise SourceError(f"{file.name}: its text is damaged (base64)", "Export it again, or take it out of the source")
    return text.replace("\r\n", "\n")


def _depth(mail: message.EmailMessage) -> int:
    depth, level = 0, [mail]
    while level:
        depth += 1
        level = [inner for part in level if part.is_multipart() for inner in part.get_payload()]  # type: ignore[union-attr]
    return depth
