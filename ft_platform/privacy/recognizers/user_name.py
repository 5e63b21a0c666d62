"""Names of accounts and handles."""

import re

from ft_platform.privacy.context import holds_any
from ft_platform.privacy.names import word_set
from ft_platform.privacy.spans import Span

WORDS = ("user", "login", "handle", "screen name", "benutzer", "@", " from ")
NAMED = re.compile(
    r"\b(?:user ?name|user[ _-]?id|login(?: name| id)?|screen ?name|account name|handle|benutzername)\b"
    r"(\s+(?:is|was|ist)\b\s*:?|\s*[:=])\s*[\"'“`]?(@?[\w][\w.@+-]{2,63})",
    re.IGNORECASE,
)
# `log in with the username blue_17`: without `is` or a colon, only what no word looks like.
BARE = re.compile(
    r"\b(?:user ?name|user[ _-]?id|login(?: name| id)?|benutzername)\s+((?=[\w.-]*[\d_])[A-Za-z][\w.-]{2,63})",
    re.IGNORECASE,
)
# `user=jdoe84` and `for jdoe84 from 192.0.2.7` of log files. `User:` opens a turn of a chat.
LOGGED = (
    re.compile(r"(?<!\w)user=[\"']?([A-Za-z_][\w.@+-]{1,63})"),
    re.compile(r"(?<!\w)(?:for|user)[ ]([a-z_][\w.-]{1,31})[ ]from[ ](?:\d{1,3}\.){3}\d{1,3}(?!\w)"),
)
NO_USERS = word_set("root admin null none true false unknown system nobody guest anonymous")
HANDLE = re.compile(r"(?<![\w@./])@[A-Za-z_]\w{2,30}(?![\w@]|\.\w)")
HANDLE_CUE = re.compile(
    r"(?:twitter|instagram|insta|telegram|tiktok|github|mastodon|handle|dm|tag|tagged|follow|user|username)\W{1,3}(?:\w+\W{1,2}){0,2}$"
)
MASKED = re.compile(r"[xX*/.\-]+")


class UserNameRecognizer:
    """Covered: what follows `username:`, `user id is`, `login =`, and in lines of logs `user=`, `for ... from
    192.0.2.7`; `@handle` beside words such as `twitter` or `follow`.
    """

    entity = "USER_NAME"
    hint = (
        r"(?i:(?:user ?name|user[ _-]?id|login(?: name| id)?|screen ?name|account name|handle|benutzername)"
        r"(?:\s+(?:is|was|ist)|\s*[:=]|\s+[\w.-]*[0-9_]))"
        r"|user=|(?:for|user) [a-z_][\w.-]{1,31} from [0-9]|@[A-Za-z_]"
    )

    def find(self, text: str) -> list[Span]:
        if not holds_any(text.lower(), WORDS):
            return []
        spans = [span for m in NAMED.finditer(text) if (span := self._named(m))]
        spans += [
            Span(m.start(1), m.start(1) + len(m.group(1).rstrip(".-")), self.entity, 0.6, "user_name")
            for m in BARE.finditer(text)
        ]
        logged = (m for pattern in LOGGED for m in pattern.finditer(text) if m.group(1).lower() not in NO_USERS)
        spans += [Span(*m.span(1), self.entity, 0.75, "user_name") for m in logged]
        for match in HANDLE.finditer(text):
            has_cue = HANDLE_CUE.search(text[max(0, match.start() - 40) : match.start()].lower())
            spans.append(Span(match.start(), match.end(), self.entity, 0.8 if has_cue else 0.4, "user_name"))
        return spans

    def _named(self, match: re.Match[str]) -> Span | None:
        value = match.group(2).rstrip(".-")
        # After `is` a plain word is a statement (`my username is wrong`); after a colon it is the name.
        if MASKED.fullmatch(value) or not (match.group(1).strip() in (":", "=") or re.search(r"[\d_.@+-]", value)):
            return None
        return Span(match.start(2), match.start(2) + len(value), self.entity, 0.7, "user_name")
