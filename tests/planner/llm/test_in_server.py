"""The planner node in a real ComfyUI server: keys, repeated runs and cancelling."""

from __future__ import annotations

import io
import json
import time

import pytest
from regional_dit.headless import api
from regional_dit.headless.errors import RunError
from regional_dit.headless.progress import Progress
from regional_dit.headless.queue.client import Client
from regional_dit.headless.server.start import Server

SENTENCE = "a red circle on the left and a blue circle on the right"


def workflow(seed: int) -> dict:
    """Plan, show the plan, and save a picture that carries the workflow."""
    plan = {
        "prompt": SENTENCE,
        "n": 2,
        "endpoint": "scripted",
        "seed": seed,
        "temperature": 0.2,
        "negative_prompt": "",
        "plan_json": "",
    }
    return {
        "1": {"class_type": "RegionalDiT_LLMProgressivePrompt", "inputs": plan},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 4]}},
        "3": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": seed},
        },
        "4": {
            "class_type": "SaveImage",
            "inputs": {"images": ["3", 0], "filename_prefix": "planned"},
        },
    }


def run(server: Server, seed: int, out) -> list:
    client = Client(server.url, Progress(io.StringIO()))
    return [f for files in client.run(workflow(seed), out).files.values() for f in files]


@pytest.fixture
def good(comfyui_server, module_server, server_key, make_chat, make_answer):
    """The model server that the ComfyUI's endpoint file names."""
    variable, _ = server_key
    fields = {"base_url": f"{module_server.url}/v1", "model": "tiny", "api_key_env": variable}
    endpoints = {"endpoints": {"scripted": fields}}
    (comfyui_server.base / "endpoints.json").write_text(json.dumps(endpoints), encoding="utf-8")
    module_server.script = lambda p, h, i: (200, make_chat(json.dumps(make_answer())), {})
    module_server.payloads.clear()
    return module_server


def test_the_key_is_nowhere(comfyui_server, good, server_key, tmp_path):
    _, key = server_key
    pictures = run(comfyui_server, 1, tmp_path)
    assert good.authorizations[-1] == f"Bearer {key}"
    good.script = lambda p, h, i: (401, {"error": {"message": f"bad key {key}"}}, {})
    with pytest.raises(RunError, match="key was not accepted") as caught:
        run(comfyui_server, 2, tmp_path)
    history = json.dumps(api.get_json(f"{comfyui_server.url}/history", timeout_s=10))
    assert "a circle number 0" in history  # the history does hold what the node gave out
    seen = [str(caught.value), history, comfyui_server.log.read_text("utf-8", "replace")]
    assert pictures and all(b"RegionalDiT_LLMProgressivePrompt" in p.read_bytes() for p in pictures)
    assert all(key.encode() not in picture.read_bytes() for picture in pictures)
    assert all(key not in text for text in seen)


def test_two_runs_ask_once(comfyui_server, good, tmp_path):
    run(comfyui_server, 3, tmp_path)
    run(comfyui_server, 3, tmp_path)
    api.post_json(f"{comfyui_server.url}/free", {"free_memory": True}, timeout_s=10)
    time.sleep(1.5)  # the server forgets its own cached outputs when its queue is idle
    run(comfyui_server, 3, tmp_path)
    assert len(good.payloads) == 1


def test_cancel_while_the_model_is_silent(comfyui_server, good, tmp_path, make_chat, make_answer):
    good.script = lambda p, h, i: good.stopping.wait(60) and None
    url = comfyui_server.url
    queued = api.post_json(f"{url}/prompt", {"prompt": workflow(4)}, timeout_s=10)["prompt_id"]
    until(lambda: len(good.payloads) == 1, 20)
    started = time.monotonic()
    api.post_json(f"{url}/interrupt", {}, timeout_s=10)
    until(lambda: queued in api.get_json(f"{url}/history/{queued}", timeout_s=10), 10)
    took = time.monotonic() - started
    messages = api.get_json(f"{url}/history/{queued}", timeout_s=10)[queued]["status"]["messages"]
    assert took < 4  # 2 s is the promise; the rest is for a machine that is busy otherwise
    assert messages[-1][0] == "execution_interrupted"
    good.script = lambda p, h, i: (200, make_chat(json.dumps(make_answer())), {})
    assert run(comfyui_server, 5, tmp_path)


def until(condition, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
