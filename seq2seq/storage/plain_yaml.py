"""YAML that only holds data: mappings, lists, texts, numbers, true, false and null.

What PyYAML's SafeLoader takes beyond that costs time or memory, or fails with other exceptions than YAMLError: tags
(`!!timestamp x`), aliases (a few of them can stand for more text than a memory holds), numbers to base 60
(`1:30`, quadratic in their length). Here a tag or an alias is an error, and `1:30`, `0x10`, `010` and `2026-11-01`
are texts.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml

DIGITS = 99  # of a whole number; no setting has more than ten


class PlainLoader(yaml.SafeLoader):
    """Raises YAMLError or RecursionError for anything else than plain data."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not supported")
        if getattr(event, "tag", None) is not None:
            raise yaml.YAMLError("tags are not supported")
        return super().compose_node(parent, index)


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", rf"[-+]?(?:0|[1-9][0-9]{{0,{DIGITS - 1}}})", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", list("-+0123456789.")),
):
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)


def load_plain(text: str) -> Any:
    """The data in `text`. Raises yaml.YAMLError, ValueError or RecursionError for what is not plain data."""
    return yaml.load(text, Loader=PlainLoader)
