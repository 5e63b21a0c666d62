"""Settings under the names that transformers 4 reads too.

transformers 5 writes rotary positions as `rope_parameters`, which 4.57 passes over: it falls back to a theta of 10,000
without a word. It also names tokenizers `TokenizersBackend`, a class that 4.57 does not have.
"""

import json
from pathlib import Path

MOVED = ("rope_theta", "partial_rotary_factor")
"""What transformers 4 reads from the top of `config.json`, and 5 writes below `rope_parameters`."""


def add_old_names(folder: Path) -> None:
    """Writes both names into `config.json`, if the folder has one, and a tokenizer class that both versions know.

    `PreTrainedTokenizerFast` is everything that `tokenizer.json` says and nothing else.
    """
    settings = folder / "tokenizer_config.json"
    tokenizer = json.loads(settings.read_text(encoding="utf-8")) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    settings.write_text(json.dumps(tokenizer, indent=2, ensure_ascii=False), encoding="utf-8")
    if not (folder / "config.json").is_file():
        return
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rope = config.get("rope_parameters") or {}
    config |= {name: rope[name] for name in MOVED if name in rope}
    if rope.get("rope_type", "default") != "default":
        config["rope_scaling"] = rope
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")
