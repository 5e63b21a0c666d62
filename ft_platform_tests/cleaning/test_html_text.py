import pytest

from ft_platform.cleaning.html_text import html_to_text
from ft_platform.cleaning.whitespace import normalize_whitespace


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>Hello <b>wor</b>ld</p><p>again</p>", "Hello world\n\nagain"),  # inline tags do not split words, blocks do
        ("one<br/>two<BR>three", "one\ntwo\nthree"),
        ('<a href="x>y" title=\'q\'>link</a> <img src=a.png alt="a b" hidden>', "link"),
        ("x<script type='a'>if (a < b) {'<p>'}</script>y<style>p {}</style>", "xy"),
        ("x<!-- <b>secret</b> -->y", "xy"),
        ("AT&amp;T &lt;b&gt; &#8217; &#x20AC;", "AT&T <b> ’ €"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\n\nc"),
        ("<ul><li>one</li><li>two</li></ul>", "one\n\ntwo"),
        (
            "<!DOCTYPE html>\n<html><head><title>T</title></head><body><p>Hi</p><o:p>there</o:p></body></html>",
            "Hi\nthere",
        ),
        (
            "<html><body>from <ann@example.org> <td width=1 nowrap=>a</td><script>x</script></body></html>",
            "from <ann@example.org> a",
        ),
        ("&amp;lt;", "&lt;"),  # once only
    ],
)
def test_html_becomes_what_a_reader_sees(text: str, plain: str) -> None:
    assert normalize_whitespace(html_to_text(text)) == plain


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "if a <b and c> d",  # `and` is no attribute
        "i <3 you & R&D",
        "from <jane@example.org> and <name@x>",
        "AT&T; &copy 2020 &nosuchentity;",
        "Complete the <analogy> with <Song>",
        "List<String> x = new Map<K,V>();",
        "I typed <script> and the rest was lost",
        "an arrow <!-- that never ends",
        "--> and </script> alone",
        "<-- look -->",
        "use `<div>` here",
        "```html\n<p>&amp;</p>\n```",
        "~~~\n<b>x</b>\n~~~",
        "x<y>z",
    ],
)
def test_text_that_only_looks_like_html_stays(text: str) -> None:
    assert html_to_text(text) == text


def test_code_stays_while_the_text_around_it_is_cleaned() -> None:
    assert html_to_text("<b>See</b> `<div>` &amp;\n```\n<p>\n```\n<i>end</i>") == "See `<div>` &\n```\n<p>\n```\nend"


@pytest.mark.parametrize(
    "part", ["<script>", "<!--", '<a x="', "<a b=c ", "<", "&", "`", "```", "<a  ", "</script><script>", "<td"]
)
def test_hostile_text_ends(part: str) -> None:
    """Quadratic expressions take hours for these."""
    text = part * (400_000 // len(part))
    assert isinstance(html_to_text(text), str)
