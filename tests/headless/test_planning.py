"""`plan` and `evaluate` as a person uses them: what they print, draw and count."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from regional_dit.headless import cli
from regional_dit.planner.picture import plan_image, plan_svg
from regional_dit.planner.plan import Plan

SENTENCE = "a small fox in front of a castle, watercolor style"


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def test_plan_is_printed(capsys):
    assert run("plan", SENTENCE) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "global: a small fox and a castle, watercolor style"
    assert lines[1] == "1. a castle, watercolor style"
    assert lines[2] == '   x 0-100 %, y 0-100 % (behind "a small fox")'
    assert lines[3] == "2. a small fox, watercolor style" and "order 1" in lines[4]


def test_plan_as_json(capsys):
    assert run("plan", "左边一只熊猫，右边一只猴子", "--json", "--regions", "2") == 0
    plan = Plan.from_json(capsys.readouterr().out)
    assert [region.prompt() for region in plan.regions] == ["一只熊猫", "一只猴子"]


def test_aspect_arranges(capsys):
    run("plan", "a cat, a dog and a bird", "--aspect", "0.5", "--json")
    plan = Plan.from_json(capsys.readouterr().out)
    assert plan.aspect == 0.5 and {region.box[2] for region in plan.regions} == {1.0}


def test_plan_needs_nothing_but_the_standard_library(repo: Path, tmp_path: Path):
    """Also the drawing: isolated from all installed packages, as with a bare Python."""
    picture = tmp_path / "plan.svg"
    script = (
        f"import sys; sys.path.insert(0, {str(repo)!r}); import headless.cli as c; "
        f"sys.exit(c.main(['plan', {SENTENCE!r}, '--picture', {str(picture)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0 and "a small fox" in done.stdout, done.stderr
    assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.jpg", b"\xff\xd8")])
def test_pictures(tmp_path: Path, name: str, magic: bytes):
    target = tmp_path / name
    assert run("plan", SENTENCE, "--picture", str(target)) == 0
    assert target.read_bytes().startswith(magic)


def test_svg_shows_every_region_and_escapes_texts():
    plan = Plan.from_json(
        json.dumps({
            "version": 1, "global_prompt": "x", "aspect": 2.0,
            "regions": [
                {"high_level": "a <b> & a \"c\"", "box": [0, 0, 0.5, 1], "order": 1},
                {"high_level": "熊猫", "box": [0.5, 0, 1, 1], "color": "#102030"},
                {"high_level": "nowhere"},
            ],
        })
    )  # fmt: skip
    root = xml.etree.ElementTree.fromstring(plan_svg(plan))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert '1. a <b> & a "c"' in texts and "2. 熊猫" in texts and "3. nowhere" in texts
    boxes = [element for element in root.iter() if element.get("fill-opacity")]
    assert [box.get("fill") for box in boxes] == ["#102030", "#0072b2"]  # the nearer one last
    assert (root.get("width"), boxes[0].get("height")) == ("640", "318.0")


def test_a_picture_shows_the_colours():
    from io import BytesIO

    from PIL import Image

    plan = Plan.from_json(
        json.dumps({
            "version": 1, "global_prompt": "x",
            "regions": [{"high_level": "a", "box": [0, 0, 1, 1], "color": "#ff0000"}],
        })
    )  # fmt: skip
    image = Image.open(BytesIO(plan_image(plan, "PNG"))).convert("RGB")
    bands = [band.getpixel((320, 320)) for band in image.split()]
    assert image.width == 640
    assert bands == [pytest.approx(247, abs=8)] + [pytest.approx(183, abs=8)] * 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plan", "  "], 1, "The text to plan is empty"),
        (["plan", "a cat", "--regions", "99"], 1, "expected 1 to 64"),
        (["plan", "a cat", "--picture", "p.gif"], 2, "--picture can end in: .svg, .png"),
        (["plan", "a cat", "--endpoint", "nowhere"], 1, "There is no endpoint 'nowhere'"),
        (["evaluate", "none.txt"], 2, "There is no file none.txt"),
    ],
)
def test_wrong_usage(arguments, code, said, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("REGIONAL_DIT_ENDPOINTS", str(tmp_path / "endpoints.json"))
    assert run(*arguments) == code
    assert said in capsys.readouterr().err


def test_evaluate_a_plain_list(tmp_path: Path, capsys):
    file = tmp_path / "list.txt"
    file.write_text(
        "a cup on the left of a cat\nthree plates and one shrimp\na red car and a pink elephant\n"
        "The grapes hung low on the vine, ripening in the sun.\n",
        encoding="utf-8",
    )
    assert run("evaluate", str(file)) == 0
    out = capsys.readouterr().out
    assert "relation: 1 of 1 right (100.0%)" in out and "count: 1 of 1" in out
    assert "sound: 1 of 1 right (100.0%), 0 left whole (0.0%)" in out and "ms median" in out


def test_evaluate_tells_what_is_wrong(tmp_path: Path, capsys):
    file = tmp_path / "list.txt"
    file.write_text(
        "a cat left of a dog | W2 | cat ; dog\na cat left of a dog | W2 | dog ; cat\n",
        encoding="utf-8",
    )
    assert run("evaluate", str(file)) == 1
    out = capsys.readouterr().out
    assert "labelled: 1 of 2 right (50.0%), 1 with every thing in its place" in out
    assert out.startswith("wrong: a cat left of a dog\n  cell 1: 'a cat'")
    assert run("evaluate", str(file), "--limit", "1", "--json") == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["problems"] == [] and result["kind"] == "labelled"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "The list is empty"), ("a | b\n", "2 part(s)"), (b"\xff\xfe\x00", "is not UTF-8")],
)
def test_a_wrong_list_is_told(tmp_path: Path, capsys, text, said):
    file = tmp_path / "list.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert run("evaluate", str(file)) == 2
    assert said in capsys.readouterr().err


@pytest.fixture
def model(tmp_path: Path, monkeypatch):
    """A language model that puts everything on the left, and counts its tokens."""
    region = {
        "instance": "cat", "attributes": ["grey"], "high_level": "a cat", "low_level": "grey",
        "box": [0, 0, 0.5, 1],
    }  # fmt: skip
    answer = {
        "global_prompt": "a cat", "background": "", "negative_prompt": "",
        "regions": [region, {**region, "instance": "dog", "high_level": "a dog"}],
    }  # fmt: skip
    body = {
        "choices": [{"message": {"role": "assistant", "content": json.dumps(answer)}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    endpoints = tmp_path / "endpoints.json"
    fields = {"base_url": f"http://127.0.0.1:{server.server_port}/v1", "model": "tiny"}
    endpoints.write_text(json.dumps({"endpoints": {"local": fields}}), encoding="utf-8")
    monkeypatch.setenv("REGIONAL_DIT_ENDPOINTS", str(endpoints))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    yield server
    server.shutdown()
    server.server_close()


def test_a_language_model_is_scored_too(model, tmp_path: Path, capsys):
    file = tmp_path / "list.txt"
    file.write_text("a cat on the left of a dog\na cat next to a dog\n", encoding="utf-8")
    assert run("evaluate", str(file), "--endpoint", "local") == 1
    out = capsys.readouterr().out
    assert "relation: 0 of 2 right (0.0%)" in out
    assert "2 requests, 0 retries, 0 answers sent back, 14 + 10 tokens, " in out
    assert run("plan", "a cat and a dog", "--endpoint", "local") == 0
    out = capsys.readouterr().out
    assert "1. a grey cat" in out and "1 requests, 0 retries" in out
