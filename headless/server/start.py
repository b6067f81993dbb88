"""Start a ComfyUI server with this pack in it, and stop it without leaving anything behind."""

from __future__ import annotations

import atexit
import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from .. import api
from ..environment.choice import Environment, has_accelerator
from ..errors import HeadlessError, ServerError
from ..paths import PACK_NAME
from ..process import end_group, start_in_group
from ..progress import Progress, human_seconds
from . import boot
from .pack import link_pack, unlink_pack

_START_TIMEOUT_S = 300.0
_POLL_S = 0.2
_TAIL_LINES = 25
_FOLDERS = ("custom_nodes", "models", "input", "output", "user", "temp")
# Categories of model files that ComfyUI knows, and the folders below models/ they may lie in.
_MODEL_FOLDERS = {
    "checkpoints": ("checkpoints",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("diffusion_models", "unet"),
    "controlnet": ("controlnet", "t2i_adapter"),
}
_PLAIN_FOLDERS = (
    "clip_vision", "configs", "diffusers", "embeddings", "gligen", "hypernetworks",
    "latent_upscale_models", "loras", "model_patches", "photomaker", "style_models",
    "upscale_models", "vae", "vae_approx",
)  # fmt: skip


def free_port() -> int:
    """A loopback port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raise unless a server could listen on this loopback port.

    Raises:
        ServerError: the port is taken, needs privileges or is no port.
    """
    if not 1 <= port <= 65535:
        raise ServerError(f"--port {port} is no port; give one from 1 to 65535, or leave it out.")
    with socket.socket() as probe:
        if sys.platform != "win32":  # else a port that was just closed would count as taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise ServerError(f"Port {port} may not be used here: {error}. Try another.") from error
        except OSError as error:
            raise ServerError(
                f"Port {port} is taken by another program. Give another --port, or leave it out "
                "and a free one is chosen."
            ) from error


def _import_error(log: str, name: str) -> str | None:
    """The traceback and message with which ComfyUI reported that a pack failed to load."""
    found = re.search(rf"^.*Cannot import .*{re.escape(name)}.*$", log, re.MULTILINE)
    if found is None:
        return None
    start = log.rfind("Traceback (most recent call last)", 0, found.start())
    return log[max(start, 0) : found.end()] if start >= 0 else found[0]


class Server:
    """A ComfyUI server as a context manager.

    Args:
        environment: the ComfyUI and the Python to run.
        progress: where to show that it starts.
        port: loopback port; None picks a free one.
        base: folder for ``custom_nodes/``, ``input/``, ``output/`` ...; None takes a temporary one
            that is deleted at the end.
        output: folder for saved pictures if not ``output/`` in the base.
        models: further folders that are laid out like ``models/``.
        cpu: True and False force it; None looks whether torch sees a device.
        extra: further arguments for ComfyUI's ``main.py``.
    """

    def __init__(
        self,
        environment: Environment,
        progress: Progress,
        *,
        port: int | None = None,
        base: Path | None = None,
        output: Path | None = None,
        models: Sequence[Path] = (),
        cpu: bool | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.environment = environment
        self.port = port or 0
        self._progress = progress
        self._wanted_port = port
        self._base = base.expanduser().absolute() if base else None
        self._output = output.expanduser().absolute() if output else None
        self._model_roots = [environment.models, *(m.expanduser().absolute() for m in models)]
        self._cpu = cpu
        self._extra = list(extra)
        self._own_base = base is None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> Path:
        """The folder that this server reads from and writes to."""
        if self._base is None:
            raise ServerError("The server has not been started, so it has no folder yet.")
        return self._base

    @property
    def log(self) -> Path:
        """File with all that the server printed."""
        return self.base / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id of the server, which is also its group's."""
        return self._child.pid if self._child else None

    def alive(self) -> bool:
        """Whether the server's process still runs."""
        return self._child is not None and self._child.poll() is None

    def log_tail(self, lines: int = _TAIL_LINES) -> str:
        """The last lines of the log, indented."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "  (no log)"
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])

    def start(self) -> None:
        """Start the server and wait until it answers and has this pack's nodes.

        Raises:
            ServerError: the port is taken, the server died, or the pack did not load.
        """
        if self._wanted_port is not None:
            require_free(self._wanted_port)
        self.port = self._wanted_port or free_port()
        if self._cpu is None:
            self._cpu = not has_accelerator(self.environment)
        if self._base is None:
            self._base = Path(tempfile.mkdtemp(prefix=f"{PACK_NAME}-"))
        atexit.register(self.stop)
        try:
            for name in _FOLDERS:
                (self._base / name).mkdir(parents=True, exist_ok=True)
            pack = link_pack(self._base / "custom_nodes")
            self._launch(self._base)
            self._wait()
            self._require(pack)
            self._tell_started()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server's whole process group and delete a temporary base folder."""
        atexit.unregister(self.stop)
        if self._child is not None:
            end_group(self._child)
            if self._child.stdin:
                with contextlib.suppress(OSError):
                    self._child.stdin.close()
            self._child = None
        if self._own_base and self._base is not None:
            unlink_pack(self._base / "custom_nodes")
            shutil.rmtree(self._base, ignore_errors=True)
            self._base = None

    def _launch(self, base: Path) -> None:
        paths = base / "extra_model_paths.yaml"
        paths.write_text(self._extra_model_paths(), encoding="utf-8")
        arguments = [
            "--base-directory", str(base), "--extra-model-paths-config", str(paths),
            "--listen", "127.0.0.1", "--port", str(self.port), "--disable-api-nodes",
            "--disable-auto-launch", *self._extra,
        ]  # fmt: skip
        if self._output is not None:
            self._output.mkdir(parents=True, exist_ok=True)
            arguments += ["--output-directory", str(self._output)]
        if self._cpu and not {"--cpu", "--directml"} & set(self._extra):
            arguments.append("--cpu")
        variables = self.environment.variables()
        variables.update(PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8")
        variables.pop("PYTHONPATH", None)
        with open(self.log, "wb") as log:
            self._child = start_in_group(
                [
                    str(self.environment.python), str(Path(boot.__file__)),
                    str(self.environment.comfyui / "main.py"), *arguments,
                ],
                cwd=self.environment.comfyui,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
            )  # fmt: skip

    def _extra_model_paths(self) -> str:
        """ComfyUI's YAML of further model folders; JSON is YAML, and needs no library."""
        config: dict[str, dict[str, str]] = {}
        for number, root in enumerate(self._model_roots):
            kinds = {**_MODEL_FOLDERS, **{name: (name,) for name in _PLAIN_FOLDERS}}
            known = {folder for folders in kinds.values() for folder in folders}
            if root.is_dir():
                there = sorted(p.name for p in root.iterdir() if p.is_dir())
                kinds.update({name: (name,) for name in there if name not in known})
            config[f"models{number}"] = {
                kind: "\n".join(str(root / folder) for folder in folders)
                for kind, folders in kinds.items()
            }
        return json.dumps(config, indent=1, ensure_ascii=False)  # YAML knows no surrogate pairs

    def _wait(self) -> None:
        started = time.monotonic()
        while True:
            waited = time.monotonic() - started
            if not self.alive():
                code = self._child.returncode if self._child else None
                raise ServerError(
                    f"The ComfyUI server ended with exit code {code} before it answered. The end "
                    f"of its log:\n{self.log_tail()}"
                )
            if waited > _START_TIMEOUT_S:
                raise ServerError(
                    f"The ComfyUI server did not answer within {human_seconds(waited)}. The end of "
                    f"its log:\n{self.log_tail()}"
                )
            try:
                api.get_json(f"{self.url}/system_stats", timeout_s=5)
                break
            except HeadlessError:
                self._progress.busy("starting ComfyUI", human_seconds(waited))
                time.sleep(_POLL_S)
        self._progress.clear()

    def _require(self, pack: Path) -> None:
        nodes = api.get_json(f"{self.url}/object_info", timeout_s=60)
        module = f"custom_nodes.{pack.name}"
        if any(node.get("python_module") == module for node in nodes.values()):
            return
        log = self.log.read_text(encoding="utf-8", errors="replace")
        said = _import_error(log, pack.name) or self.log_tail()
        raise ServerError(
            "ComfyUI started without this pack's nodes: it could not be imported. ComfyUI's log "
            f"says:\n{said}"
        )

    def _tell_started(self) -> None:
        """Tell ``boot.py``, which waited for this."""
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(OSError):  # it ended meanwhile, as the next request will say
                self._child.stdin.write(b"started\n")
                self._child.stdin.flush()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
