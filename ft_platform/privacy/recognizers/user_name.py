"""Names of accounts and handles."""

import re
from collections.abc import Iterator

from ft_platform.privacy.context import before, holds_any
from ft_platform.privacy.names import not_names, word_set
from ft_platform.privacy.spans import Span

WORDS = ("user", "login", "handle", "screen name", "benutzer")
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
NO_USERS = word_set(
    "root admin administrator null none true false unknown system nobody guest anonymous user username users public"
    " shared default ubuntu debian ec2-user centos vagrant runner node www-data git pi noreply no-reply me you name"
)
HANDLE = re.compile(
    r"(?<![\w@+=#&-])@\w[\w-]{0,39}+(?:\.\w[\w-]{0,39}+){0,3}+(?![\w@({]|/\w|[\"']\s*:|[\"']?\s*==?[^\S\n]?[\"'\w])"
)
HANDLE_CUE = re.compile(
    r"(?:twitter|instagram|insta|telegram|tiktok|github|mastodon|handle|dm|tag|tagged|follow|user"
    r"|username)\W{1,3}(?:\w+\W{1,2}){0,2}$"
    r"|(?<!\w)(?:rt|via|cc|h/t|ht|by|thanks|thx|hey|hi|hello|dear)[ :]{0,2}$"
)
RETWEET = re.compile(r"(?<!\w)(?:RT|MT|via|cc|h/t)[ ]{1,2}(@\w[\w.-]{1,39})(?!\w)")
QUANTITY = re.compile(
    r"\d[\d.,]*(?:[a-z]{1,2}|min|hrs|fps|rpm|dpi|[kmg]hz|kwh|mah|mph|kmh|lbs|usd|eur|gbp)?", re.IGNORECASE
)
"""`@10am`, `@2x`, no `@1208gul`."""
CODE_WORDS = word_set("""
dataclass property staticmethod classmethod abstractmethod overload override cached_property lru_cache fixture pytest
wraps contextmanager param params return returns throws exception author since deprecated version link see inheritdoc
override nullable notnull autowired component service controller entity table column id type context graph vocab value
media import keyframes font-face charset supports page namespace layer tailwind apply include mixin extend
everyone here channel all team
""")
"""Decorators, annotations, rules of style sheets, keys of JSON-LD, calls to a whole room."""
DECORATED = re.compile(
    r"[ \t]*\n[ \t]*(?:@|(?:async |export |public |private |protected |static |final |abstract |def |class |fun "
    r"|func |function |interface |const |void )|[A-Z]\w+ \w+[;(=])"
)
"""What a line of code goes on with behind a decorator."""
PLATFORMS = (
    "discord|skype|telegram|instagram|insta|snapchat|snap|twitter|tiktok|wechat|github|gitlab|steam|psn"
    "|xbox|gamertag|facebook|linkedin|viber|kik|venmo|cash ?app|paypal|xing|mastodon|bluesky|threads|twitch|youtube"
    "|reddit"
)
ON_PLATFORM = re.compile(
    rf"(?<![\w.@/-])(?:{PLATFORMS})(?![\w-]|\.\w)((?: (?:name|id|handle|tag|user|account"
    rf"|profile))?(?:[ ]is)?[ ]?[:=–-]?)"
    rf"[ ]?@?([A-Za-z][\w.-]{{2,40}}+)",
    re.IGNORECASE,
)
HOSTS = (
    r"(?:instagram|facebook|fb|twitter|tiktok|linkedin|github|gitlab|snapchat|youtube|threads|pinterest|medium"
    r"|twitch|vk|xing|venmo|paypal"
    r"|patreon|soundcloud|strava|reddit|flickr|vimeo|deviantart|goodreads|last|ok|weibo|bsky|quora"
    r"|researchgate)\.(?:com|net|org|tv|ru|fm|app)"
    r"|(?<![\w.])x\.com|(?:t|wa|m|paypal|telegram|signal|about|viber|line)\.me|cash\.app|linktr\.ee|ko-fi\.com"
    r"|keybase\.io|mastodon\.social"
)
PROFILE = re.compile(
    rf"(?<![\w-])(?:{HOSTS})/(?:(?:in|pub|users?|u|add|people|profile|c|paypalme|@|~)/)?[@$+]?([\w.%+-]{{2,64}}+)",
    re.IGNORECASE,
)
NO_PROFILES = word_set("""
company companies jobs help legal watch reel reels explore login signup groups group pages events hashtag search
settings about privacy terms policies support business home share sharer intent feed posts learning pulse school schools
status download features pricing contact docs blog p i r s
""")
REDDIT = re.compile(r"(?<![\w/.])(?<!\d )/?u(?:ser)?/([A-Za-z0-9_-]{3,40}+)(?![\w/])")
PER_UNIT = word_set("min sec day days hour week month year kg mol unit ml the")
"""`10 u/min`."""
HOME = re.compile(
    r"(?:(?<![\w.])(?:/home|/export/home|/Users|/mnt/c/Users)/|(?<![A-Za-z])[A-Za-z]:[\\/]{1,2}(?:Users"
    r"|Documents and Settings)[\\/]{1,2}|(?<![\w/])~(?=[a-z][\w-]{1,31}/))"
    r"([^\s\\/:*?\"'<>|,;()]{2,64}+(?:[ ][A-Z][^\s\\/:*?\"'<>|,;()]{1,40}(?=[\\/]))?)",
    re.IGNORECASE,
)
AT_HOST = re.compile(r"(?<![\w.%+'@/:=-])([A-Za-z_][\w.-]{1,63}+)@([A-Za-z][A-Za-z0-9-]{1,62}+)(?![\w@]|[.-]\w)")
DISCORD = re.compile(r"(?<![\w#@&])([A-Za-z][\w.]{1,31}+)#\d{4}(?![\w#])")
MASKED = re.compile(r"[xX*/.\-]+")


