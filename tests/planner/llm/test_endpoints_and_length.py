"""The endpoint file, the reply store, the prompts' files, and keeping prompts short enough."""

from __future__ import annotations

import json
import os

import pytest
from regional_dit.planner.errors import EndpointError, PlanError
from regional_dit.planner.length import TokenLimit, bound_plan, bound_prompt
from regional_dit.planner.llm.cache import DiskStore, content_key
from regional_dit.planner.llm.endpoints import (
    CONFIG_VARIABLE,
    Endpoint,
    config_path,
    get_endpoint,
    load_endpoints,
)
from regional_dit.planner.llm.prompts import prompt_version, read_prompt
from regional_dit.planner.offline.planner import plan_offline

GOOD = {"base_url": "https://models.example/v1", "model": "m"}


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_endpoint_file(tmp_path, monkeypatch):
    path = write(tmp_path / "e.json", {"endpoints": {"big": {**GOOD, "api_key_env": "BIG_KEY"}}})
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert config_path() == path
    endpoint = get_endpoint("big")
    assert endpoint.chat_url == "https://models.example/v1/chat/completions"
    assert endpoint.read_key({"BIG_KEY": " secret\n"}) == "secret"
    with pytest.raises(EndpointError, match=r"no endpoint 'small'.*names: big"):
        get_endpoint("small")


def test_no_file_is_no_endpoint(tmp_path):
    assert load_endpoints(tmp_path / "none.json") == {}
    with pytest.raises(EndpointError, match=r"names: none.*offline planner"):
        get_endpoint("x", tmp_path / "none.json")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not valid JSON"),
        ([], "expected object"),
        ({"endpoints": {"a": {"model": "m"}}}, "endpoints.a.*'base_url'"),
        ({"endpoints": {"a": {**GOOD, "key": "k"}}}, "only the keys"),
        ({"endpoints": {"a": {**GOOD, "base_url": "file:///etc/passwd"}}}, "no http or https URL"),
        ({"endpoints": {"a": {**GOOD, "base_url": "https://u:p@x/v1"}}}, "user name"),
        ({"endpoints": {"a": {**GOOD, "base_url": "https://x:99999999/"}}}, "no URL"),
        ({"endpoints": {"a": {**GOOD, "api_key_env": "sk-123 4"}}}, "not hold the key"),
        (
            {"endpoints": {"a": {**GOOD, "base_url": "http://x.example/v1", "api_key_env": "K"}}},
            "unencrypted to x.example",
        ),
        ({"endpoints": {"a": {**GOOD, "total_timeout_s": 0}}}, "more than 0"),
    ],
)
def test_wrong_endpoint_files(tmp_path, value, message):
    with pytest.raises(EndpointError, match=message) as caught:
        load_endpoints(write(tmp_path / "e.json", value))
    assert "sk-123" not in str(caught.value)


def test_keys_over_http_only_to_this_machine():
    Endpoint("a", "http://127.0.0.1:1234/v1", "m", api_key_env="K")
    Endpoint("a", "http://[::1]:1234/v1", "m", api_key_env="K")
    Endpoint("a", "http://lan.example/v1", "m", api_key_env="K", allow_plain_http=True)
    with pytest.raises(EndpointError):
        Endpoint("a", "http://127.0.0.1.evil.example/v1", "m", api_key_env="K")


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "käse"])
def test_keys_that_no_header_can_carry(key):
    endpoint = Endpoint("a", "https://x.example/v1", "m", api_key_env="K")
    with pytest.raises(EndpointError, match="set it again") as caught:
        endpoint.read_key({"K": key})
    assert key not in str(caught.value)


def test_store_is_bounded_and_forgives(tmp_path):
    store = DiskStore(tmp_path / "s", max_entries=3)
    for number in range(6):
        store.put(content_key(number), {"number": number})
        os.utime(tmp_path / "s" / f"{content_key(number)}.json", (number, number))
    assert len(list((tmp_path / "s").iterdir())) == 3
    assert store.get(content_key(0)) is None and store.get(content_key(5)) == {"number": 5}
    (tmp_path / "s" / f"{content_key(5)}.json").write_text("{broken", encoding="utf-8")
    assert store.get(content_key(5)) is None
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    DiskStore(blocked).put("k", 1)
    assert DiskStore(blocked).get("k") is None


def test_prompts_are_short_and_versioned():
    text = read_prompt("plan")
    assert prompt_version("plan") >= 1 and "<!--" not in text
    assert len(text.split()) < 350
    for field in ("instance", "attributes", "high_level", "low_level", "box", "background"):
        assert f"`{field}`" in text


def words(text: str) -> int:
    return len(text.split())


def test_short_prompts_stay():
    assert bound_prompt("a red circle", (TokenLimit(words, 3),)) == ("a red circle", "")
    assert bound_prompt("", (TokenLimit(words, 1),)) == ("", "")


def test_whole_parts_go_first():
    kept, warning = bound_prompt(
        "a red circle on black background, glossy, watercolor style",
        (TokenLimit(words, 7, "CLIP encoder"),),
    )
    assert kept == "a red circle on black background, glossy"
    assert "has 9 tokens, but the CLIP encoder takes 7" in warning and "watercolor style" in warning


def test_one_long_part_is_cut_inside():
    kept, _ = bound_prompt(" ".join(f"w{k}" for k in range(50)), (TokenLimit(words, 10),))
    assert kept == " ".join(f"w{k}" for k in range(10))
    kept, _ = bound_prompt("红" * 50, (TokenLimit(len, 10),))
    assert kept == "红" * 10


def test_plan_notes_every_cut():
    plan = plan_offline("a red circle and a blue square on black background", 2)
    bounded = bound_plan(plan, (TokenLimit(words, 4, "text encoder"),))
    assert [words(region.prompt()) for region in bounded.regions] == [4, 4]
    assert any(note.startswith("Global prompt: ") for note in bounded.notes)
    assert any(note.startswith("Region 2: ") for note in bounded.notes)
    assert bound_plan(plan, (TokenLimit(words, 77),)) == plan
    with pytest.raises(PlanError, match="limit is 0"):
        bound_plan(plan, (TokenLimit(words, 0),))
