"""What a served model does with a request and its answer beyond answering."""

from ft_platform.settings.section import Section


class Guardrails(Section):
    """What is done with requests before the model and with answers before the caller."""
