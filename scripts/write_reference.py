"""Writes docs/use_case_reference.md from the schema. `--check` says whether it is up to date instead."""

import argparse
from pathlib import Path

from ft_platform.stages import CHECK_READS, STAGES
from ft_platform.use_case.fields import COMPONENT_TYPE, UseCaseField, fields
from ft_platform.use_case.scaffold import scaffold_yaml

PAGE = Path(__file__).parent.parent / "docs" / "use_case_reference.md"

INTRODUCTION = f"""# The use-case file, field by field

This page is generated from the schema by `python scripts/write_reference.py`. Do not edit it by hand.

A use case is one file, `ft_platform/defs/<use_case>/defs.yaml`. The folder's name is the use case's name, its asset group and
the prefix of its asset keys. `ft new <use_case> --source FILE` writes one for your data, `--all` with every field, `ft check` checks it, `ft schema` prints its JSON Schema.

- `type` is `{COMPONENT_TYPE}`, or `.<module>.<Class>` of a Python file in the same folder that changes the graph of this use case only.
- `attributes` contains the sections below. Unknown fields are errors, and values are never converted: `epochs: true` and `epochs: "2"` are errors too.
  You can write a whole number wherever a number with a fraction is allowed.
- The file is YAML of up to 256 KiB, with numbers as in YAML 1.2 (`0400` and `1:30` are texts). Put texts that YAML reads as something else (`no`, `2020`)
  in quotes. Tags, aliases, merge keys and nesting beyond 32 levels are refused. The file may be a link, as in Kubernetes, if it
  leads to a regular file.
- `{{{{ env.NAME }}}}` inside a text is replaced by the environment variable. An unset variable is an error; values are never printed.
  In a field for a number or for `true` and `false`, the variable is read as one.
- The list of stages below each section says what becomes stale, and is computed again, when the section changes.
"""  # noqa: E501


def page() -> str:
    """The whole page."""
    top = [field for field in fields().values() if "." not in field.path]
    plain = [field for field in top if not field.is_section]
    parts = [INTRODUCTION, "## At the top\n", _table(plain)]
    for section in (field for field in top if field.is_section):
        inside = [field for field in fields().values() if field.path.startswith(f"{section.path}.")]
        parts += [
            f"## {section.path}\n",
            f"{section.description}{'' if section.required else ' May be left out.'} {_readers(section.path)}\n",
            _table(inside),
        ]
        parts += [part for field in inside for part in _kinds(field)]
    parts += [
        "## A complete file\n",
        "What `ft new my_use_case --all` writes:\n",
        f"```yaml\n{scaffold_yaml('my_use_case', every_field=True).rstrip()}\n```\n",
    ]
    return "\n".join(parts)


def _kinds(field: UseCaseField) -> list[str]:
    """Of a mapping whose entries have kinds: a table for each."""
    return [
        part
        for kind, known in field.kinds.items()
        for part in (
            f"`{field.path}`, `kind: {kind}`. {known['kind'].description}\n",
            _table([one for one in known.values() if one.name != "kind"]),
        )
    ]


def _readers(section: str) -> str:
    stages = [name for name, stage in STAGES.items() if section in stage.reads]
    partly = [
        name
        for name, stage in STAGES.items()
        if name not in stages and any(read.startswith(f"{section}.") for read in stage.reads)
    ]
    checks = [name for name, sections in CHECK_READS.items() if section in sections]
    named = (
        [f"`{name}`" for name in stages]
        + [f"`{name}` (in part)" for name in partly]
        + [f"check `{name}`" for name in checks]
    )
    return f"Read by: {', '.join(named)}." if named else "No stage's result depends on it."


def _table(rows: list[UseCaseField]) -> str:
    lines = ["| field | meaning | allowed | default |", "| --- | --- | --- | --- |"]
    for field in rows:
        *allowed, default = field.facts()
        name = field.path.split(".", 1)[-1]
        lines.append(
            f"| `{name}` | {_cell(field.description)} | {_cell('; '.join(allowed))} |"
            f" {_cell(default.removeprefix('default '))} |"
        )
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if the page is not up to date")
    if parser.parse_args().check:
        fresh = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        print(
            f"{PAGE.name} is up to date"
            if fresh
            else f"{PAGE.name} is not up to date. Run: python scripts/write_reference.py"
        )
        return 0 if fresh else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
