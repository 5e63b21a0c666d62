"""ft ask: one question to a released model."""

import argparse
import json

HELP = "Ask a released model one question, as a client would: over HTTP, of a server that runs for it or of yours."
EXAMPLES = [
    'ft ask complaint_routing "My card was charged twice"',
    'FT_API_KEY=... ft ask complaint_routing "My card was charged twice" --url https://models.example.org',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case, or <use_case>@previous")
    parser.add_argument("text", help="the question")
    parser.add_argument("--url", help="address of a server that runs (default: one that runs for this question)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands import opened
    from ft_platform.serving.trial import ask, in_words, served

    name = arguments.use_case.partition("@")[0]
    environment, use_case, _ = opened(name)
    has_labels = use_case.settings.task.kind == "classification"
    of = (arguments.use_case, arguments.text, has_labels)
    if arguments.url:
        found = ask(arguments.url, *of)
    else:
        with served(environment, [name]) as url:
            found = ask(url, *of)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    print(in_words(found))
    return 0
