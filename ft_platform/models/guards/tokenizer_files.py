"""Tokenizer files: no code, no way out of the folder, ids within the embedding, and nothing that explodes when a text
is tokenized."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ft_platform.models.guards.plain_json import read_json, read_object, refused
from ft_platform.models.guards.regexes import why_explosive

CONFIGS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "processor_config.json",
)
NAMES_CODE = re.compile(r"auto_map|remote_code|custom_|^slow_tokenizer_class$|^processor_class$", re.IGNORECASE)
OVERRIDES_A_FILE = re.compile(r"_files?$")
"""transformers opens what `vocab_file` and its like say, before the file in the folder."""

OF_THE_SAVER = ("special_tokens_map_file", "name_or_path", "tokenizer_file")
"""Where it was saved from. `tokenizer_file` is refused all the same where it is no plain name."""

MODELS = ("BPE", "Unigram", "WordPiece", "WordLevel")
MOST_ENTRIES = 1 << 22
MOST_GROWTH = 16
"""Characters that a normalizer may make of one. NFKD makes up to 18 of U+FDFA alone; that one is measured by the probe,
not here."""

MOST_PADDING = 1 << 20
MOST_STEPS = 64


def require_safe_tokenizer(folder: Path, embedding_rows: int) -> None:
    """Raises BaseModelError if a tokenizer file of the folder is refused.

    Args:
        embedding_rows: tokens that the model has an embedding for; an id past it would read other memory or fail in the
            middle of a run.
    """
    for name in CONFIGS:
        path = folder / name
        if path.exists():
            _require_plain_config(read_object(path), name, embedding_rows)
    if (folder / "tokenizer.json").exists():
        require_safe_pipeline(read_object(folder / "tokenizer.json"), embedding_rows)
    vocabulary = folder / "vocab.json"
    if vocabulary.exists():
        _require_ids(read_object(vocabulary), "vocab.json", embedding_rows)


def _require_plain_config(config: dict[str, Any], name: str, embedding_rows: int) -> None:
    for key, value in config.items():
        if value in (None, False, "", [], {}):
            continue
        if NAMES_CODE.search(key) and key != "processor_class":
            refused(
                name,
                f"it names code to run: {key}",
                "Use a tokenizer that transformers supports by itself; remote code is never run",
            )
        if OVERRIDES_A_FILE.search(key) and key != "special_tokens_map_file":
            refused(name, f"{key} names another file than those of the folder", "Remove the key")
    if name == "tokenizer_config.json":
        _require_known_class(config.get("tokenizer_class"), name)
        for number, token in (config.get("added_tokens_decoder") or {}).items():
            if not number.isdigit():
                refused(name, "added_tokens_decoder must be keyed by token ids")
            _require_id(int(number), token.get("content") if isinstance(token, dict) else None, name, embedding_rows)
    if name == "added_tokens.json":
        _require_ids(config, name, embedding_rows)


def _require_known_class(name: Any, file: str) -> None:
    """`tokenizer_class` must be a class of transformers itself."""
    if name is None:
        return
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    if not isinstance(name, str) or tokenizer_class_from_name(name) is None:
        refused(
            file,
            f"tokenizer_class {str(name)[:60]!r} is no tokenizer of transformers itself",
            "Use PreTrainedTokenizerFast with a tokenizer.json",
        )


def require_safe_pipeline(tokenizer: dict[str, Any], embedding_rows: int) -> None:
    """Raises BaseModelError for a `tokenizer.json` that is refused."""
    file = "tokenizer.json"
    model = tokenizer.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") not in MODELS:
        refused(file, f"its model must be one of {', '.join(MODELS)}")
    _require_ids(model.get("vocab"), file, embedding_rows)
    for token in tokenizer.get("added_tokens") or []:
        whole = isinstance(token, dict) and isinstance(token.get("id"), int)
        _require_id(
            token["id"] if whole else -1,
            token.get("content") if isinstance(token, dict) else None,
            file,
            embedding_rows,
        )
    padding, truncation = tokenizer.get("padding"), tokenizer.get("truncation")
    for place, one in (("padding", padding), ("truncation", truncation)):
        largest = max((n for n in _numbers(one)), default=0)
        if largest > MOST_PADDING and place == "padding":
            refused(file, f"padding makes every text {largest:,} tokens long")
    _require_bounded_normalizer(tokenizer.get("normalizer"), file)
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        for pattern in _patterns(tokenizer.get(part)):
            if why := why_explosive(pattern):
                refused(file, f"a pattern of its {part} can take without end: {why}", "Choose another tokenizer")
    processor = tokenizer.get("post_processor")
    if sum(1 for _ in _mappings(processor)) > 1000:
        refused(file, "its post_processor adds more than 1000 pieces to every text")


def _require_ids(vocabulary: Any, file: str, embedding_rows: int) -> None:
    """A mapping of tokens to ids, or Unigram's list of tokens whose place is the id."""
    if not isinstance(vocabulary, (dict, list)) or len(vocabulary) > MOST_ENTRIES:
        refused(file, f"its vocabulary must be tokens by name or a list of them, at most {MOST_ENTRIES:,}")
    if isinstance(vocabulary, list):
        _require_id(len(vocabulary) - 1 if vocabulary else 0, "", file, embedding_rows)
        return
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in vocabulary.values()):
        refused(file, "its vocabulary must map tokens to whole numbers")
    if len(set(vocabulary.values())) != len(vocabulary):
        refused(file, "two tokens of its vocabulary have one id")
    for number in (min(vocabulary.values(), default=0), max(vocabulary.values(), default=0)):
        _require_id(number, "", file, embedding_rows)


