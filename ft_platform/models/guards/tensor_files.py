"""The header of a safetensors file, checked against the file before anything is mapped or allocated.

Format: https://huggingface.co/docs/safetensors#format, eight bytes of length, a JSON header, then the tensors without
gaps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.models.guards.plain_json import parse_json, refused

MOST_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library."""

MOST_METADATA_BYTES = 1 << 20
MOST_DIMENSIONS = 8
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16} | {
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits of one element. Packed types (F4, F6) belong to quantized models, which are refused anyway."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: safetensors dtype and shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file by name.

    Raises:
        BaseModelError: the header is longer than the file, not JSON, has another format's metadata, an unknown type, a
            wrong size, or offsets that overlap, leave gaps or lead past the end.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MOST_HEADER_BYTES):
            refused(path.name, f"its header claims {length:,} bytes, the file has {size:,}", "Download the model again")
        header = parse_json(file.read(length), path.name)
    if not isinstance(header, dict):
        refused(path.name, "its header is not a mapping")
    _require_plain_metadata(header.pop("__metadata__", {}), path.name)
    found = {name: _tensor(name, entry, path.name) for name, entry in header.items()}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"])):
        start, stop = entry["data_offsets"]
        if start != end:
            refused(
                path.name,
                f"tensor {name[:60]!r} begins at byte {start:,}, where {end:,} is expected: tensors overlap or leave"
                " a gap",
            )
        end = stop
    if end != size - 8 - length:
        refused(path.name, f"its tensors end at byte {end:,} of {size - 8 - length:,}", "Download the model again")
    return found


def _tensor(name: str, entry: Any, file: str) -> TensorInfo:
    """One entry; type, shape and byte range must agree."""
    dtype, shape, offsets = (
        entry.get(key) if isinstance(entry, dict) else None for key in ("dtype", "shape", "data_offsets")
    )
    whole = (
        isinstance(shape, list)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and all(_is_count(n) for n in [*shape, *offsets])
    )
    if (
        not whole
        or not isinstance(shape, list)
        or not isinstance(offsets, list)
        or set(entry) != {"dtype", "shape", "data_offsets"}
    ):
        refused(file, f"tensor {name[:60]!r} must have dtype, shape and two data_offsets, all of them counts")
    if dtype not in BITS:
        refused(file, f"tensor {name[:60]!r} has type {str(dtype)[:20]!r}; known are {', '.join(BITS)}")
    if len(shape) > MOST_DIMENSIONS:
        refused(file, f"tensor {name[:60]!r} has {len(shape)} dimensions, more than {MOST_DIMENSIONS}")
    info = TensorInfo(str(dtype), tuple(shape))
    expected = info.elements * BITS[info.dtype] // 8
    if offsets[1] - offsets[0] != expected:
        refused(
            file,
            f"tensor {name[:60]!r} of shape {list(shape)} and type {dtype} needs {expected:,} bytes, its offsets say"
            f" {offsets[1] - offsets[0]:,}",
        )
    return info


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


def _require_plain_metadata(metadata: Any, file: str) -> None:
    """Short texts by name, which nothing runs; a `format` other than PyTorch's is for another library."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        refused(file, "its metadata must be texts by name")
    if sum(len(key) + len(value) for key, value in metadata.items()) > MOST_METADATA_BYTES:
        refused(file, f"its metadata has more than {MOST_METADATA_BYTES:,} characters: something else is hidden in it")
    if metadata.get("format", "pt") != "pt":
        refused(
            file,
            f"its metadata says format {metadata['format'][:20]!r}, expected pt",
            "Convert the weights for PyTorch",
        )
