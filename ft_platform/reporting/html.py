"""Pages that are one file: styles and pictures inside, nothing loaded from anywhere, values escaped, fit for print."""

import base64
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, **values: Any) -> str:
    """A page from `templates/<template>`. Every value is escaped.

    Args:
        values: for the template; `pictures` maps names to PNG bytes.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "picture": picture,
        "short_hash": lambda text: text[:12],
    }
    return environment.get_template(template).render(**values)


def number(value: float | int | None) -> str:
    """A score with three places after the point, a count with thousands separated."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def picture(png: bytes) -> str:
    """Source of an `<img>`."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
