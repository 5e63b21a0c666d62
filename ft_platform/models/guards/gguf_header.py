"""The header of a GGUF file, read with bounds before any library maps it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Block sizes of the tensor types are those of the gguf
package."""

import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft_platform.models.guards.chat_templates import MOST_CHARACTERS, require_safe_templates
from ft_platform.models.guards.plain_json import refused

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MOST_PAIRS, MOST_TENSORS, MOST_STRING, MOST_ARRAY = 4096, 100_000, 16 << 20, 1 << 23
MOST_DIMENSIONS = 4
MOST_BLOCKS = 4096
SIZES = ("embedding_length", "feed_forward_length")
"""Keys whose value must be a dimension of a tensor: transformers allocates from them."""


@dataclass
class GgufHeader:
    """What a file says of itself.

    Attributes:
        values: metadata by key; of long arrays the length only.
        lengths: length of each array.
        shapes: dimensions of each tensor.
    """

    values: dict[str, Any] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


class _Cursor:
    """Reads values one after the other; none may go past the end."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self.data, self.name, self.place = data, name, 0

    def take(self, count: int, what: str) -> bytes:
        if count > len(self.data) - self.place:
            refused(
                self.name,
                f"{what} of {count:,} bytes at byte {self.place:,} goes past the end of the file ({len(self.data):,}"
                " bytes)",
                "Download it again",
            )
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self, kind: str, what: str) -> Any:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}"), what))[0]

    def text(self, what: str, most: int = MOST_STRING) -> str:
        length = self.number("Q", f"the length of {what}")
        if length > most:
            refused(self.name, f"{what} claims {length:,} bytes, more than {most:,}")
        return self.take(length, what).decode("utf-8", errors="replace")


def require_safe_gguf(path: Path) -> GgufHeader:
    """The header of a GGUF file that may be opened.

    Raises:
        BaseModelError: naming the reason.
    """
    if not path.is_file():
        refused(path.name, "it is no plain file")
    if path.stat().st_size < 24:
        refused(path.name, "it is shorter than a GGUF header", "Download it again")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = _read(_Cursor(data, path.name))
    _require_fitting(header, path.name)
    return header


def _read(cursor: _Cursor) -> GgufHeader:
    if cursor.take(4, "the magic") != MAGIC:
        refused(cursor.name, "it does not begin with GGUF", "Name a GGUF file, or a folder with safetensors")
    version = cursor.number("I", "the version")
    if version not in VERSIONS:
        refused(
            cursor.name, f"GGUF version {version}, known are {VERSIONS}", "Convert it to GGUF version 3, little endian"
        )
    tensors, pairs = cursor.number("Q", "the tensor count"), cursor.number("Q", "the metadata count")
    if tensors > MOST_TENSORS or pairs > MOST_PAIRS:
        refused(
            cursor.name,
            f"it claims {tensors:,} tensors and {pairs:,} metadata entries, more than {MOST_TENSORS:,} and"
            f" {MOST_PAIRS:,}",
        )
    header = GgufHeader()
    for _ in range(pairs):
        key = cursor.text("a metadata key", 65_535)
        if key in header.values:
            refused(cursor.name, f"the metadata key {key[:60]!r} is there twice")
        header.values[key] = _value(cursor, cursor.number("I", "a type"), key, header)
    ranges = [_tensor(cursor, header) for _ in range(tensors)]
    _require_apart(cursor, header, ranges)
    return header


def _value(cursor: _Cursor, kind: int, key: str, header: GgufHeader) -> Any:
    if kind in SCALARS:
        return cursor.number(SCALARS[kind], key[:60])
    if kind == STRING:
        return cursor.text(key[:60])
    if kind != ARRAY:
        refused(cursor.name, f"the metadata key {key[:60]!r} has type {kind}, which GGUF does not have")
    inner, length = cursor.number("I", "a type"), cursor.number("Q", "an array length")
    header.lengths[key] = length
    if length > MOST_ARRAY:
        refused(cursor.name, f"the array {key[:60]!r} claims {length:,} values, more than {MOST_ARRAY:,}")
    if inner in SCALARS:
        cursor.take(length * struct.calcsize(f"<{SCALARS[inner]}"), key[:60])
    elif inner == STRING:
        for _ in range(length):
            cursor.text(f"a text of {key[:60]}", 65_535)
    else:
        refused(cursor.name, f"the array {key[:60]!r} holds type {inner}; numbers and texts are expected")
    return None


def _tensor(cursor: _Cursor, header: GgufHeader) -> tuple[int, int, str]:
    """Adds one tensor; start and end of its bytes within the data part."""
    from gguf.constants import GGML_QUANT_SIZES

    name = cursor.text("a tensor name", 1024)
    if name in header.shapes:
        refused(cursor.name, f"the tensor {name[:60]!r} is there twice")
    dimensions = cursor.number("I", "a dimension count")
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        refused(cursor.name, f"the tensor {name[:60]!r} has {dimensions} dimensions, expected 1 to {MOST_DIMENSIONS}")
    shape = tuple(cursor.number("Q", "a dimension") for _ in range(dimensions))
    kind, offset = cursor.number("I", "a tensor type"), cursor.number("Q", "an offset")
    sizes = {int(one): size for one, size in GGML_QUANT_SIZES.items()}
    if kind not in sizes:
        refused(cursor.name, f"the tensor {name[:60]!r} has type {kind}, which gguf does not know")
    block, block_bytes = sizes[kind]
    elements = math.prod(shape)
    if elements % block:
        refused(
            cursor.name, f"the tensor {name[:60]!r} has {elements:,} elements, no whole number of blocks of {block}"
        )
    header.shapes[name] = shape
    return offset, offset + elements // block * block_bytes, name


def _require_apart(cursor: _Cursor, header: GgufHeader, ranges: list[tuple[int, int, str]]) -> None:
    """Tensors lie behind the header, within the file, none in another."""
    alignment = header.values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 16 or alignment & (alignment - 1):
        refused(cursor.name, f"general.alignment {alignment!r} is no power of two up to 65,536")
    room = len(cursor.data) - math.ceil(cursor.place / alignment) * alignment
    before = 0
    for start, end, name in sorted(ranges):
        if end > room:
            refused(
                cursor.name,
                f"the tensor {name[:60]!r} ends at byte {end:,} of {max(room, 0):,}: past the end of the file",
                "Download it again",
            )
        if start < before:
            refused(cursor.name, f"the tensor {name[:60]!r} overlaps another one")
        before = end


def _require_fitting(header: GgufHeader, name: str) -> None:
    """What transformers allocates from must agree with the tensors that are there."""
    architecture = header.values.get("general.architecture")
    if not isinstance(architecture, str) or not architecture.replace("-", "").replace("_", "").isalnum():
        refused(name, "general.architecture is missing")
    blocks = header.values.get(f"{architecture}.block_count")
    if not isinstance(blocks, int) or not 0 < blocks <= min(MOST_BLOCKS, len(header.shapes)):
        refused(name, f"{architecture}.block_count is {blocks!r}, with {len(header.shapes):,} tensors in the file")
    dimensions = {size for shape in header.shapes.values() for size in shape}
    for key in SIZES:
        size = header.values.get(f"{architecture}.{key}")
        if size is not None and size not in dimensions:
            refused(name, f"{architecture}.{key} is {size:,}, but no tensor has that size")
    embedding = header.shapes.get("token_embd.weight")
    tokens = header.lengths.get("tokenizer.ggml.tokens", 0)
    said = header.values.get(f"{architecture}.vocab_size", tokens)
    if embedding is None or max(tokens, said) > embedding[-1]:
        refused(name, f"it has {max(tokens, said):,} tokens, but embeddings for {embedding[-1] if embedding else 0:,}")
    template = header.values.get("tokenizer.chat_template")
    if isinstance(template, str):
        if len(template) > MOST_CHARACTERS:
            refused(name, f"its chat template has more than {MOST_CHARACTERS:,} characters")
        require_safe_templates({name: template})
