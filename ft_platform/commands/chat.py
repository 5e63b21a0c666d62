"""ft chat: a conversation with a released model."""

import argparse
import os
import sys
from contextlib import closing, nullcontext

HELP = "Talk to a released model: over HTTP, with a server that runs for it or with yours."
EXAMPLES = [
    "ft chat support_answers",
    "ft chat support_answers@previous --url https://models.example.org      # key in FT_API_KEY",
    "ft chat complaint_routing                                              # a label for each line",
]
HOW = (
    "/reset begins anew, /release says which release answers, Ctrl-D ends. Ctrl-C ends an answer, or the conversation."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case, or <use_case>@previous")
    parser.add_argument("--url", help="address of a server that runs (default: one that runs for this conversation)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands import opened
    from ft_platform.serving.trial import served

    name = arguments.use_case.partition("@")[0]
    environment, use_case, _ = opened(name)
    has_labels = use_case.settings.task.kind == "classification"
    with nullcontext(arguments.url) if arguments.url else served(environment, [name]) as url:
        return Conversation(url, arguments.use_case, has_labels).run()


class Conversation:
    """Reads lines from standard input and answers each.

    Attributes:
        messages: so far, questions and answers; of models with labels each text is by itself.
        failed: whether a question was not answered.
    """

    def __init__(self, url: str, model: str, has_labels: bool) -> None:
        self.url, self.model, self.has_labels = url, model, has_labels
        self.messages: list[dict[str, str]] = []
        self.failed = False

    def run(self) -> int:
        """Until the input ends. Returns 1 if a question was not answered."""
        prompt = ""
        if sys.stdin.isatty():
            import readline  # noqa: F401  lines can be edited and brought back

            print(HOW)
            prompt = "> "
        while True:
            try:
                line = input(prompt).strip()
            except (EOFError, KeyboardInterrupt):
                if prompt:
                    print()
                return int(self.failed)
            if line:
                self._take(line)

    def _take(self, line: str) -> None:
        from ft_platform.errors import FtError
        from ft_platform.serving.client import call
        from ft_platform.serving.trial import KEY, ask, in_words

        try:
            if line == "/reset":
                self.messages.clear()
            elif line == "/release":
                found = call(self.url, f"/v1/models/{self.model}", key=os.environ.get(KEY))
                print(f"{found['id']}: release {found['release']}, checkpoint {found['checkpoint']}")
            elif self.has_labels:
                print(in_words(ask(self.url, self.model, line, has_labels=True)), flush=True)
            else:
                self._answer(line)
        except KeyboardInterrupt:
            print("\nft: stopped", file=sys.stderr)
        except FtError as error:
            self.failed = True
            print(f"ft: {error}", file=sys.stderr)

    def _answer(self, line: str) -> None:
        """A question whose answer failed or was stopped is forgotten."""
        from ft_platform.serving.trial import streamed

        asked = [*self.messages, {"role": "user", "content": line}]
        text = ""
        with closing(streamed(self.url, self.model, asked)) as parts:
            for part in parts:
                print(part, end="", flush=True)
                text += part
        print()
        self.messages = [*asked, {"role": "assistant", "content": text}]
