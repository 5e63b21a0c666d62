"""Chat templates render as transformers renders them, and within bounds."""

import pytest
from jinja2.exceptions import SecurityError, TemplateError

from ft_platform.errors import BaseModelError
from ft_platform.models.guards import bounded_jinja
from ft_platform.models.guards.bounded_jinja import render_bounded
from ft_platform.models.guards.probe import chats
from ft_platform.models.rendering.chat_markers import render
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer

WITH_TEMPLATE = {name: family for name, family in FAMILIES.items() if family.template}


@pytest.mark.parametrize("name", WITH_TEMPLATE)
def test_every_chat_is_rendered_as_transformers_renders_it(name):
    tokenizer = family_tokenizer(WITH_TEMPLATE[name])
    rendered = 0
    for values in chats():
        try:
            expected = tokenizer.apply_chat_template(
                values["messages"], tokenize=False, **{k: v for k, v in values.items() if k != "messages"}
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            with pytest.raises(type(error)):
                render_bounded(tokenizer.chat_template, {**tokenizer.special_tokens_map, **values})
        else:
            rendered += 1
            assert render_bounded(tokenizer.chat_template, {**tokenizer.special_tokens_map, **values}) == expected
    assert rendered


def test_loops_know_their_places_and_what_a_template_may_do_stays():
    source = (
        "{% for a in items if a != 2 %}{{ loop.index }}{{ a }}{{ '.' if loop.last }}{{ loop.length }}{% else %}none{%"
        " endfor %}"
    )
    assert render_bounded(source, {"items": [1, 2, 3]}) == "11223.2"
    assert render_bounded(source, {"items": (n for n in [2])}) == "none"
    assert (
        render_bounded("{% for k, v in d.items() %}{{ k ~ v }}{% endfor %}{{ d | tojson }}", {"d": {"a": 1}})
        == 'a1{"a": 1}'
    )
    assert (
        render_bounded(
            "{% set n = namespace(x=0) %}{% for a in 'abc' %}{% set n.x = n.x + 1 %}{% endfor %}{{ n.x }}{{ 2 ** 3 }}{{"
            " '%5s' % 'a' }}",
            {},
        )
        == "38    a"
    )
    assert (
        render_bounded(
            "{% for a in tree recursive %}{{ a.n }}{% if a.below %}{{ loop(a.below) }}{% endif %}{% endfor %}",
            {"tree": [{"n": 1, "below": [{"n": 2}]}]},
        )
        == "12"
    )


BOMBS = {
    "loops": "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
    "one line of filters": "{% for i in range(90000) %}{{ range(90000) | sum }}{% endfor %}",
    "a product": "{{ 'a' * 10**8 }}",
    "doubling": "{% set n = namespace(t='aaaaaaaa') %}{% for i in range(24) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
    "adding": "{% set n = namespace(t='aaaaaaaa') %}{% for i in range(24) %}{% set n.t = n.t + n.t %}{% endfor %}",
    "a method": "{{ 'a'.ljust(10**8) }}",
    "a filter": "{{ 'a' | center(10**8) }}",
    "a format": "{{ '%100000000d' % 1 }}",
    "a format method": "{{ '{:>100000000}'.format(1) }}",
    "a filter that formats": "{{ '%100000000d' | format(1) }}",
    "replacing": "{{ ('a' * 10**4).replace('a', 'a' * 10**4) }}",
    "a filter that replaces": "{{ ('a' * 10**4) | replace('a', 'a' * 10**4) }}",
    "replacing much": "{{ ('a' * 10**6).replace('a', 'a' * 10**6) }}",
    "a wide format": "{{ '%9999999999d' | format(1) }}",
    "joining long texts": "{{ (['a' * 10**6] * 10**5) | join }}",
    "joining by a method": "{{ ''.join(['a' * 10**6] * 10**5) }}",
    "joining": "{{ range(90000) | join('a' * 10**4) }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "lists": "{% set n = namespace(t=[0]) %}{% for i in range(40) %}{% set n.t = n.t + n.t %}{% endfor %}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_what_grows_or_goes_on_is_stopped(source, monkeypatch):
    monkeypatch.setattr(bounded_jinja, "CPU_SECONDS", 0.2)
    with pytest.raises(SecurityError):
        render_bounded(source, {})


def test_a_template_that_the_probe_did_not_see_through_is_stopped_where_it_is_used(monkeypatch):
    monkeypatch.setattr(bounded_jinja, "CPU_SECONDS", 0.2)
    tokenizer = family_tokenizer(next(iter(WITH_TEMPLATE.values())))
    tokenizer.chat_template = "{% if messages | length == 17 %}" + BOMBS["loops"] + "{% endif %}ok"
    message = {"role": "user", "content": "a"}
    assert render(tokenizer, [message]) == "ok"
    with pytest.raises(BaseModelError, match="cannot be rendered"):
        render(tokenizer, [message] * 17)
