"""ComfyUI's template browser finds the workflows, over HTTP, and no file of another format."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

PACK = "regional-dit"


async def ask(packs: Path, paths: list[str]) -> list[Any]:
    """What the host's own routes answer: JSON where it is JSON, else the bytes."""
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer
    from app.custom_node_manager import CustomNodeManager

    app, routes = web.Application(), web.RouteTableDef()
    CustomNodeManager().add_routes(routes, app, [(PACK, str(packs / PACK))])
    app.add_routes(routes)
    answers = []
    async with TestClient(TestServer(app)) as client:
        for path in paths:
            response = await client.get(path)
            assert response.status == 200, path
            is_json = response.content_type == "application/json"
            answers.append(await response.json() if is_json else await response.read())
    return answers


def test_template_browser_lists_the_workflows(
    repo: Path, comfyui: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths

    # ComfyUI's nodes.py puts comfy/ first on sys.path, whose utils.py hides the host's utils/.
    monkeypatch.syspath_prepend(str(comfyui))
    monkeypatch.delitem(sys.modules, "utils", raising=False)
    shutil.copytree(repo / "workflows", tmp_path / PACK / "workflows")
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda name: [str(tmp_path)])
    names = sorted(path.stem for path in (repo / "workflows").glob("*.json"))
    files = [f"/api/workflow_templates/{PACK}/{name}" for name in names]
    templates, *rest = asyncio.run(
        ask(
            tmp_path,
            ["/workflow_templates"]
            + [f"{file}.json" for file in files]
            + [f"{file}.jpg" for file in files],
        )
    )
    assert sorted(templates[PACK]) == names
    assert set(templates) == {PACK}
    workflows, pictures = rest[: len(names)], rest[len(names) :]
    assert all(workflow["version"] == 0.4 for workflow in workflows)
    assert all(picture.startswith(b"\xff\xd8\xff") for picture in pictures)
