"""Draws docs/images/lineage.svg from the table of stages. `--check` says whether it is up to date instead."""

import argparse
from html import escape
from pathlib import Path

from ft_platform.stages import STAGES, Stage

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "lineage.svg"
SOURCE, LAST = "source", "release_decision"
WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE, STRIP = 152, 46, 18, 40, 20, 40
"""Pixels: a box, the gaps between boxes, the margin, the line above the last row."""

COLUMN = {
    "quarantined_records": 2,
    "base_evaluation": 3,
    "adapter_checkpoint": 4,
    "evaluation_report": 2,
    "fairness_report": 1,
    "model_card": 1,
    "roi_report": 2,
    "privacy_report": 3,
    "regression_report": 4,
    "data_report": 5,
    LAST: 3,
    "sign_off": 3,
}
"""Where a stage stands in its row, from 0, so that arrows do not cross. Tables of data stand side by side."""

FILLS = {"restricted": ("#fdeee7", "#c2542d"), "shared": ("#ffffff", "#5a6b86"), "model": ("#e8effc", "#2f5fc4")}
"""Colours of a box: its area and its border."""

MEANINGS = {"restricted": "restricted: personal data", "shared": "shared: anonymized", "model": "shared: runs a model"}


def reduced(stages: dict[str, Stage]) -> list[tuple[str, str]]:
    """Arrows from parent to child, without those that a longer way implies."""

    def behind(name: str) -> set[str]:
        return {name}.union(*(behind(parent) for parent in STAGES[name].parents))

    arrows = []
    for name, stage in stages.items():
        for parent in stage.parents:
            others = [other for other in stage.parents if other != parent]
            if not any(parent in behind(other) for other in others):
                arrows.append((parent, name))
    return arrows


def places(stages: dict[str, Stage], arrows: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """`(column, row)` of each stage: tables in the first row, reports as late as what is built from them allows.

    Raises:
        KeyError: a new stage has no column in COLUMN.
    """

    def steps_to_the_end(name: str) -> int:
        return 1 + max((steps_to_the_end(child) for parent, child in arrows if parent == name), default=-1)

    tables = [SOURCE, *(name for name, stage in stages.items() if stage.kind == "table")]
    rows = max(steps_to_the_end(name) for name in stages if stages[name].kind != "table")
    found = {name: (column, 0) for column, name in enumerate(tables)}
    for name, stage in stages.items():
        if name not in found:
            row = 1 if stage.kind == "quarantine" else 1 + rows - steps_to_the_end(name)
            found[name] = (COLUMN[name], row)
    return found


def note(stage: Stage) -> str:
    """What stands below the name of a stage."""
    said = [f"{len(stage.checks)} check{'' if len(stage.checks) == 1 else 's'}"] if stage.checks else []
    if stage.on_demand:
        said.append(f"from {stage.parents[-1]}")
    elif stage.program:
        said.append(f"model: {stage.program}")
    return ", ".join(said) or {"report": "report", "quarantine": "rejected rows"}.get(stage.kind, "table")


def corner(place: tuple[int, int]) -> tuple[int, int]:
    column, row = place
    return EDGE + column * (WIDTH + GAP_X), EDGE + row * (HEIGHT + GAP_Y)


def box(left: int, top: int, name: str, below: str, kind: str, *, dashed: bool = False) -> str:
    fill, line = FILLS[kind]
    thick = 2.5 if name == LAST else 1.3
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    middle = left + WIDTH / 2
    fitted = f' textLength="{WIDTH - 14}" lengthAdjust="spacingAndGlyphs"' if len(name) > 16 else ""
    return (
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{line}"'
        f' stroke-width="{thick}"{dash}/>'
        f'<text x="{middle}" y="{top + 20}" class="name"{fitted}>{escape(name)}</text>'
        f'<text x="{middle}" y="{top + 36}" class="note">{escape(below)}</text>'
    )


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x, y), (to_x, to_y) = corner(start), corner(end)
    if start[1] == end[1]:
        path = f"M{x + WIDTH} {y + HEIGHT / 2} H{to_x - 2}"
    else:
        x, to_x, y = x + WIDTH / 2, to_x + WIDTH / 2, y + HEIGHT
        bend = min(to_y - y, 2 * GAP_Y) * 0.6
        path = f"M{x} {y} C{x} {y + bend} {to_x} {to_y - bend} {to_x} {to_y - 2}"
    return f'<path d="{path}" fill="none" stroke="#7d8aa0" stroke-width="1.4" marker-end="url(#tip)"/>'


def kind_of(stage: Stage) -> str:
    return "model" if stage.program else stage.zone


def picture() -> str:
    """The whole file."""
    drawn = {name: stage for name, stage in STAGES.items() if not stage.on_demand}
    asked = [stage for stage in STAGES.values() if stage.on_demand]
    arrows = reduced(drawn)
    at = places(drawn, arrows)
    first = next(name for name, stage in drawn.items() if not stage.parents)
    parts = [arrow(at[one], at[other]) for one, other in [(SOURCE, first), *arrows]]
    parts.append(box(*corner(at[SOURCE]), SOURCE, "file, bucket, database", "restricted", dashed=True))
    parts += [box(*corner(at[name]), name, note(stage), kind_of(stage)) for name, stage in drawn.items()]
    left, top = corner((0, 1))
    for number, (kind, meaning) in enumerate(MEANINGS.items()):
        fill, line = FILLS[kind]
        y = top + 8 + 24 * number
        parts.append(f'<rect x="{left}" y="{y}" width="22" height="15" rx="3" fill="{fill}" stroke="{line}"/>')
        parts.append(f'<text x="{left + 30}" y="{y + 12}" class="key">{meaning}</text>')
    rows = max(row for _, row in at.values())
    y = corner((0, rows + 1))[1]
    parts.append(f'<text x="{EDGE}" y="{y + 14}" class="key">Only a person starts these:</text>')
    for column, stage in enumerate(asked):
        x, below = corner((column % 6, 0))[0], y + STRIP - 14 + column // 6 * (HEIGHT + 10)
        parts.append(box(x, below, stage.name, note(stage), kind_of(stage), dashed=True))
    width = corner((6, 0))[0] - GAP_X + EDGE
    height = y + STRIP - 14 + -(-len(asked) // 6) * (HEIGHT + 10) + EDGE - 10
    body = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The lineage graph of a use case, from its source to the release decision</title>
<!-- Written by python scripts/write_picture.py; do not edit it by hand. -->
<style>
text {{ font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1c2738 }}
.name {{ font-size: 14px; font-weight: 600; text-anchor: middle }}
.note {{ font-size: 12px; text-anchor: middle; fill: #4a5870 }}
.key {{ font-size: 13px }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="#7d8aa0"/></marker></defs>
<rect width="{width}" height="{height}" rx="10" fill="#fafbfd"/>
{body}
</svg>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if it is not up to date")
    if parser.parse_args().check:
        fresh = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == picture()
        state = "up to date" if fresh else "not up to date. Run: python scripts/write_picture.py"
        print(f"{PICTURE.name} is {state}")
        return 0 if fresh else 1
    PICTURE.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
