"""A tiny model that can be written in every form, and a checkpoint really trained on it. Persons are fictitious."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.serving.exporting.export import Order
from ft_platform.serving.exporting.export import export as export_checkpoint
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.tiny_models import CHATML, SPECIAL, tiny_model, usable_splits

MERGES = [("c", "a"), ("ca", "r"), ("h", "o"), ("Ġ", "m")]


def merging_tokenizer() -> Any:
    """256 bytes and four merges, as a GGUF file needs some."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in MERGES)]
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    made.chat_template = CHATML
    return made


@dataclass
class Case:
    """An installation with a checkpoint."""

    environment: Environment
    lake: Lake
    use_case: NamedUseCase
    checkpoint: ArtifactVersion

    def export(self, form: Any, out: str, **order: Any) -> dict[str, Any]:
        asked = {"dtype": "float32", "quantization": "f16", **order}
        return export_checkpoint(
            self.lake, self.environment, self.use_case, self.checkpoint, Order(form, out=self.place(out), **asked)
        )

    def place(self, out: str) -> Path:
        return self.environment.home / "exports" / out

    def left(self) -> list[str]:
        """Everything in the folder of exports, hidden files too."""
        folder = self.environment.home / "exports"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def trained(
    home: Path, kind: str, architecture: str = "llama", base: dict[str, Any] | None = None, **training: Any
) -> Case:
    """A checkpoint of a task of `kind` (`classification` or `generation`). Some seconds.

    Args:
        base: section `base_model`; by default a random model of this architecture.
    """
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    if base is None:
        sizes = {"vocab_size": 264, "hidden_size": 64, "num_attention_heads": 4, "head_dim": 16}
        ids = {"bos_token_id": 261, "eos_token_id": 260, "pad_token_id": 260}
        tiny_model(architecture, **sizes, **ids).save_pretrained(home / "base")
        merging_tokenizer().save_pretrained(home / "base")
    attributes = attributes_for(home / "base", kind)
    attributes["base_model"] = base or attributes["base_model"]
    attributes["training"] |= {"learning_rate": 0.003, "epochs": 3, **training}
    write_use_case(environment.defs, "complaints", attributes)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows_for(kind), splits_schema(use_case))
    checkpoint = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("test")).checkpoint
    return Case(environment, lake, use_case, checkpoint)
