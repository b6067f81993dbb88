"""Reading an Omost canvas: its JSON forms, or its Python form without executing anything.

A canvas is what the language models of lllyasviel/Omost write: ``canvas = Canvas()``, one call of
``canvas.set_global_description(...)`` and any number of ``canvas.add_local_description(...)``, all
with literal arguments. The text is not trusted: its length is bounded, its tokens are checked
before the parser sees them (so that nesting is bounded too), and only literals are read off the
syntax tree.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
import warnings
from typing import Any

from ..errors import PlanError
from ..schema import MAX_REGIONS, MAX_TEXT, check_schema, load_json

MAX_CANVAS = 200_000  # characters
MAX_DETAILS = 64
GRID = 90  # cells of the canvas, each way

_TEXT = {"type": "string", "maxLength": MAX_TEXT}
_NAME = {"type": "string", "maxLength": 100}
_TEXTS = {"type": "array", "items": _TEXT, "maxItems": MAX_DETAILS}
GLOBAL_ARGUMENTS: dict[str, Any] = {
    "description": _TEXT,
    "detailed_descriptions": _TEXTS,
    "tags": _TEXT,
    "HTML_web_color_name": _NAME,
}
LOCAL_ARGUMENTS: dict[str, Any] = {
    "location": _NAME,
    "offset": _NAME,
    "area": _NAME,
    "distance_to_viewer": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},
    "description": _TEXT,
    "detailed_descriptions": _TEXTS,
    "tags": _TEXT,
    "atmosphere": _TEXT,
    "style": _TEXT,
    "quality_meta": _TEXT,
    "HTML_web_color_name": _NAME,
}
CALLS = {"set_global_description": GLOBAL_ARGUMENTS, "add_local_description": LOCAL_ARGUMENTS}


def _arguments_schema(arguments: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": arguments,
        "required": required,
        "additionalProperties": False,
    }


CALLS_SCHEMA = {
    "type": "object",
    "properties": {
        "set_global_description": _arguments_schema(GLOBAL_ARGUMENTS, ["description"]),
        "add_local_description": {
            "type": "array",
            "items": _arguments_schema(
                LOCAL_ARGUMENTS, ["location", "area", "distance_to_viewer", "description"]
            ),
            "minItems": 1,
            "maxItems": MAX_REGIONS,
        },
    },
    "required": ["set_global_description", "add_local_description"],
    "additionalProperties": False,
}
_CELL = {"type": "integer", "minimum": 0, "maximum": GRID}
_BYTE = {"type": "integer", "minimum": 0, "maximum": 255}
CONDITIONS_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "rect": {"type": "array", "items": _CELL, "minItems": 4, "maxItems": 4},
            "prefixes": {**_TEXTS, "minItems": 1},
            "suffixes": _TEXTS,
            "color": {"type": "array", "items": _BYTE, "minItems": 3, "maxItems": 3},
        },
        "required": ["rect", "prefixes"],
        "additionalProperties": False,
    },
    "minItems": 2,
    "maxItems": MAX_REGIONS + 1,
}

Canvas = dict[str, Any]  # follows CALLS_SCHEMA
Conditions = list[dict[str, Any]]  # follows CONDITIONS_SCHEMA


def read_canvas(text: str) -> Canvas | Conditions:
    """The arguments of the two calls, or the list of conditions that ComfyUI_omost saves.

    Args:
        text: Python, or JSON: ``{"set_global_description": {...}, "add_local_description":
            [{...}]}``, or a list of ``{"rect", "prefixes", "suffixes", "color"}``. A chat reply
            with the canvas in a fenced block is fine.

    Raises:
        PlanError: anything else; says where and what was expected. Nothing is ever executed.
    """
    if len(text) > MAX_CANVAS:
        raise PlanError(f"The canvas has {len(text)} characters; expected at most {MAX_CANVAS}.")
    fenced = re.search(r"```[a-zA-Z]*[ \t]*\r?\n(.*?)```", text, re.DOTALL)
    source = textwrap.dedent(fenced[1] if fenced else text).strip()
    if not source:
        raise PlanError("The canvas is empty. Paste what Omost's language model wrote.")
    if source[0] not in "[{":
        canvas = _python_calls(source)
        check_schema(canvas, CALLS_SCHEMA, what="canvas")
        return canvas
    value = load_json(source, what="canvas")
    is_list = isinstance(value, list)
    check_schema(value, CONDITIONS_SCHEMA if is_list else CALLS_SCHEMA, what="canvas")
    return value


def _python_calls(source: str) -> Canvas:
    _check_tokens(source)
    try:
        with warnings.catch_warnings():  # of odd escapes in the texts
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        raise PlanError(f"The canvas is no Python: {error.msg} at line {error.lineno}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise PlanError("The canvas is no Python that can be read.") from None
    name = ""
    canvas: Canvas = {"add_local_description": []}
    for statement in tree.body:
        if not name and (name := _new_canvas(statement)):
            continue
        method, arguments = _call(statement, name)
        if method == "add_local_description":
            canvas[method].append(arguments)
        elif method in canvas:
            raise _unexpected(statement, "a second set_global_description")
        else:
            canvas[method] = arguments
    return canvas


def _check_tokens(source: str) -> None:
    """Raise unless the text is made of names, literals, calls and lists, at most four deep.

    Deep nesting can exhaust the parser's stack, so it is kept from the parser.
    """
    before, depth = "", 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind, text = token.type, token.string
            if kind in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER):
                continue
            depth += (text in ("(", "[")) - (text in (")", "]"))
            if depth > 4 or not _is_allowed(kind, text, before):
                raise PlanError(
                    f"The canvas is wrong at line {token.start[0]}: got {text[:40]!r}, expected "
                    + EXPECTED
                )
            if kind == tokenize.NAME:
                text = "member" if before == "." else "name"
            before = text
    except (tokenize.TokenError, SyntaxError) as error:
        raise PlanError(f"The canvas is no Python: {error.args[0]}.") from None


EXPECTED = (
    "only canvas = Canvas(), canvas.set_global_description(...) and "
    "canvas.add_local_description(...) with texts, lists of texts and numbers. Nothing else is "
    "read, and nothing is executed."
)


def _is_allowed(kind: int, text: str, before: str) -> bool:
    if kind == tokenize.NAME:
        return before not in ("name", "member")
    if kind == tokenize.NUMBER:
        return True
    if kind == tokenize.STRING:
        return re.match(r"[rRuU]?['\"]", text) is not None
    if kind != tokenize.OP:
        return False
    after = {  # what a token may stand behind, where that bounds the depth of the tree
        ".": ("name",),
        "(": ("name", "member"),
        "[": ("=", ",", "(", "["),
        "-": ("=", ",", "("),
    }
    return text in (")", "]", ",", "=") or before in after.get(text, ())


def _new_canvas(statement: ast.stmt) -> str:
    """The name in ``name = Canvas()``, or "" for any other statement."""
    match statement:
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.Call(func=ast.Name(id="Canvas"), args=[], keywords=[]),
        ):
            return name
    return ""


def _call(statement: ast.stmt, canvas: str) -> tuple[str, dict[str, Any]]:
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) as call
        ) if canvas and name == canvas and method in CALLS:
            pass
        case _:
            raise _unexpected(statement, f"{ast.unparse(statement)[:60]!r}")
    names = list(CALLS[method])
    if len(call.args) > len(names):
        raise _unexpected(statement, f"{len(call.args)} arguments of {method}")
    pairs = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
    arguments: dict[str, Any] = {}
    for name, value in pairs:
        if name is None or name in arguments:
            raise _unexpected(statement, f"the argument {name!r} twice")
        arguments[name] = _literal(value)
    return method, arguments


def _literal(node: ast.expr) -> Any:
    """A text, a number or a list of texts.

    Raises:
        PlanError: anything else.
    """
    match node:
        case ast.Constant(value=str() | int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            if all(isinstance(i, ast.Constant) and isinstance(i.value, str) for i in items):
                return [_literal(item) for item in items]
    raise _unexpected(node, f"{ast.unparse(node)[:60]!r}")


def _unexpected(node: ast.stmt | ast.expr, got: str) -> PlanError:
    return PlanError(f"The canvas is wrong at line {node.lineno}: got {got}, expected {EXPECTED}")