def _require_id(number: int, content: Any, file: str, embedding_rows: int) -> None:
    if not isinstance(content, str):
        refused(file, "an added token must have an id and a text")
    if not 0 <= number < embedding_rows:
        refused(
            file,
            f"token id {number:,} is outside the model's {embedding_rows:,} embeddings",
            "Use the tokenizer of this model",
        )


def _require_bounded_normalizer(normalizer: Any, file: str) -> None:
    steps = [one for one in _mappings(normalizer) if one.get("type") in ("Replace", "Prepend", "Sequence")]
    if len(steps) > MOST_STEPS:
        refused(file, f"its normalizer has {len(steps)} steps, more than {MOST_STEPS}")
    growth = 1.0
    for step in steps:
        if step["type"] == "Replace":
            pattern, content = step.get("pattern"), step.get("content")
            text = next(iter(pattern.values()), None) if isinstance(pattern, dict) else None
            if not isinstance(text, str) or not isinstance(content, str) or not text:
                refused(file, "a Replace of its normalizer must have a pattern that is not empty, and a text")
            shortest = len(text) if isinstance(pattern, dict) and "String" in pattern else 1
            growth *= max(1.0, len(content) / shortest)
        elif step["type"] == "Prepend" and len(str(step.get("prepend"))) > MOST_GROWTH:
            growth = math.inf
    if growth > MOST_GROWTH:
        refused(
            file,
            f"its normalizer can make {growth:.3g} characters of one, more than {MOST_GROWTH}",
            "Choose another tokenizer",
        )


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(inner)


def _patterns(value: Any) -> Iterator[str]:
    for one in _mappings(value):
        if isinstance(one.get("Regex"), str):
            yield one["Regex"]


def _numbers(value: Any) -> Iterator[int]:
    for one in _mappings(value):
        yield from (n for n in one.values() if isinstance(n, int) and not isinstance(n, bool))


def special_tokens(folder: Path) -> dict[str, str]:
    """`bos_token` and its like as texts, for rendering the chat template."""
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}
    found = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"):
        value = config.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            found[name] = text
    return found
