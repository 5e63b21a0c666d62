"""How long a request may be."""

from collections.abc import Sequence

from ft_platform.models.rendering.text_tokens import TextTokens
from ft_platform.serving.guardrails.refusal import Refused
from ft_platform.use_case.settings.guardrails import Guardrails

NAME = "longest_input"


def require_short(texts: Sequence[str], settings: Guardrails, tokens: TextTokens) -> None:
    """Returns if the texts of a conversation are together no longer than `longest_input`.

    Raises:
        Refused: they are longer.
    """
    longest = settings.longest_input
    if longest is None:
        return
    unit = settings.longest_input_unit
    # No more of a text is tokenized than decides it.
    length = sum(len(text) if unit == "characters" else len(tokens.content(text, longest + 1)) for text in texts)
    if length > longest:
        raise Refused(NAME, f"the text of a request may have at most {longest} {unit}")
