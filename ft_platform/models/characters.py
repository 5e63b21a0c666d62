"""What takes the place of a base model where a model reads words and nothing else: a tokenizer without weights. Its ids
are characters, so a prompt is the words of the user as they are."""

import hashlib
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ft_platform.models.rendering.chat_markers import ChatMarkers
from ft_platform.use_case.settings.base_model import WORDS_ONLY

SHA256 = hashlib.sha256(f"{WORDS_ONLY.uri} 1".encode()).hexdigest()
"""In place of the hash of weights. Raise the number when the same text would have other ids."""
END = 0x110000
"""Behind the last code point of Unicode: no text holds it."""
BARE = ChatMarkers("", "", "", "", "\n\n", "", from_template=False)


class Characters:
    """As much of a tokenizer of transformers as a `Renderer` asks for. An id is a code point."""

    markers = BARE
    eos_token_id = END
    added_tokens_decoder = {END: SimpleNamespace(content="", special=True)}

    def __call__(self, text: Any, **_: Any) -> dict[str, Any]:
        """The ids of a text, or of each of several."""
        return {"input_ids": list(map(ord, text)) if isinstance(text, str) else [list(map(ord, one)) for one in text]}

    def decode(self, ids: Iterable[int], **_: Any) -> str:
        return "".join(chr(one) for one in ids if one != END)

    def batch_decode(self, rows: Iterable[Iterable[int]], **_: Any) -> list[str]:
        return [self.decode(row) for row in rows]
