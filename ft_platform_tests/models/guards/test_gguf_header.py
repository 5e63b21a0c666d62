"""Hostile GGUF files are refused from their header, before a library maps them."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import BaseModelError
from ft_platform.models.base_model import resolve
from ft_platform.models.guards.gguf_header import require_safe_gguf
from ft_platform.use_case.settings.base_model import BaseModelSettings

U32, U64, STRING, ARRAY, F32 = 4, 10, 8, 9, 6


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: Any) -> bytes:
    if kind == STRING:
        content = text(value)
    elif kind == ARRAY:
        content = struct.pack("<IQ", STRING, len(value)) + b"".join(map(text, value))
    else:
        content = struct.pack({U32: "<I", U64: "<Q", F32: "<f"}[kind], value)
    return text(key) + struct.pack("<I", kind) + content


def info(name: str, shape: list[int], offset: int, kind: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


PAIRS = {
    "general.architecture": pair("general.architecture", STRING, "llama"),
    "llama.block_count": pair("llama.block_count", U32, 1),
    "llama.embedding_length": pair("llama.embedding_length", U32, 8),
    "tokenizer.ggml.tokens": pair("tokenizer.ggml.tokens", ARRAY, ["a", "b"]),
    "tokenizer.chat_template": pair("tokenizer.chat_template", STRING, "{{ messages }}"),
}
TENSORS = [info("token_embd.weight", [8, 2], 0), info("blk.0.attn_q.weight", [8, 8], 64)]
DATA = b"\0" * (64 + 256)


def gguf(
    pairs: dict[str, bytes] | None = None, tensors: list[bytes] | None = None, data: bytes = DATA, **header: int
) -> bytes:
    entries, infos = list((PAIRS | (pairs or {})).values()), TENSORS if tensors is None else tensors
    counts = {"version": 3, "tensors": len(infos), "pairs": len(entries), **header}
    start = (
        b"GGUF"
        + struct.pack("<IQQ", counts["version"], counts["tensors"], counts["pairs"])
        + b"".join(entries)
        + b"".join(infos)
    )
    return start + b"\0" * (-len(start) % 32) + data


CASES: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "another magic": (b"EVIL" + gguf()[4:], "does not begin with GGUF"),
    "another version": (gguf(version=77), "GGUF version 77"),
    "big endian": (b"GGUF" + struct.pack(">I", 3) + gguf()[8:], "GGUF version 50331648"),
    "a huge tensor count": (gguf()[:8] + struct.pack("<Q", 2**60) + gguf()[16:], "it claims 1,152,921,504"),
    "a huge metadata count": (gguf()[:16] + struct.pack("<Q", 2**60) + gguf()[24:], "metadata entries, more than"),
    "one entry more than there is": (
        gguf(pairs={})[:16] + struct.pack("<Q", 6) + gguf()[24:],
        "goes past the end|claims|has type",
    ),
    "a text past the end": (
        gguf(pairs={"x": text("x") + struct.pack("<IQ", STRING, 10**6)}),
        "goes past the end of the file",
    ),
    "a text of 2^60 bytes": (
        gguf(pairs={"x": text("x") + struct.pack("<IQ", STRING, 2**60)}),
        "x claims 1,152,921,504",
    ),
    "an array of 2^60 values": (
        gguf(pairs={"x": text("x") + struct.pack("<IIQ", ARRAY, U32, 2**60)}),
        "array 'x' claims 1,152,921,504",
    ),
    "arrays in arrays": (
        gguf(pairs={"x": text("x") + struct.pack("<IIQ", ARRAY, ARRAY, 1)}),
        "holds type 9; numbers and texts",
    ),
    "a value of an unknown type": (gguf(pairs={"x": text("x") + struct.pack("<I", 99)}), "has type 99"),
    "a key twice": (gguf(pairs={"x": PAIRS["llama.block_count"]}), "'llama.block_count' is there twice"),
    "a tensor past the end": (
        gguf(tensors=[TENSORS[0], info("blk.0.attn_q.weight", [8, 8], 4096)]),
        "past the end of the file",
    ),
    "a tensor larger than the file": (
        gguf(tensors=[info("token_embd.weight", [2**40, 2**20], 0)]),
        "past the end of the file",
    ),
    "a tensor twice": (gguf(tensors=[TENSORS[0], TENSORS[0]]), "'token_embd.weight' is there twice"),
    "tensors in one another": (
        gguf(tensors=[TENSORS[0], info("blk.0.attn_q.weight", [8, 8], 32)]),
        "overlaps another one",
    ),
    "a tensor of an unknown type": (
        gguf(tensors=[TENSORS[0], info("blk.0.attn_q.weight", [8, 8], 64, kind=999)]),
        "has type 999",
    ),
    "a tensor of a million dimensions": (
        gguf(tensors=[text("token_embd.weight") + struct.pack("<I", 10**6)]),
        "has 1000000 dimensions",
    ),
    "half a block": (
        gguf(tensors=[TENSORS[0], info("blk.0.attn_q.weight", [7, 1], 64, kind=2)]),
        "no whole number of blocks",
    ),
    "an alignment of zero": (
        gguf(pairs={"general.alignment": pair("general.alignment", U32, 0)}),
        "general.alignment 0",
    ),
    "10^9 layers": (
        gguf(pairs={"llama.block_count": pair("llama.block_count", U32, 10**9)}),
        "block_count is 1000000000",
    ),
    "a width of 10^9": (
        gguf(pairs={"llama.embedding_length": pair("llama.embedding_length", U32, 10**9)}),
        "embedding_length is 1,000,000,000",
    ),
    "more tokens than embeddings": (
        gguf(pairs={"tokenizer.ggml.tokens": pair("tokenizer.ggml.tokens", ARRAY, list("abc"))}),
        "3 tokens, but embeddings for 2",
    ),
    "no architecture": (
        gguf(pairs={"general.architecture": pair("general.architecture", STRING, "../evil")}),
        "general.architecture is missing",
    ),
    "a template with internals": (
        gguf(pairs={"tokenizer.chat_template": pair("tokenizer.chat_template", STRING, "{{ ''.__class__ }}")}),
        "reaches for Python's internals",
    ),
    "a cut file": (gguf()[:100], "past the end of the file"),
    "an empty file": (b"", "shorter than a GGUF header"),
}


@pytest.mark.parametrize(("content", "reason"), CASES.values(), ids=CASES)
def test_a_hostile_gguf_file_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(BaseModelError, match=reason):
        resolve(BaseModelSettings(uri=str(file)), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_file_that_the_plants_start_from_passes(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(gguf())
    header = require_safe_gguf(tmp_path / "model.gguf")
    assert header.shapes == {"token_embd.weight": (8, 2), "blk.0.attn_q.weight": (8, 8)} and header.lengths == {
        "tokenizer.ggml.tokens": 2
    }
