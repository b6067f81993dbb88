"""Random JSON and text as people, browsers and other programs write them, right and spoiled."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

texts = st.one_of(
    st.sampled_from(
        ["", " ", "a red fox", "红色的狐狸", "a\u0000b", "\ud800", "1", "../../x", "a.b"]
    ),
    st.text(max_size=12),
)
# NaN and infinity too: Python reads and writes them in JSON, and so does ComfyUI's server.
numbers = st.one_of(
    st.integers(-3, 70),
    st.sampled_from(
        [0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 5e-324, 1e308, float("nan"), float("inf"), 10**400, 2**53]
    ),
    st.floats(0.0, 1.0),
    st.floats(),
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    found: list[tuple[Any, Any]] = []
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            found += _places(value[key])
    return found


@st.composite
def spoiled(draw: st.DrawFn, good: Any, most: int = 3) -> Any:
    """JSON with up to ``most`` values replaced, removed, doubled or added at any depth."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, most))):
        places = _places(value)
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        what = draw(st.sampled_from(["replace", "replace", "remove", "double", "swap"]))
        if what == "replace":
            holder[key] = draw(json_values)
        elif what == "remove":
            del holder[key]
        elif what == "double" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif what == "double":
            holder[draw(texts)] = copy.deepcopy(holder[key])
        else:
            other, place = draw(st.sampled_from(places))
            if other is holder:
                holder[key], other[place] = other[place], holder[key]
    return value


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> bytes:
    """JSON as a file's bytes; some cut off, with a byte-order mark, or no JSON at all."""
    how = draw(st.sampled_from(["plain"] * 6 + ["ascii", "bom", "cut", "bytes", "deep"]))
    if how == "bytes":
        return draw(st.binary(max_size=40))
    if how == "deep":
        return draw(st.sampled_from(["[", '{"a":', '{"1": {"inputs": '])).encode() * 3_000
    text = json.dumps(draw(values), ensure_ascii=how == "ascii")
    data = text.encode("utf-8", "surrogatepass")
    if how == "bom":
        return b"\xef\xbb\xbf" + data
    return data[: draw(st.integers(0, len(data)))] if how == "cut" else data


def is_a_sentence(error: Exception) -> bool:
    """Whether a refusal says something that a person can read."""
    return 20 < len(str(error)) < 20_000
