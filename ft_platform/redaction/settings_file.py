"""Whether an instance that was made before has the edge: its settings are copied once, and stay as they are."""

from pathlib import Path

import yaml

INSTANCE_CLASS = {"module": "ft_platform.redaction.instance", "class": "RedactingInstance"}
LINES = "instance_class: {module: ft_platform.redaction.instance, class: RedactingInstance}"


def instance_problems(home: Path) -> list[str]:
    """One line if the Dagster instance in this folder would store texts of records; none where there is no instance
    yet."""
    file = home / "dagster.yaml"
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    except (OSError, ValueError, yaml.YAMLError):  # Dagster says so
        return []
    if not file.is_file() or (isinstance(settings, dict) and settings.get("instance_class") == INSTANCE_CLASS):
        return []
    return [f"the Dagster instance stores texts that may be personal data. Add the line `{LINES}` ({file}:1)"]
