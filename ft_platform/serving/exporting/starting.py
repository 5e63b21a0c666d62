"""How an exported model is started elsewhere, as lines to type in its folder, and the README that holds them."""

import json
from pathlib import Path
from shlex import quote
from typing import Any

from ft_platform.evaluation.abstaining import SUGGESTION
from ft_platform.models.guards.adapter_files import CONFIG
from ft_platform.use_case.settings.gate import SUGGESTS

README = "README.md"


def start_lines(folder: Path, told: dict[str, Any]) -> list[str]:
    """Commands that start a model or ask it, from the folder that holds it.

    Args:
        told: what `export.json` says.
    """
    name, base, form = quote(told["use_case"]), told["base_model"], told["form"]
    if form == "words":
        return ['python load.py "Your text"']
    if form == "adapter" and told["kind"] == "label_head":
        return [f'python load.py {quote(base["folder"])} "Your text"']
    if form == "adapter":
        rank = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["r"]
        return [
            f"vllm serve {quote(base['folder'])} --dtype {base['dtype']} --chat-template chat_template.jinja"
            f" --enable-lora --max-lora-rank {_rank_of_vllm(rank)} --lora-modules {name}=."
        ]
    if form == "merged":
        return [
            f"vllm serve . --dtype {told['weights']} --served-model-name {name} --chat-template chat_template.jinja"
        ]
    if form == "gguf":
        return ["llama-server --model model.gguf --jinja", f"ollama create {name} --file Modelfile"]
    return []


def write_readme(folder: Path, told: dict[str, Any], lines: list[str]) -> None:
    """What the folder holds, what the model may do, on which base model, and how it is started."""
    base = told["base_model"]
    text = [f"# {told['use_case']}, checkpoint {told['checkpoint']}, as {told['form']}", ""]
    if told["claim"] == SUGGESTS:
        text += [
            f"{SUGGESTION} Nothing in this folder makes sure of that: do not let a program act on its labels alone.",
            "",
        ]
    if told["form"] == "words":
        text += [
            "`terms.json` lists words and pairs of words of its anonymized training records, "
            "each used by two persons or in two records that name none.",
            "",
        ]
    if told["form"] == "adapter":
        text += [
            f"The adapter changes the base model {base['uri']}, in {base['dtype']}.",
            f"On the machine of the export it is in `{base['folder']}`:",
            "",
            *(f"- `{name}`, SHA-256 `{digest}`" for name, digest in base["files"].items()),
            "",
        ]
    if told["kind"] not in ("label_head", "words"):
        text += [
            "The chat template is part of the model: it holds the instruction that the model was trained with. With",
            "another template, such as that of the base model, the answers are other ones.",
            "",
        ]
    if lines:
        text += ["In this folder:", "", "```sh", *lines, "```", ""]
    (folder / README).write_text("\n".join(text), encoding="utf-8")


def _rank_of_vllm(rank: int) -> int:
    """The smallest `--max-lora-rank` that vLLM takes (0.32: 1, 8, 16, 32, 64, 128, 256, 320, 512)."""
    return next((one for one in (1, 8, 16, 32, 64, 128, 256, 320, 512) if one >= rank), rank)