class UserNameRecognizer:
    """Covered: what follows `username:`, `user id is`, `login =`, and in lines of logs `user=`, `for ... from
    192.0.2.7`; `@handle` and `@first.last`; what follows the name of a network (`discord: blue_17`); the name in
    links to profiles (`t.me/...`, `wa.me/...`, `linkedin.com/in/...`), in `u/name`, in `name#1234`, in the path of a
    home folder, and in `name@laptop`.

    Not counted: `@` before an everyday word without digits where no word such as `follow` or `RT` stands in front
    (`@noon`), before quantities, in code (`@property`, `"@type":`, `@scope/package`), accounts that every machine has.
    Not covered: handles without any of these signs in a sentence (`ask for rcavendish`).
    """

    entity = "USER_NAME"
    hint = (
        r"(?i:(?:user ?name|user[ _-]?id|login(?: name| id)?|screen ?name|account name|handle|benutzername)"
        r"(?:\s+(?:is|was|ist)|\s*[:=]|\s+[\w.-]*[0-9_]))"
        rf"|user=|(?:for|user) [a-z_][\w.-]{{1,31}} from [0-9]|@[A-Za-z0-9_]|(?i:{PLATFORMS})|[.][A-Za-z]{{2,6}}/"
        r"|u/|user/|~[A-Za-z]|#[0-9]{4}|(?i:home/|users[\\/]|settings[\\/])"
    )

    def find(self, text: str) -> list[Span]:
        lowered = text.lower()
        spans: list[Span] = []
        if holds_any(lowered, WORDS) or " from " in lowered:
            spans += self._named(text)
        if "@" in text:
            spans += self._handles(text)
            spans += self._at_hosts(text)
        if "/" in text or "\\" in text:
            spans += self._in_paths(text)
        if "#" in text:
            spans += [
                self._span(m, 0, 0.6)
                for m in DISCORD.finditer(text)
                if not _is_everyday(m.group(1)) or "discord" in lowered
            ]
        spans += [
            self._span(m, 2, 0.6)
            for m in ON_PLATFORM.finditer(text)
            if not MASKED.fullmatch(m.group(2))
            and self._is_account(m.group(2).rstrip(".-"), named=bool(m.group(1).strip()))
        ]
        return spans

    def _span(self, match: re.Match[str], group: int, score: float) -> Span:
        start = match.start(group)
        return Span(start, start + len(match.group(group).rstrip(".-")), self.entity, score, "user_name")

    def _named(self, text: str) -> Iterator[Span]:
        for match in NAMED.finditer(text):
            value = match.group(2).rstrip(".-")
            # After `is` a plain word is a statement (`my username is wrong`); after a colon it is the name.
            is_value = match.group(1).strip() in (":", "=") or re.search(r"[\d_.@+-]", value)
            if is_value and not MASKED.fullmatch(value):
                yield self._span(match, 2, 0.7)
        yield from (self._span(m, 1, 0.6) for m in BARE.finditer(text))
        for pattern in LOGGED:
            yield from (self._span(m, 1, 0.75) for m in pattern.finditer(text) if m.group(1).lower() not in NO_USERS)

    def _handles(self, text: str) -> Iterator[Span]:
        yield from (self._span(m, 1, 0.8) for m in RETWEET.finditer(text))
        for match in HANDLE.finditer(text):
            name = match.group()[1:].rstrip(".-")
            if len(name) < 2 or QUANTITY.fullmatch(name) or MASKED.fullmatch(name):
                continue
            in_code = name.lower() in CODE_WORDS or DECORATED.match(text, match.end())
            if HANDLE_CUE.search(before(text, match.start(), 40)):
                yield self._span(match, 0, 0.8)
            else:
                yield self._span(match, 0, 0.4 if in_code or _is_everyday(name) or len(name) < 3 else 0.65)

    def _at_hosts(self, text: str) -> Iterator[Span]:
        for match in AT_HOST.finditer(text):
            name, host = match.groups()
            if name.lower() not in NO_USERS and not (_is_everyday(name) and _is_everyday(host)):
                yield self._span(match, 0, 0.6)

    def _in_paths(self, text: str) -> Iterator[Span]:
        for match in PROFILE.finditer(text):
            if match.group(1).lower().rstrip(".-") not in NO_PROFILES:
                yield self._span(match, 1, 0.85)
        for match in REDDIT.finditer(text):
            if match.group(1).lower() not in PER_UNIT:
                yield self._span(match, 1, 0.7)
        for match in HOME.finditer(text):
            if match.group(1).lower() not in NO_USERS and match.group(1)[0] not in "$%{<":
                yield self._span(match, 1, 0.8)

    @staticmethod
    def _is_account(name: str, *, named: bool) -> bool:
        """Told from a word of a sentence (`twitter and facebook`). `named`: a colon or `is` stands in front."""
        return bool(re.search(r"[\d_]", name)) or (named and name.islower() and not _is_everyday(name))


def _is_everyday(name: str) -> bool:
    """An everyday word, or several that hyphens join."""
    return all(part.lower() in not_names(False) for part in name.split("-"))
