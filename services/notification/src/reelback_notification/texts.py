"""From what is to be told to the words of it."""

from __future__ import annotations

from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reelback_notification.messages import Facts, Template

CURRENCY = "EUR"


class Text(NamedTuple):
    """A message in words. The subject says it all in one line, and is the whole of a text message."""

    subject: str
    text: str
    html: str


def money(amount: int) -> str:
    """Minor units for people: 123456 is 1,234.56 EUR."""
    return f"{amount // 100:,}.{amount % 100:02} {CURRENCY}"


_templates = Environment(
    loader=PackageLoader("reelback_notification"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["money"] = money


def render(template: Template, facts: Facts, name: str) -> Text:
    """The words for somebody called `name`. A file's first line is the subject, its rest the text."""
    subject, _, text = _templates.get_template(f"{template}.txt").render(facts, name=name).partition("\n")
    html = _templates.get_template(f"{template}.html").render(facts, name=name, subject=subject)
    return Text(subject, text.strip() + "\n", html)
