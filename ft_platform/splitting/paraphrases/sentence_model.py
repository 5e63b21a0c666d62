"""Vectors of texts by a sentence model of the department's choice (`models.sentence_encoder`)."""

import pyarrow as pa

from ft_platform.models.sentence_encoder import SentenceEncoder, encoder_fingerprint
from ft_platform.splitting.paraphrases.vector_file import packed_vectors
from ft_platform.splitting.texts import user_column
from ft_platform.use_case.settings.splits import Splits

SETTING = "splits.sentence_model"


def model_fingerprint(settings: Splits) -> str:
    """One sha256 over the files of `splits.sentence_model`.

    Raises:
        ConfigError: it is no folder with safetensors weights.
    """
    return encoder_fingerprint(str(settings.sentence_model), SETTING)


class SentenceModel:
    """Batches with `messages` to vectors of the user's words (`engines.BatchFunction`).

    Args:
        name: `splits.sentence_model`.

    Raises:
        ConfigError: it is no folder with a model that can be loaded.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        self._encoder = SentenceEncoder(name, SETTING)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return packed_vectors(self._encoder.vectors(user_column(batch.column("messages")).to_pylist()))
