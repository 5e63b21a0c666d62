"""Turns `sample://complaints?rows=1600&seed=7&bias=0` into a file, once, and its ground truth beside it."""

import hashlib
import json
from collections.abc import Collection
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import SourceError
from ft_platform.lake.files import write_bytes

ENDINGS = {"complaints": "csv", "feedback": "csv", "support": "json"}
"""Samples there are, each a module of this package, and the format of their file."""
PER_CENT = {"complaints": "bias", "feedback": "shuffled"}
"""Parameter of a sample in per cent, 0 by default. `bias`: of one group's records get a planted wrong label.
`shuffled`: of all exchange their labels."""
LIMITED = ("feedback",)
"""Samples of real texts: there are no more rows than texts (`most_rows`)."""
DEFAULT_SEED = 7
MIN_ROWS, MAX_ROWS = 100, 1_000_000


def sample_file(uri: str, folder: Path) -> Path:
    """The file of a sample, generated at first use. Equal URIs and code give the same bytes.

    Raises:
        SourceError: no such sample, or wrong parameters.
    """
    name, rows, seed, per_cent = _parsed(uri)
    path = (
        folder
        / f"{name}-{rows}-{seed}{f'-{PER_CENT[name]}{per_cent}' if per_cent else ''}-{_code_version()}.{ENDINGS[name]}"
    )
    if not (path.exists() and truth_file(path).exists()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text, truth = _generated(name, rows, seed, per_cent)
        # The truth first: a sample that is there has one.
        write_bytes(LocalFileSystem(), str(truth_file(path)), json.dumps(truth, ensure_ascii=False, indent=1).encode())
        write_bytes(LocalFileSystem(), str(path), text.encode())
    return path


@lru_cache(maxsize=8)
def sample_sha256(uri: str) -> str:
    """sha256 of a sample, generated anew: a file of its name may have been replaced.

    Raises:
        SourceError: no such sample, or wrong parameters.
    """
    return hashlib.sha256(_generated(*_parsed(uri))[0].encode()).hexdigest()


def sentences_around(uri: str) -> list[str] | None:
    """Sentences of a sample of real texts, for texts that are like its records; None for other samples, whose sentences
    are made up."""
    module = _module(_parsed(uri)[0])
    return [sentence for *_, sentence in module.sentences()] if _parsed(uri)[0] in LIMITED else None


def is_generated(uri: str, sha256s: Collection[str]) -> bool:
    """Whether files that were read from a source hold nothing but what this platform generates for it.

    Args:
        uri: `source.uri`.
        sha256s: of every file that its records came from.
    """
    return uri.startswith("sample://") and set(sha256s) == {sample_sha256(uri)}


def _generated(name: str, rows: int, seed: int, per_cent: int) -> tuple[str, dict[str, Any]]:
    return _module(name).generate(rows, seed, **({PER_CENT[name]: per_cent} if per_cent else {}))


def truth_file(sample: Path) -> Path:
    return sample.with_suffix(".truth.json")


def _parsed(uri: str) -> tuple[str, int, int, int]:
    parts = urlsplit(uri)
    if parts.netloc not in ENDINGS:
        raise SourceError(
            f"source.uri {uri}: there is no sample {parts.netloc!r}",
            f"Use one of {', '.join(f'sample://{name}' for name in ENDINGS)}",
        )
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    module, per_cent = _module(parts.netloc), PER_CENT.get(parts.netloc)
    defaults = {"rows": module.DEFAULT_ROWS, "seed": DEFAULT_SEED, **({per_cent: 0} if per_cent else {})}
    wrong = sorted(set(values) - set(defaults)) + [k for k, v in values.items() if k in defaults and not v.isdecimal()]
    found = {k: int(values[k]) if values.get(k, "").isdecimal() else default for k, default in defaults.items()}
    most = module.most_rows() if parts.netloc in LIMITED else MAX_ROWS
    share = found[per_cent] if per_cent else 0
    if wrong or not MIN_ROWS <= found["rows"] <= most or share > 100:
        named = f" and {per_cent} (0 to 100)" if per_cent else ""
        raise SourceError(
            f"source.uri {uri}: expected rows ({MIN_ROWS} to {most}), seed{named}, whole numbers, got {parts.query!r}",
            f"For example sample://{parts.netloc}?rows={module.DEFAULT_ROWS}&seed={DEFAULT_SEED}",
        )
    return parts.netloc, found["rows"], found["seed"], share


def _module(name: str) -> Any:
    return import_module(f"ft_platform.sources.samples.{name}")


@cache
def _code_version() -> str:
    """Changes with the generator: another version of it must not pass for the same file."""
    files = sorted(
        p for p in Path(__file__).parent.iterdir() if p.suffix in (".py", ".yaml", ".tsv") and p.name != "truth.py"
    )
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:8]
