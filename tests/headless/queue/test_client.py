"""The client against a real server: pictures, texts, and every way a run can fail."""

from __future__ import annotations

import io
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from regional_dit.headless import api
from regional_dit.headless.errors import RunError, UsageError, WorkflowError
from regional_dit.headless.progress import Progress
from regional_dit.headless.queue import explain
from regional_dit.headless.queue.client import Client
from regional_dit.headless.saving import safe_path
from regional_dit.headless.server.start import Server, free_port

Workflow = dict[str, dict[str, Any]]

CHECKPOINT = {
    "1": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "hydit_none.safetensors"},
    },
    "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["1", 2]}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}


def sleep(seconds: float) -> Workflow:
    meta = {"title": "Long sleep"}
    return {"1": {"class_type": "ProbeSleep", "inputs": {"seconds": seconds}, "_meta": meta}}


def test_picture_and_preview_arrive(client: Client, inverted: Workflow, tmp_path: Path) -> None:
    result = client.run(inverted, tmp_path)
    saved, preview = result.files["3"][0], result.files["4"][0]
    assert saved.parent == tmp_path / "sub" and saved.name.startswith("inverted_")
    assert preview.name == "Before_red.png"
    with Image.open(saved) as picture:
        assert picture.size == (16, 8) and picture.getpixel((3, 3)) == (0, 255, 255)


