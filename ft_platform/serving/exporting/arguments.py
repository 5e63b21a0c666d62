"""What `ft export` and its program are asked. Light: every `ft` reads it."""

import argparse
from pathlib import Path


def add_form(parser: argparse.ArgumentParser) -> None:
    """The form of the exported model, and where it goes."""
    parser.add_argument(
        "--as",
        dest="form",
        required=True,
        choices=["adapter", "merged", "gguf", "savedmodel", "words"],
        help="form of the exported model",
    )
    parser.add_argument(
        "--dtype",
        choices=["float32", "float16", "bfloat16"],
        default="float32",
        help="of merged weights (default: float32, which loses nothing)",
    )
    parser.add_argument(
        "--quantization", choices=["f16", "q8_0", "q4_0"], default="f16", help="of a GGUF file (default: f16)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder to write (default: exports/<checkpoint>-<form> below FT_HOME)",
    )
    parser.add_argument(
        "--keep-different",
        action="store_true",
        help="keep a GGUF file that does not answer as the checkpoint does; the release decision is not for it",
    )
    parser.add_argument(
        "--records",
        type=positive,
        metavar="N",
        help="compare at most N test records; the release decision may then not be shown to hold (default: those of"
        " the evaluation)",
    )


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number
