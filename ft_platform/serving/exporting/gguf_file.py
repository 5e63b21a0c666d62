"""A merged checkpoint as one GGUF file, for llama.cpp and Ollama.

Covered: Llama's architecture (`model_type: llama`, as SmolLM2, Llama 2 and 3 have it) with a byte-level BPE tokenizer.
Not covered: other architectures, SentencePiece tokenizers, stretched positions (`rope_scaling`): they are refused.

Names and order of tensors: llama.cpp, `convert_hf_to_gguf.py`, and `gguf.constants`.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ft_platform.errors import ExportRefused, MissingExtra
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process import progress

Quantization = Literal["f16", "q8_0", "q4_0"]
NAME = "model.gguf"
MODELFILE = "Modelfile"
ARCHITECTURES = ("llama",)
BLOCK = 32
"""Weights of a row that share a scale in q8_0 and q4_0."""
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE_TOKENIZERS = {
    "gpt-2": [BYTE_LEVEL],
    "smollm": [DIGITS, BYTE_LEVEL],
    "llama-bpe": [
        {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False},
        {**BYTE_LEVEL, "use_regex": False},
    ],
}
"""How llama.cpp cuts a text before it looks for tokens (`llama-vocab.cpp`), by its name there -> the same in a
`tokenizer.json`."""
INNER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def problem_of(model: Any, tokenizer: Any) -> str | None:
    """Why a model cannot be written as GGUF, in words; None where it can."""
    kind, rope = model.config.model_type, (model.config.rope_parameters or {}).get("rope_type", "default")
    if kind not in ARCHITECTURES:
        return f"base models of type {kind} are not written as GGUF yet, only {', '.join(ARCHITECTURES)}"
    if rope != "default":
        return f"positions are stretched ({rope}), which is not written as GGUF yet"
    if pre_tokenizer_of(tokenizer) is None:
        return "its tokenizer cuts texts in a way that llama.cpp has no name for here"
    return None


def pre_tokenizer_of(tokenizer: Any) -> str | None:
    """llama.cpp's name for the way in which a byte-level BPE tokenizer cuts texts, if it is known."""
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    model = told["model"]
    if model["type"] != "BPE" or not model["merges"] or model.get("byte_fallback") or told["normalizer"]:
        return None
    found = told["pre_tokenizer"] or {}
    parts = found.get("pretokenizers", [found])
    parts = [{key: value for key, value in part.items() if key != "trim_offsets"} for part in parts]
    return next((name for name, known in PRE_TOKENIZERS.items() if parts == known), None)


def write_gguf(
    folder: Path, model: Any, tokenizer: Any, renderer: Renderer, template: str, quantization: Quantization, name: str
) -> None:
    """Writes the file and a Modelfile for Ollama.

    Args:
        model: merged, float32.
        template: our chat template.
        name: of the model, for people.

    Raises:
        ExportRefused: the architecture or the tokenizer is not one that is covered.
        MissingExtra: gguf is not installed.
    """
    try:
        from gguf import GGML_QUANT_VERSION, GGUFWriter, LlamaFileType
    except ImportError as error:
        raise MissingExtra("gguf", "train") from error
    if problem := problem_of(model, tokenizer):
        raise ExportRefused(f"this model cannot be exported as gguf: {problem}", "Use --as merged")
    writer = GGUFWriter(folder / NAME, model.config.model_type)
    writer.add_name(name)
    _add_sizes(writer, model.config)
    _add_tokenizer(writer, tokenizer, model.get_input_embeddings().weight.shape[0], renderer.end_of_turn[-1])
    writer.add_chat_template(template)
    writer.add_file_type(LlamaFileType[f"MOSTLY_{quantization.upper()}"])
    writer.add_quantization_version(GGML_QUANT_VERSION)
    state = model.state_dict()
    for number, (tensor, values) in enumerate(_tensors(model, state)):
        data, kind = encoded(tensor, values, quantization)
        writer.add_tensor(tensor, data, raw_dtype=kind)
        progress.report("export", number + 1, len(state), "tensors written")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / MODELFILE).write_text(modelfile(renderer, tokenizer), encoding="utf-8")


