"""Manifests and verdicts that name a person, such as one of a source with a file per person."""

from contextlib import suppress

from ft_platform.erasure.needles import Needles
from ft_platform.lake.store import Lake


def erase_from_control_files(lake: Lake, use_case: str, needles: Needles) -> int:
    """Writes and signs each anew without the words. Returns how many were."""
    seals = lake.seals(use_case)
    changed = 0
    for relative, entry in list(seals.paths().items()) if seals else []:
        path = f"{lake.folder}/{relative}"
        with suppress(FileNotFoundError):  # somebody answers for its loss, or will be told of it by the proof
            content = seals.read(path) if seals else b""
            left = needles.without(content)
            if left != content and seals:
                seals.write(path, left)
                if entry.what == "erased":  # of its content that stays true
                    seals.erase(path, entry.note)
                lake.settle(path)
                changed += 1
    return changed