def test_texts_arrive(client: Client, tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": "hello"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    assert client.run(graph, tmp_path).texts == {"2": ["hello"]}


def test_without_aiohttp_the_history_is_polled(
    client: Client, inverted: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    inverted["1"]["inputs"]["width"] = 24
    assert client.run(inverted, tmp_path).files["3"][0].is_file()


def test_files_are_not_overwritten(client: Client, inverted: Workflow, tmp_path: Path) -> None:
    item = {"filename": client.run(inverted, tmp_path).files["3"][0].name, "subfolder": "sub"}
    again = client.download({**item, "type": "output"}, tmp_path)
    assert len(list((tmp_path / "sub").iterdir())) == 1  # the same content is the same file
    again.write_bytes(b"mine")
    other = client.download({**item, "type": "output"}, tmp_path)
    assert again.read_bytes() == b"mine"
    number = int(again.stem.split("_")[1])
    assert other.name == f"inverted_{number + 1:05d}_.png"


def test_unknown_class(client: Client, tmp_path: Path) -> None:
    graph = {"1": {"class_type": "RegionalDiT_Nope", "inputs": {}}}
    with pytest.raises(WorkflowError, match=r"(?s)RegionalDiT_Nope.*custom_nodes/"):
        client.run(graph, tmp_path)


def test_missing_checkpoint_names_file_and_folder(client: Client, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError) as caught:
        client.run(CHECKPOINT, tmp_path)
    assert "hydit_none.safetensors" in str(caught.value)
    assert str(Path("models") / "checkpoints") in str(caught.value)


def test_input_errors_are_told_per_node(client: Client, inverted: Workflow, tmp_path: Path) -> None:
    inverted["1"]["inputs"]["width"] = 0
    size = {"image": ["1", 0], "width": 8, "height": 8, "crop": "disabled"}
    inverted["5"] = {"class_type": "ImageScale", "inputs": {**size, "upscale_method": "bilinar"}}
    inverted["6"] = {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}}
    del inverted["3"]["inputs"]["filename_prefix"]
    with pytest.raises(WorkflowError) as caught:
        client.run(inverted, tmp_path)
    assert "Red (#1): width is 0" in str(caught.value)
    assert "upscale_method is 'bilinar', which is not one of: bilinear," in str(caught.value)
    assert "SaveImage (#3): the required input 'filename_prefix' is missing" in str(caught.value)


def test_wrong_type_of_link(client: Client, inverted: Workflow, tmp_path: Path) -> None:
    inverted["3"]["inputs"]["images"] = ["5", 0]
    inverted["5"] = {"class_type": "PrimitiveString", "inputs": {"value": "no image"}}
    with pytest.raises(WorkflowError, match="images is linked to an output of type STRING"):
        client.run(inverted, tmp_path)


def test_no_output_node(client: Client, tmp_path: Path) -> None:
    graph = {"1": {"class_type": "PrimitiveString", "inputs": {"value": "x"}}}
    with pytest.raises(WorkflowError, match="has no output node"):
        client.run(graph, tmp_path)


def test_failing_node_is_named(client: Client, inverted: Workflow, tmp_path: Path) -> None:
    meta = {"title": "Breaks"}
    inverted["2"] = {"class_type": "ProbeFail", "inputs": {"message": "N is 3"}, "_meta": meta}
    with pytest.raises(RunError, match=r"Breaks \(#2\) failed with ValueError: N is 3"):
        client.run(inverted, tmp_path)
    del inverted["2"]
    inverted["3"]["inputs"]["images"] = ["1", 0]
    assert client.run(inverted, tmp_path).files  # the server takes the next good job


def test_interrupt_on_the_server(client: Client, server: Server, tmp_path: Path) -> None:
    def interrupt() -> None:
        while not api.get_json(f"{server.url}/queue")["queue_running"]:
            time.sleep(0.05)
        api.post_json(f"{server.url}/interrupt", {})

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(RunError, match=r"interrupted on the server, in Long sleep \(#1\)"):
        client.run(sleep(60), tmp_path)
    thread.join()


def test_cancel_leaves_the_queue_empty(client: Client, server: Server) -> None:
    first, second = client.queue(sleep(60)), client.queue(sleep(60))
    client.cancel(second)
    client.cancel(first)
    give_up = time.monotonic() + 10
    while api.get_json(f"{server.url}/queue") != {"queue_running": [], "queue_pending": []}:
        assert time.monotonic() < give_up, "the queue is not empty"
        time.sleep(0.05)


def test_steps_are_shown(server: Server, inverted: Workflow, tmp_path: Path) -> None:
    stream = io.StringIO()
    graph = {"1": {"class_type": "ProbeSleep", "inputs": {"seconds": 0.1}}}
    Client(server.url, Progress(stream)).run({**inverted, "9": graph["1"]}, tmp_path)
    assert "Traceback" not in stream.getvalue()


def test_nobody_answers(quiet: Progress, inverted: Workflow, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"No ComfyUI answers at http://127\.0\.0\.1"):
        Client(f"127.0.0.1:{free_port()}", quiet).run(inverted, tmp_path)


@pytest.mark.parametrize("url", ["ftp://host", "http://", "127.0.0.1:99999", "http://[bad"])
def test_bad_address(url: str) -> None:
    with pytest.raises(UsageError, match="is no server address"):
        api.normal_url(url)


@pytest.mark.parametrize(
    ("subfolder", "filename", "expected"),
    [
        ("demo", "a.png", "demo/a.png"),
        ("../..", "../a.png", "a.png"),
        ("/etc", "passwd", "etc/passwd"),
        ("..\\..\\x", "C:\\a.png", "x/C_/a.png"),
        ("", "con.png", "_con.png"),
        ("", "a\x00b\n?.png", "a_b__.png"),
        ("...", "..", "file"),
        ("", "", "file"),
    ],
)
def test_names_stay_inside(tmp_path: Path, subfolder: str, filename: str, expected: str) -> None:
    assert safe_path(tmp_path, subfolder, filename) == tmp_path / expected


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_out_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "demo").symlink_to(tmp_path)
    with pytest.raises(RunError, match="leads out of"):
        safe_path(out, "demo", "a.png")


def test_model_folders() -> None:
    assert explain.model_folder("UNETLoader", "unet_name") == "diffusion_models"
    assert explain.model_folder("DualCLIPLoader", "clip_name2") == "text_encoders"
    assert explain.model_folder("CLIPVisionLoader", "clip_name") == "clip_vision"
    assert explain.model_folder("KSampler", "sampler_name") is None
