"""`contents_sha256` of every record of a batch, without building a list of texts for each."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import hashlib
import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.byte_flags import ByteFlags, string_buffers
from ft_platform.cleaning.conversations import Conversations

SHORT_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
"""Escape sequences of `json` (RFC 8259, section 7) for what texts often hold; the backslash first, because the others
add some."""
OFTEN, SELDOM = 1, 2
ESCAPED = {
    OFTEN: "".join(SHORT_ESCAPES).encode(),
    SELDOM: [code for code in range(0x20) if chr(code) not in SHORT_ESCAPES],
}
"""What `json` writes as an escape sequence when it leaves characters outside ASCII as they are."""
SHA256_BYTES = 32


def batch_sha256(conversations: Conversations) -> pa.Array:
    """The same 64 hex digits as `records.contents_sha256` for each record. Shape `(rows,)`."""
    inside = conversations.joined(_as_json(conversations.contents), ", ")
    return _digests(pc.binary_join_element_wise("[", inside, "]", ""))


def _as_json(texts: pa.Array) -> pa.Array:
    """Each text as a JSON string; a null as `null`."""
    flags = ByteFlags(texts, ESCAPED).of_texts()
    often, seldom = pa.array(flags == OFTEN), pa.array(flags & SELDOM > 0)
    if often.true_count:
        escaped = texts.filter(often)
        for character, sequence in SHORT_ESCAPES.items():
            escaped = pc.replace_substring(escaped, character, sequence)
        texts = pc.replace_with_mask(texts, often, escaped)
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    if seldom.true_count:
        written = [json.dumps(text, ensure_ascii=False) for text in texts.filter(seldom).to_pylist()]
        quoted = pc.replace_with_mask(quoted, seldom, pa.array(written, pa.string()))
    return pc.fill_null(quoted, "null")


def _digests(texts: pa.Array) -> pa.Array:
    offsets, data = string_buffers(texts)
    view, sha256 = data.data, hashlib.sha256
    digits = b"".join([sha256(view[start:end]).digest() for start, end in pairwise(offsets.tolist())]).hex().encode()
    places = np.arange(len(texts) + 1, dtype=np.int32) * (2 * SHA256_BYTES)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(places), pa.py_buffer(digits))
