"""The editor's JavaScript without a browser: its own tests, its types, and that it cannot leak."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from regional_dit.headless.environment.browser import WebTools
from regional_dit.planner.compose import compose_prompt

HERE = Path(__file__).parent
SCRIPTS = HERE.parents[1] / "web" / "js"

PROMPTS = [
    ("a circle on black background", "orange, watercolor style", "circle", ("orange",)),
    ("a red circle", "red", "circle", ("red",)),
    ("An apple", "big", "apple", ("big",)),
    ("a hour glass", "", "", ()),
    ("a car", "made of wood, shiny", "car", ("made of wood", "shiny")),
    ("一只猫", "黑色，水彩", "猫", ("黑色",)),
    ("", "red", "", ()),
    ("a (strange) [name]", "c++", "[name]", ("c++",)),
]


def test_unit_tests(tools: WebTools) -> None:
    files = sorted(str(path) for path in (HERE / "unit").glob("*.test.mjs"))
    done = subprocess.run(
        [str(tools.node), "--test", *files], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"^\S+ pass (\d+)$", done.stdout, re.M)
    assert passed and int(passed[1]) >= 59


def test_types(tools: WebTools) -> None:
    command = [str(tools.node), str(tools.modules / "typescript" / "bin" / "tsc"), "-p", str(HERE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("parts", PROMPTS, ids=[p[0] or "empty" for p in PROMPTS])
def test_prompts_read_as_on_the_server(tools: WebTools, parts: tuple) -> None:
    high, low, instance, attributes = parts
    region = {
        "high_level": high, "low_level": low, "instance": instance,
        "attributes": list(attributes), "phrase": "",
    }  # fmt: skip
    script = (
        f"import {{ promptOf }} from {json.dumps((SCRIPTS / 'editor' / 'compose.js').as_uri())};"
        f"process.stdout.write(promptOf({json.dumps(region)}));"
    )
    done = subprocess.run(
        [str(tools.node), "--input-type=module", "-e", script], capture_output=True, timeout=60
    )
    assert done.stdout.decode() == compose_prompt(high, low, instance, attributes)


def test_nothing_is_executed_or_global() -> None:
    for path in SCRIPTS.rglob("*.js"):
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function"):
            assert word not in code, f"{path.name} uses {word}"
        assert not re.search(r"\b(window|globalThis)\.\w+\s*=[^=]", code), path.name
        assert "document.head" not in code and "document.body.append" not in code, path.name


def test_one_extension() -> None:
    texts = [path.read_text(encoding="utf-8") for path in SCRIPTS.rglob("*.js")]
    assert sum("registerExtension(" in text for text in texts) == 1


def test_styles_stay_with_the_editor() -> None:
    text = (SCRIPTS / "editor" / "style.js").read_text(encoding="utf-8")
    for sheet in re.findall(r"`(.*?)`", text, re.S):
        for selectors in re.findall(r"([^{}]+)\{[^{}]*\}", sheet):
            for selector in selectors.split(","):
                assert selector.strip().startswith((".rdit-editor", ".rdit-report")), selector
