"""Tiny random models with a byte-level tokenizer, and a lake with splits that may be trained on. Nothing is
downloaded."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.columns import MESSAGES
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}{{ '<|im_start|>system\nYou help.<|im_end|>\n'"
    " }}{% endif %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}{% if"
    " add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Mistral-like: no system role, it raises.
INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{%"
    " endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST] ' }}{% else %}{{ m['content'] +"
    " eos_token }}{% endif %}{% endfor %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def tiny_tokenizer(template: str | None = CHATML) -> Any:
    """256 bytes, three control tokens, and one added token `<think>` that is not marked as special."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken("<think>", special=False)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token=None,
    )
    made.chat_template = template
    return made


def tiny_model(architecture: str = "llama", **settings: Any) -> Any:
    """A random causal LM of one of transformers' architectures, float32, with weights large enough to make attention
    matter."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "vocab_size": 260,
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    ids = {"max_position_embeddings": 512, "pad_token_id": 0, "bos_token_id": 257, "eos_token_id": 258}
    torch.manual_seed(0)
    if architecture.startswith("qwen"):
        sizes["max_window_layers"] = sizes["num_hidden_layers"]
    config = AutoConfig.for_model(architecture, **{**sizes, **ids, **settings})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.12)
    return model.eval()


def save_tiny_model(folder: Path) -> Path:
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def use_case_for(model: str | Path, **training: Any) -> NamedUseCase:
    attributes = {
        **minimal_attributes("unused.csv"),
        "base_model": {"uri": str(model), "dtype": "float32"},
        "training": {"recipe": "manual", **training},
    }
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


SCHEMA = pa.schema([("record_id", pa.string()), ("messages", MESSAGES), ("label", pa.string()), ("split", pa.string())])


def split_rows(rows: int = 48) -> list[dict[str, Any]]:
    """Fictitious complaints whose label follows from one word; three of four in train, one in validation."""
    made = []
    for number in range(rows):
        label = ("loan", "card")[number % 2]
        text = f"Case {number}: my {('house', 'swipe')[number % 2]} was handled badly."
        split = "validation" if number % 8 in (2, 5) else "train"
        made.append(
            {
                "record_id": f"r{number:04d}",
                "messages": [{"role": "user", "content": text}],
                "label": label,
                "split": split,
            }
        )
    return made


def save_tiny_encoder(folder: Path) -> Path:
    """A random BERT of two layers and 256 bytes as its vocabulary, as a folder."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 260,
        "max_position_embeddings": 64,
    }
    BertModel(BertConfig(**sizes)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


RECALL = {
    "status": "above_floor",
    "says": "In 60 annotated texts of this source at least 0.9 of every entity is found.",
    "basis": "own_records",
    "entities": {"EMAIL": {"recall": 0.99, "low": 0.95, "high": 1.0, "spans": 70, "texts": 60}},
}
"""Made-up numbers of a verdict `recall_above_floor` that a release is accepted on."""


def usable_splits(
    lake: Lake, use_case: NamedUseCase, rows: list[dict[str, Any]] | None = None, schema: pa.Schema = SCHEMA
) -> TableVersion:
    """`splits` with manifests and passed verdicts of itself and all it was built from."""
    parents: list[TableVersion] = []
    table = pa.Table.from_pylist(split_rows() if rows is None else rows, schema)
    for stage in STAGES.values():
        if stage.kind != "table":
            continue
        version = lake.write_table(
            use_case.name,
            stage.name,
            table.to_batches(),
            schema,
            zone=stage.zone,
            parents=parents,
            settings_hash=stage.settings_hash(use_case),
            input_hash=stage.name,
        )
        for check in stage.checks:
            lake.add_verdict(
                version,
                check,
                True,
                check_settings_hash(use_case, stage.name, check),
                RECALL if check == "recall_above_floor" else None,
            )
        parents = [version]
    return parents[0]