def _add_sizes(writer: Any, config: Any) -> None:
    head = config.head_dim or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: Any, tokenizer: Any, rows: int, end_of_turn: int) -> None:
    """Tokens in the order of their ids, as many as there are embeddings."""
    from gguf import TokenType

    told = json.loads(tokenizer.backend_tokenizer.to_str())
    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    kinds = [
        TokenType.UNUSED
        if number not in texts
        else TokenType.NORMAL
        if number not in added
        else TokenType.CONTROL
        if added[number].special
        else TokenType.USER_DEFINED
        for number in range(rows)
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer_of(tokenizer))
    writer.add_token_list([texts.get(number, f"[PAD{number}]") for number in range(rows)])
    writer.add_token_types(kinds)
    merges = told["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(end_of_turn)
    writer.add_pad_token_id(end_of_turn)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_add_bos_token(False)  # the chat template writes it, where there is one
    writer.add_add_eos_token(False)


def _tensors(model: Any, state: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Name in llama.cpp and values, float32. A tied output layer is left out, as llama.cpp expects it."""
    config = model.config
    heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
    for name, tensor in state.items():
        module, _, part = name.rpartition(".")
        if module == "lm_head" and config.tie_word_embeddings:
            continue
        values = tensor.detach().float().cpu().numpy()
        if module in OUTER:
            yield f"{OUTER[module]}.{part}", values
            continue
        layer, inner = module.removeprefix("model.layers.").split(".", 1)
        if inner not in INNER:
            raise ExportRefused(f"this model cannot be exported as gguf: llama.cpp has no tensor {name}")
        yield f"blk.{layer}.{INNER[inner]}.{part}", permuted(values, heads[inner]) if inner in heads else values


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries and keys in the order in which llama.cpp turns them: pairs side by side, where transformers has
    the first halves before the second ones. Same shape."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )


def encoded(name: str, values: np.ndarray, quantization: Quantization) -> tuple[np.ndarray, Any]:
    """The bytes of a tensor, and their type. Vectors stay float32, and in q4_0 the embeddings and the output layer are
    q8_0: llama.cpp keeps them finer too."""
    from gguf import GGMLQuantizationType as Kind
    from gguf.quants import quantize

    if values.ndim == 1:
        return values.astype(np.float32), Kind.F32
    kind = Kind[quantization.upper()]
    if kind is Kind.Q4_0 and name in ("token_embd.weight", "output.weight"):
        kind = Kind.Q8_0
    if kind is not Kind.F16 and values.shape[-1] % BLOCK:
        kind = Kind.F16
    if kind is Kind.F16:
        return values.astype(np.float16), kind
    return quantize(np.ascontiguousarray(values), kind), kind


def rounded(quantization: Quantization) -> Callable[[str, Any], Any]:
    """What is left of a tensor that is stored in this form, by its name in transformers. Blocks lie within rows, so the
    order of rows does not matter."""
    import torch
    from gguf.quants import dequantize

    def stored(name: str, tensor: Any) -> Any:
        module, _, part = name.rpartition(".")
        data, kind = encoded(f"{OUTER.get(module, module)}.{part}", tensor.numpy(), quantization)
        return torch.from_numpy(dequantize(data, kind).astype(np.float32).reshape(tensor.shape))

    return stored


def modelfile(renderer: Renderer, tokenizer: Any) -> str:
    """Ollama's description of the model. Its templates are Go's; this one writes what the chat template does where
    speakers take turns and texts have no space around them. Format: https://github.com/ollama/ollama/blob/main/docs/modelfile.md"""
    markers = renderer.markers
    system = renderer.system
    start = (markers.system_start if markers.system_role else markers.opening) + system + markers.system_end
    parts = {
        "PREFIX": start if system else markers.opening,
        "AFTER": tokenizer.decode(renderer.after_end) if renderer.after_end else "",
        "ANSWER": markers.answer_start,
        "END": tokenizer.decode(renderer.end_between),
    }
    text = (
        '{{ PREFIX }}{{ range $i, $m := .Messages }}{{ if eq $m.Role "assistant" }}{{ $m.Content }}{{ END }}{{ AFTER }}'
        '{{ else if eq $m.Role "user" }}{{ $m.Content }}{{ ANSWER }}{{ end }}{{ end }}'
    )
    for name, value in parts.items():
        text = text.replace(f"{{{{ {name} }}}}", f"{{{{ {json.dumps(value, ensure_ascii=False)} }}}}" if value else "")
    stop = renderer.text.text_of(renderer.end_of_turn[-1])
    return (
        f'FROM ./{NAME}\nTEMPLATE """{text}"""\nPARAMETER stop {json.dumps(stop)}\nPARAMETER temperature 0\n'
        "PARAMETER repeat_penalty 1\n"
    )
