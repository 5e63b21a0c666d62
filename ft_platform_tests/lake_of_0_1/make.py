"""Makes `lake.tar.xz`: an installation of an earlier version whose persons are fictitious.

Run it in an empty folder with the code of that version: `git worktree add OLD 6600563` (0.1) or `46affc63` (0.2), then
`PYTHONPATH=OLD python <this file>`, then `tar --exclude=.ft/cache --owner=0 --group=0 -cJf lake.tar.xz .`
"""

import os
from pathlib import Path
from typing import Any

DATA_HALF = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]


def dot(_figure: Any, file: Any, **_options: Any) -> None:
    """Stands in for each picture: they would be most of the file."""
    from ft_platform_tests.conftest import DOT

    Path(file).write_bytes(DOT) if isinstance(file, str | os.PathLike) else file.write(DOT)


def main() -> int:
    from matplotlib.figure import Figure

    from ft_platform import __version__, cli
    from ft_platform_tests.conftest import minimal_attributes, write_use_case
    from ft_platform_tests.graph import records, write_csv
    from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

    assert __version__ in ("0.1.0", "0.2.0"), "made by an earlier version"
    Figure.savefig = dot  # pyright: ignore[reportAttributeAccessIssue]
    sizes: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    tiny_model(**sizes, num_key_value_heads=1, head_dim=4).save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    write_csv(Path("records.csv"), records(10))
    attributes = {
        **minimal_attributes("records.csv"),
        "base_model": {"uri": "./model", "dtype": "float32"},
        "training": {"epochs": 1, "rank": 1},
    }
    write_use_case(Path("defs"), "complaints", attributes)
    Path("ft_environment.yaml").write_text("defs: defs\ntracking_uri: none\n")
    return cli.main(["run", "complaints", "--select", *DATA_HALF, "adapter_checkpoint"])


if __name__ == "__main__":
    raise SystemExit(main())
