"""Omost canvases that want to do harm, or are no canvases at all."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omost_texts import CANVAS, calls
from regional_dit.planner.errors import PlanError
from regional_dit.planner.omost.canvas import GLOBAL_ARGUMENTS, LOCAL_ARGUMENTS, MAX_CANVAS
from regional_dit.planner.omost.plan import plan_from_omost


def one_call(argument):
    return (
        "canvas = Canvas()\ncanvas.set_global_description('a garden', [], '', 'red')\n"
        "canvas.add_local_description('on the left', 'no offset', 'a small square area', 1, "
        f"{argument})"
    )


HOSTILE = [
    "import os",
    "__import__('os').system('echo hacked')",
    "canvas = Canvas()\nimport os\nos.system('echo hacked')",
    "canvas = Canvas()\ncanvas.__class__.__init__.__globals__",
    "canvas = Canvas()\ncanvas.process()",
    "canvas = Canvas(1)",
    "canvas = open('/etc/passwd')",
    "canvas = other = Canvas()",
    "Canvas = Canvas()\nCanvas()",
    "canvas = Canvas()\nexec('1')",
    "canvas = Canvas()\nfor x in [1]: pass",
    "canvas = Canvas()\nlambda: 1",
    "canvas = Canvas()\ncanvas.set_global_description = print",
    "canvas = Canvas()\nother.set_global_description('a')",
    "set_global_description('a')",
    one_call("open('/etc/passwd')"),
    one_call("f'{1}'"),
    one_call("F'{__import__(0)}'"),
    one_call("b'bytes'"),
    one_call("'a' + 'b'"),
    one_call("'a' * 1000000000"),
    one_call("'a'.join([])"),
    one_call("'a' % 1"),
    one_call("10 ** 10 ** 10"),
    one_call("True"),
    one_call("None"),
    one_call("1j"),
    one_call("[x for x in 'abc']"),
    one_call("*['a']"),
    one_call("**{}"),
    one_call("{'a': 1}"),
    one_call("description='a', description='b'"),
    one_call("'a', [['nested']]"),
    one_call("'a', [1, 2]"),
    one_call("'a', [], '', '', '', '', 'red', 'one too many'"),
    one_call("(yield)"),
    one_call("x := 1"),
    one_call("..."),
    one_call("'unclosed"),
    one_call("'''unclosed"),
    one_call("'a'") + "\ncanvas.set_global_description('twice')",
    "canvas = Canvas()\n" + "(" * 10_000,
    "canvas = Canvas()\nx = " + "[" * 50_000 + "]" * 50_000,
    "canvas = Canvas()\nx = " + "-" * 100_000 + "1",
    "canvas = Canvas()\nx = " + "not " * 40_000 + "1",
    "canvas = Canvas()\nx = " + "a." * 60_000 + "a",
    "canvas = Canvas()\nx = a" + "()" * 60_000,
    "canvas = Canvas()\nx = a" + "[0]" * 40_000,
    "canvas = Canvas()\nx = " + "1+" * 60_000 + "1",
    "canvas = Canvas()\nx = " + "lambda:" * 20_000 + "1",
    "canvas = Canvas()\nx = " + "1 if 1 else " * 10_000 + "1",
    one_call("9" * 5000),
    one_call("'a', [], '', '', '', '', 'red'").replace(", 1, ", ", 1e999, "),
    one_call("'a', [], '', '', '', '', 'red'").replace(", 1, ", ", -1, "),
    "canvas = Canvas()\n\x00",
    "canvas = Canvas()\n\\",
    "canvas = Canvas()\n\ud800",
    "canvas = Canvas()\n$!?",
    "canvas = Canvas()\n    indented = 1",
    "canvas = Canvas()",
    "",
    "```python\n```",
    "Sorry, I cannot do that.",
    "x" * (MAX_CANVAS + 1),
    "[" * 100_000,
    "{}",
    "[]",
    '[{"rect": [0, 90, 0, 90], "prefixes": ["a"]}]',
    '[{"rect": [0, 9, 0, 90], "prefixes": ["a"]}, {"rect": [0, 9, 0, 9], "prefixes": ["a"]}]',
    '[{"rect": [0, 90, 0, 90], "prefixes": ["a"]}, {"rect": [9, 9, 0, 9], "prefixes": ["a"]}]',
    '[{"rect": [0, 90, 0, 90], "prefixes": ["a"]}, {"rect": [0, 91, 0, 9], "prefixes": ["a"]}]',
    '[{"rect": [0, 90, 0, 90], "prefixes": ["a"]}, {"rect": [0, 9, 0, 9], "prefixes": []}]',
    json.dumps(calls()).replace('"a tree"', "NaN"),
    json.dumps(calls()).replace('"a tree"', '"\\ud800"'),
    json.dumps({**calls(), "add_local_description": [calls()["add_local_description"][0]] * 65}),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_refused_in_a_sentence(text, monkeypatch):
    monkeypatch.setattr("os.system", lambda command: pytest.fail("executed"))
    with pytest.raises(PlanError) as caught:
        plan_from_omost(text)
    assert len(str(caught.value)) < 700
    assert str(caught.value).endswith((".", '"'))


def test_nothing_is_executed():
    text = CANVAS + "\nimport sys; sys.hacked = True"
    with pytest.raises(PlanError, match="nothing is executed"):
        plan_from_omost(text)
    assert not hasattr(sys, "hacked")


PIECES = [
    *("canvas", "Canvas", "=", "(", ")", "[", "]", ",", ".", "-", "'a'", "1", "\n", " ", "#"),
    *("canvas = Canvas()\n", "canvas.set_global_description(", "canvas.add_local_description("),
    *("description=", "'on the left'", "lambda", "'''", '"', "\\", "f'{x}'", ":", "{", "}"),
    *GLOBAL_ARGUMENTS,
    *LOCAL_ARGUMENTS,
]


@given(st.lists(st.sampled_from(PIECES), max_size=40) | st.text(max_size=60))
def test_any_text_gives_a_plan_or_a_sentence(pieces):
    try:
        plan = plan_from_omost("".join(pieces))
    except PlanError:
        return
    assert plan.regions
