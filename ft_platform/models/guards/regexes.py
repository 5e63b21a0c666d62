"""Which regular expressions of foreign files are run: those that cannot take exponential time by repeating a
repetition.

A backtracking engine needs exponential time only where something repeated without bound repeats or chooses inside
itself (Weideman et al., "Analyzing matching time behavior of backtracking regular expression matchers", CIAA 2016). The
patterns of the tokenizers of GPT-2, Llama 3, Qwen 2 and GPT-4o have none of it. Polynomial patterns remain: the probe
measures them."""

LONGEST = 4000


def why_explosive(pattern: str) -> str | None:
    """Why a pattern is not run, or None."""
    if len(pattern) > LONGEST:
        return f"it has {len(pattern)} characters, more than {LONGEST}"
    groups: list[dict[str, bool]] = [{"repeats": False, "chooses": False}]
    place = 0
    while place < len(pattern):
        letter = pattern[place]
        if letter == "\\":
            if pattern[place + 1 : place + 2].isdigit() or pattern[place + 1 : place + 2] == "k":
                return "it refers back to a group"
            place += 2
            continue
        if letter == "[":
            place = _after_class(pattern, place)
            continue
        if letter == "(":
            groups.append({"repeats": False, "chooses": False})
        elif letter == "|":
            groups[-1]["chooses"] = True
        elif letter == ")" and len(groups) > 1:
            inner = groups.pop()
            if _is_unbounded(pattern, place + 1):
                if inner["repeats"]:
                    return "it repeats a repetition without bound"
                if inner["chooses"]:
                    return "it repeats a choice without bound"
                groups[-1]["repeats"] = True
            groups[-1]["repeats"] |= inner["repeats"]
        elif _is_unbounded(pattern, place):
            groups[-1]["repeats"] = True
        place += 1
    return None


def _after_class(pattern: str, place: int) -> int:
    """The place after a character class, whose content is not looked at."""
    place += 1
    if pattern[place : place + 1] == "^":
        place += 1
    if pattern[place : place + 1] == "]":
        place += 1
    depth = 1
    while place < len(pattern) and depth:
        if pattern[place] == "\\":
            place += 1
        elif pattern[place] == "[":
            depth += 1
        elif pattern[place] == "]":
            depth -= 1
        place += 1
    return place


def _is_unbounded(pattern: str, place: int) -> bool:
    """Whether `*`, `+` or `{n,}` (or a bound above 100) begins here."""
    letter = pattern[place : place + 1]
    if letter in ("*", "+"):
        return True
    if letter != "{":
        return False
    low, _, high = pattern[place + 1 : pattern.find("}", place)].partition(",")
    if not low.isdigit():
        return False
    return ("," in pattern[place : pattern.find("}", place)] and not high) or int(high or low) > 100
