"""The training that is killed: a random model of two layers, fictitious complaints, a state after every step."""

from pathlib import Path
from typing import Any

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment

NAME = "kill_test"
RECORDS = 40
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SETTINGS: dict[str, Any] = {
    "description": "A training that is killed on purpose, with fictitious complaints.",
    "owners": {"accountable": "team:platform"},
    "task": {"kind": "classification", "instruction": "Name the product. One of: {labels}."},
    "source": {"uri": "not-read.csv"},
    "record": {"text": "text", "label": "label"},
    "governance": {"purpose": "test", "licence": "CC0-1.0", "without_consent_column": "licence"},
    # Dropout, so that the random number generator counts; two validations per epoch, so that the best weights and the
    # misses count.
    "training": {
        "recipe": "manual",
        "learning_rate": 5e-3,
        "batch_rows": 8,
        "rank": 4,
        "epochs": 2.5,
        "dropout": 0.1,
        "weight_decay": 0.01,
        "micro_batch_tokens": 400,
    },
    "release": {"intended_use": "A test of the training program."},
    "compute": {"save_minutes": 0.0, "threads": 1},
}


def build(folder: Path) -> None:
    """Writes base model and splits below `folder`."""
    import pyarrow as pa

    from ft_platform.records.columns import MESSAGES

    _write_model(folder / "model")
    schema = pa.schema(
        [("record_id", pa.string()), ("messages", MESSAGES), ("label", pa.string()), ("split", pa.string())]
    )
    rows = []
    for number in range(RECORDS):
        label, word = (("loan", "house"), ("card", "swipe"))[number % 2]
        messages = [{"role": "user", "content": f"Case {number}: my {word} was handled badly."}]
        split = "validation" if number % 8 in (2, 5) else "train"
        rows.append({"record_id": f"r{number:04d}", "messages": messages, "label": label, "split": split})
    batches = pa.Table.from_pylist(rows, schema).to_batches()
    lake_of(folder).write_table(
        NAME, "splits", batches, schema, zone="shared", parents=[], settings_hash="kill-test", input_hash="kill-test"
    )


def _write_model(folder: Path) -> None:
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_only = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bytes_only.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    bytes_only.add_special_tokens(
        [AddedToken(text, special=True) for text in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_only,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token=None,
    )
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=257,
        eos_token_id=258,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def lake_of(folder: Path) -> Lake:
    return open_lake(environment_of(folder))


def environment_of(folder: Path) -> Environment:
    return Environment(home=folder, lake_root=str(folder / "lake"), tracking_uri="none")


def use_case_of(folder: Path) -> NamedUseCase:
    settings = {**SETTINGS, "base_model": {"uri": str(folder / "model"), "dtype": "float32"}}
    return NamedUseCase(name=NAME, settings=UseCase.model_validate(settings))


def splits_of(folder: Path) -> TableVersion:
    splits = lake_of(folder).latest(NAME, "splits")
    assert splits is not None
    return splits
