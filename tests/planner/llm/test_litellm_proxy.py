"""The client against a real OpenAI-compatible server: LiteLLM's proxy with canned replies.

Its proxy brings a hundred packages, so it is not among the test extras. To run this file, install
it into an environment of its own (`pip install "litellm[proxy]==1.74.9"`) and point to its command:
`LITELLM_COMMAND=/that/environment/bin/litellm`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

import pytest
import requests
from regional_dit.planner.errors import ChatError
from regional_dit.planner.llm.cache import DiskStore
from regional_dit.planner.llm.endpoints import Endpoint
from regional_dit.planner.llm.planner import plan_with_llm

COMMAND = os.environ.get("LITELLM_COMMAND", "")
pytestmark = pytest.mark.skipif(not COMMAND, reason="LITELLM_COMMAND names no LiteLLM proxy")

KEY = "sk-local-0123456789"
SENTENCE = "a room with a blue chair on the left and a red chair on the right"


def chair(colour: str, box: list[float]) -> dict:
    return {
        "instance": "chair",
        "attributes": [colour],
        "high_level": "a chair by the wall",
        "low_level": "velvet, soft light",
        "box": box,
    }


REPLY = {
    "global_prompt": "a room with a blue chair and a red chair",
    "background": "a room",
    "negative_prompt": "blurry",
    "regions": [chair("blue", [0, 0, 0.5, 1]), chair("red", [0.5, 0, 1, 1])],
}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("litellm")
    replies = {
        "canned": json.dumps(REPLY),
        "fenced": f"Sure!\n```json\n{json.dumps(REPLY, indent=1)}\n```",
        "prose": "I would rather write a poem.",
        "limited": "litellm.RateLimitError",
    }
    config = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"openai/{name}",
                    "api_key": "none",
                    "mock_response": text,
                },
            }
            for name, text in replies.items()
        ],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                *(COMMAND, "--config", str(folder / "config.yaml")),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(url, process)
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(20)


def wait_until_up(url: str, process: subprocess.Popen) -> None:
    for _ in range(240):
        if process.poll() is not None:
            pytest.fail("The LiteLLM proxy ended while it was starting.")
        try:
            if requests.get(f"{url}/health/liveliness", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.5)
    pytest.fail("The LiteLLM proxy did not come up.")


@pytest.fixture
def plan(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("LITELLM_TEST_KEY", KEY)

    def run(model: str, **changes):
        endpoint = Endpoint(
            "proxy", proxy, model, api_key_env="LITELLM_TEST_KEY", total_timeout_s=20
        )
        return plan_with_llm(
            SENTENCE, 2, None, endpoint, store=DiskStore(tmp_path / "store"), **changes
        )

    return run


@pytest.mark.parametrize("model", ["canned", "fenced"])
def test_plan(plan, model):
    result = plan(model)
    assert [region.prompt() for region in result.regions] == [
        "a blue chair by the wall, velvet, soft light",
        "a red chair by the wall, velvet, soft light",
    ]
    assert result.negative_prompt == "blurry"


def test_streams_and_counts_tokens(plan):
    used = []
    plan("canned", seed=3, used=used.append)
    (usage,) = used
    assert (usage.requests, usage.retries, usage.corrections) == (1, 0, 0)
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0


def test_two_runs_ask_once(plan):
    lines: list[str] = []
    assert plan("canned", seed=5) == plan("canned", seed=5, progress=lines.append)
    assert lines == ["The same question was asked before: its answer is used again."]


def test_prose_ends_clearly(plan):
    with pytest.raises(ChatError, match="no JSON object; it begins with 'I would rather"):
        plan("prose")


def test_rate_limit_ends_clearly(plan):
    with pytest.raises(ChatError, match="answered 429"):
        plan("limited")


def test_unknown_model(plan):
    with pytest.raises(ChatError, match="Invalid model name"):
        plan("absent")


def test_wrong_key(plan, monkeypatch):
    wrong = "sk-wrong-9876543210"
    monkeypatch.setenv("LITELLM_TEST_KEY", wrong)
    with pytest.raises(ChatError) as caught:
        plan("canned", seed=9)
    assert wrong not in str(caught.value)
