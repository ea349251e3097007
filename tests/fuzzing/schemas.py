"""Values for every place of a pydantic schema, right, at a bound or broken; a new field is covered when it is added."""

import copy
import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic import TypeAdapter

Description = Mapping[str, Any]
"""JSON schema of what belongs in a place."""

STRANGE_TEXTS = ("", "1", "nan", "a\nb", "\x1b[31m", "\x00", "\u2028", "a.b", "../x", "~", "${x}", "x" * 9999)
STRANGE_NUMBERS = (-1, 0, 0.5, 10**9, 2**63, -(10**30), 10**400, 1e308, 5e-324, math.nan, math.inf, -math.inf)
JSON_BROKEN: SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, *STRANGE_TEXTS, *STRANGE_NUMBERS]),
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: {"": [None]}),
    st.builds(lambda: [[[[[[]]]]]]),
)
"""Values that belong nowhere, or almost nowhere."""


JSON: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
"""Anything."""


def _looped() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


YAML_BROKEN: SearchStrategy[Any] = st.one_of(
    JSON_BROKEN,
    st.builds(_looped),
    st.builds(lambda: {1: 2, None: 3}),
    st.builds(lambda: {True: 1}),
    st.builds(lambda: {1}),
    st.sampled_from([datetime.date(2020, 1, 1), b"\xff"]),
)
"""Besides, what anchors and tags of YAML can make."""


@dataclass(frozen=True)
class Changed:
    """Data that were changed in a few places.

    Attributes:
        changes: what was done, in words.
        data: the result.
    """

    changes: tuple[str, ...]
    data: Any = field(repr=False)


class Fields:
    """The places of data that a pydantic type describes.

    Args:
        described: the type.
        broken: values that do not belong there.
    """

    def __init__(self, described: Any, broken: SearchStrategy[Any]) -> None:
        self.root: Description = TypeAdapter(described).json_schema()
        self.broken = broken

    def changed(self, data: Any) -> SearchStrategy[Changed]:
        """The same data with a value replaced, added or removed in one to three places."""

        @st.composite
        def change(draw: DrawFn) -> Changed:
            holder = {"": copy.deepcopy(data)}
            changes = tuple(self._change_once(draw, holder) for _ in range(draw(st.integers(1, 3))))
            return Changed(changes, holder[""])

        return change()

    def valid(self) -> SearchStrategy[Any]:
        """Data of the type, as far as no check between fields is against it."""

        @st.composite
        def make(draw: DrawFn) -> Any:
            return self._valid(draw, self.root)

        return make()

    def _change_once(self, draw: DrawFn, holder: Any) -> str:
        """One change, at the end of a walk from the root; it may add an empty field in passing."""
        place, described, path = "", self.root, ""
        while inner := self._inner(described, holder[place]):
            if path and draw(st.integers(0, 7)) == 7:
                break
            holder, place = holder[place], draw(st.sampled_from([*inner]))
            described, path = inner[place], f"{path}.{place}"
            if isinstance(holder, dict):
                holder.setdefault(place)
        how = draw(st.sampled_from(["valid", "broken", "removed", "unknown"]))
        if how == "removed" and path:
            del holder[place]
            return f"{path} removed"
        if how == "unknown" and isinstance(holder, dict) and path:
            place = draw(st.sampled_from(["unknown", *STRANGE_TEXTS]))
            path += f" beside {place!r:.20}"
        holder[place] = self._valid(draw, described) if how == "valid" else draw(self.broken)
        return f"{path} = {holder[place]!r:.60}"

    def _valid(self, draw: DrawFn, place: Description) -> Any:
        """A value that a place allows; bounds are among them."""
        place = self._resolved(place)
        if "const" in place:
            return place["const"]
        if alternatives := _alternatives(place):
            return self._valid(draw, draw(st.sampled_from(alternatives)))
        if "enum" in place:
            return draw(st.sampled_from(place["enum"]))
        match place.get("type"):
            case "null":
                return None
            case "boolean":
                return draw(st.booleans())
            case "integer" | "number":
                return draw(_numbers(place))
            case "string" if "pattern" in place:
                return draw(st.from_regex(place["pattern"], fullmatch=True))
            case "string":
                return draw(st.text(min_size=place.get("minLength", 0), max_size=20))
            case "array":
                least = place.get("minItems", 0)
                items = place.get("prefixItems") or [place["items"]] * draw(st.integers(least, least + 2))
                return [self._valid(draw, item) for item in items]
            case "object" if "properties" in place:
                fields, required = place["properties"], place.get("required", ())
                wanted = [name for name in fields if name in required or draw(st.booleans())]
                return {name: self._valid(draw, fields[name]) for name in wanted}
            case "object" if isinstance(others := place.get("additionalProperties"), Mapping):
                names = draw(st.lists(st.text(max_size=5), max_size=2))
                return {name: self._valid(draw, others) for name in names}
        return draw(JSON)

    def _inner(self, described: Description, data: Any) -> dict[Any, Description]:
        """What belongs in each place within some data, also in those that are empty; nothing if they have no places."""
        described = self._resolved(described)
        for alternative in _alternatives(described):
            if inner := self._inner(alternative, data):
                return inner
        if isinstance(data, dict):
            fields = dict(described.get("properties", {}))
            if any("const" in field and data.get(name) != field["const"] for name, field in fields.items()):
                return {}
            others = described.get("additionalProperties")
            return fields | {name: others for name in data if name not in fields and isinstance(others, Mapping)}
        if isinstance(data, list):
            items = described.get("prefixItems") or [described.get("items", {})] * len(data)
            return dict(enumerate(items[: len(data)]))
        return {}

    def _resolved(self, place: Description) -> Description:
        if reference := place.get("$ref"):
            found: Description = self.root["$defs"][reference.removeprefix("#/$defs/")]
            return found
        return place


def _alternatives(place: Description) -> Sequence[Description]:
    return place.get("anyOf") or place.get("oneOf") or ()


def _numbers(place: Description) -> SearchStrategy[Any]:
    """Numbers between the bounds, with them, and more often small ones."""
    least = _bound(place, ("ge", "minimum", "gt", "exclusiveMinimum"))
    most = _bound(place, ("le", "maximum", "lt", "exclusiveMaximum"))
    ends: Iterable[float] = [end for end in (least, most) if end is not None]
    if place["type"] == "number":
        return st.sampled_from([1e-3, 0.5, 1.0, 2.0, *ends]) | st.floats(least, most, allow_nan=False)
    low = 0 if least is None else math.floor(least)
    return st.integers(low, low + 12) | st.sampled_from([low + 1, *map(int, ends)])


def _bound(place: Description, names: Iterable[str]) -> float | None:
    """pydantic writes a bound under JSON schema's name for it, or under its own."""
    return next((place[name] for name in names if name in place), None)
