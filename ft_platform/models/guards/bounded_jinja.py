"""Chat templates rendered in bounded time and memory: what a probe with a few chats did not meet still cannot hang or
fill a training.

Covered: processor time of a rendering (asked at each step of a loop and each call), the size of every text and list
that is made, numbers given to calls and filters, recursion. Not covered: a single call that Jinja itself makes long
within these sizes (seconds at most).
"""

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

CPU_SECONDS = 3.0
"""Of one rendering. The templates of Llama 3, Qwen 2.5 and DeepSeek take 0.05 s for 400 turns (one core of 2026)."""

MOST_SIGNS = 1 << 23
"""Of a text or list that a template makes; of a rendered chat too."""

MOST_NUMBER = 1 << 20
"""Given to a call or filter, such as a width."""

WIDTH = re.compile(r"%[^a-zA-Z%]*\d{5}|:[^}]*\d{5}")
_until = 0.0


def render_bounded(template: str, values: dict[str, Any]) -> str:
    """Text of a chat template.

    Raises:
        jinja2.TemplateError: it cannot be rendered, or exceeds a bound (`SecurityError`).
    """
    from jinja2.exceptions import SecurityError

    global _until
    _until = time.thread_time() + CPU_SECONDS
    try:
        return checked(_compiled(template).render(**values))
    except (MemoryError, OverflowError, RecursionError) as error:
        raise SecurityError(f"rendering ended with {type(error).__name__}") from None


@functools.lru_cache(maxsize=64)
def _compiled(template: str) -> Any:
    return sandbox().from_string(template)


def checked(value: Any) -> Any:
    """The value, unless it is too large or time is up."""
    from jinja2.exceptions import SecurityError

    if isinstance(value, (str, list, tuple, dict)) and len(value) > MOST_SIGNS:
        raise SecurityError(f"it makes more than {MOST_SIGNS:,} signs")
    if time.thread_time() > _until:
        raise SecurityError(f"it takes more than {CPU_SECONDS:.0f} cpu-seconds")
    return value


def steps(values: Iterable[Any]) -> Any:
    """The values of a loop; time is asked for at each. Their number stays known, which `loop.last` needs."""
    if not hasattr(values, "__len__"):
        values = list(_limited(values))
    return _Steps(checked(values))


def _limited(values: Iterable[Any]) -> Iterator[Any]:
    from jinja2.exceptions import SecurityError

    for number, value in enumerate(values):
        if number > MOST_NUMBER:
            raise SecurityError(f"a loop has more than {MOST_NUMBER:,} steps")
        yield checked(value)


class _Steps:
    def __init__(self, values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return map(checked, self._values)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)  # with the marks of Jinja, which say what it is given
    def wrapped(*given: Any, **named: Any) -> Any:
        _check_numbers((*given[1:], *named.values()))
        _check_growth(function.__name__.removeprefix("do_"), (*given, *named.values()))
        return checked(function(*given, **named))

    return wrapped


def _check_numbers(given: Iterable[Any]) -> None:
    from jinja2.exceptions import SecurityError

    if any(isinstance(one, int) and abs(one) > MOST_NUMBER for one in given):
        raise SecurityError(f"it names a number of more than {MOST_NUMBER:,}")


def _check_growth(name: str, given: tuple[Any, ...]) -> None:
    """What these make is as long as the product or the sum of what they are given."""
    from jinja2.exceptions import SecurityError

    if name in ("format", "format_map") and any(isinstance(one, str) and WIDTH.search(one) for one in given):
        raise SecurityError("a width is too large")
    if name not in ("replace", "join"):
        return
    sizes = sorted(len(one) for one in given if isinstance(one, (str, list, tuple, range)))
    parts = sum(len(part) for one in given if isinstance(one, (list, tuple)) for part in one if isinstance(part, str))
    if (len(sizes) > 1 and sizes[-1] * sizes[-2] > MOST_SIGNS << 4) or parts > MOST_SIGNS:
        raise SecurityError(f"it makes more than {MOST_SIGNS:,} signs")


@functools.cache
def sandbox() -> Any:
    """Jinja as transformers sets it up (`chat_template_utils._compile_jinja_template`), whose import takes a second
    more, with bounds."""
    import datetime
    import json

    from jinja2 import nodes
    from jinja2.exceptions import SecurityError, TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Bounded(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(["*", "**", "%", "+"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [
                len(one) if isinstance(one, (str, list, tuple)) else one if isinstance(one, int) else 1
                for one in (left, right)
            ]
            if (
                operator == "*"
                and sizes[0] * sizes[1] > MOST_SIGNS
                and not all(isinstance(one, (int, float)) for one in (left, right))
            ):
                raise SecurityError(f"it makes more than {MOST_SIGNS:,} signs")
            if operator == "**" and not (abs(left) <= MOST_NUMBER and abs(right) <= 64):
                raise SecurityError("a power is too large")
            if operator == "*" and all(isinstance(one, int) and abs(one) > 1 << 4096 for one in (left, right)):
                raise SecurityError("a number is too large")
            if operator == "%" and isinstance(left, str) and WIDTH.search(left):
                raise SecurityError("a width is too large")
            return checked(super().call_binop(context, operator, left, right))

        def call(self, context: Any, called: Any, *given: Any, **named: Any) -> Any:  # type: ignore[override]
            _check_numbers((*given, *named.values()))
            if isinstance(text := getattr(called, "__self__", None), str):
                _check_growth(called.__name__, (text, *given, *named.values()))
            return checked(super().call(context, called, *given, **named))

        def _generate(self, source: Any, *given: Any, **named: Any) -> Any:
            for loop in list(source.find_all(nodes.For)):
                loop.iter = nodes.Filter(loop.iter, "steps_", [], [], None, None, lineno=loop.lineno)
            for joined in list(source.find_all(nodes.Concat)):
                joined.nodes = [
                    nodes.Filter(one, "checked_", [], [], None, None, lineno=joined.lineno) for one in joined.nodes
                ]
            return super()._generate(source, *given, **named)

    class Generation(Extension):
        """`{% generation %}...{% endgeneration %}` marks what the assistant writes."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = Bounded(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = tojson
    environment.filters = {name: _bounded(function) for name, function in environment.filters.items()} | {
        "steps_": steps,
        "checked_": checked,
    }
    environment.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": lambda form: datetime.datetime.now().strftime(form),
    }
    return environment
