"""Named endpoints of language models, read from a file on this machine.

A workflow only names an endpoint. Where it lies, which model it serves and which environment
variable holds its key stand in a local file, so that a workflow from somebody else can neither read
a key nor send it anywhere.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import EndpointError, PlanError
from ..schema import check_schema, load_json

CONFIG_VARIABLE = "REGIONAL_DIT_ENDPOINTS"
APP_FOLDER = "regional-dit"

_ENDPOINT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["base_url", "model"],
    "properties": {
        "base_url": {"type": "string", "minLength": 1, "maxLength": 2000},
        "model": {"type": "string", "minLength": 1, "maxLength": 300},
        "api_key_env": {"type": "string", "maxLength": 200},
        "connect_timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 120},
        "total_timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
        "max_reply_bytes": {"type": "integer", "minimum": 1000, "maximum": 50_000_000},
        "max_tokens": {"type": "integer", "minimum": 64, "maximum": 200_000},
        "allow_plain_http": {"type": "boolean"},
        "stream": {"type": "boolean"},
    },
}
_FILE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["endpoints"],
    "properties": {
        "endpoints": {"type": "object", "additionalProperties": _ENDPOINT_SCHEMA},
    },
}
_EXAMPLE = (
    '{"endpoints": {"local": {"base_url": "http://127.0.0.1:11434/v1", "model": "llama3.1"}}}'
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One OpenAI-compatible endpoint.

    Attributes:
        name: as the workflow names it.
        base_url: up to and including the version, e.g. "https://api.openai.com/v1".
        model: the model's name at that endpoint.
        api_key_env: environment variable that holds the key; empty: no key is sent.
        connect_timeout_s: for making the connection.
        total_timeout_s: for the whole call, retries included.
        max_reply_bytes: a longer reply is cut off and refused.
        max_tokens: asked of the model.
        allow_plain_http: send a key over http to a machine other than this one.
        stream: ask for the answer in pieces, so that progress can be shown.
    """

    name: str
    base_url: str
    model: str
    api_key_env: str = ""
    connect_timeout_s: float = 10.0
    total_timeout_s: float = 120.0
    max_reply_bytes: int = 1_000_000
    max_tokens: int = 4096
    allow_plain_http: bool = False
    stream: bool = True

    def __post_init__(self) -> None:
        where = f"The endpoint {self.name!r}"
        try:
            parts = urlsplit(self.base_url)
            _ = parts.port  # raises for a port that is no number
        except ValueError:
            raise EndpointError(f"{where} has a base_url that is no URL.") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointError(
                f"{where} has a base_url that is no http or https URL; expected one such as "
                "https://api.openai.com/v1."
            )
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise EndpointError(
                f"{where} has a base_url with a user name, a query or a fragment; put the key into "
                "an environment variable and name that in api_key_env."
            )
        if self.api_key_env and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.api_key_env):
            # The value is not shown: somebody may have pasted the key itself.
            raise EndpointError(
                f"{where} has an api_key_env that is no name of an environment variable; it must "
                "name the variable, not hold the key."
            )
        if (
            self.api_key_env
            and parts.scheme == "http"
            and not (self.is_loopback or self.allow_plain_http)
        ):
            raise EndpointError(
                f"{where} would send its key unencrypted to {parts.hostname}; use https, or set "
                '"allow_plain_http": true for a network that you trust.'
            )

    @property
    def host(self) -> str:
        """Host name and port, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint runs on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def chat_url(self) -> str:
        """The chat completions address."""
        return self.base_url.rstrip("/") + "/chat/completions"

    def read_key(self, environment: Mapping[str, str] | None = None) -> str:
        """The key from the environment, "" if this endpoint needs none.

        Raises:
            EndpointError: the variable is not set or holds what no header can carry.
        """
        if not self.api_key_env:
            return ""
        key = (os.environ if environment is None else environment).get(self.api_key_env, "").strip()
        if not key:
            raise EndpointError(
                f"The endpoint {self.name!r} takes its key from the environment variable "
                f"{self.api_key_env}, which is not set; set it before ComfyUI starts."
            )
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise EndpointError(
                f"The environment variable {self.api_key_env} holds spaces or characters that no "
                "key has; set it again."
            )
        return key


def config_path() -> Path:
    """The file with the endpoints: $REGIONAL_DIT_ENDPOINTS, or in the user's config folder."""
    override = os.environ.get(CONFIG_VARIABLE)
    if override:
        return Path(override).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / APP_FOLDER / "endpoints.json"


def cache_folder() -> Path:
    """Where replies and what was learnt of endpoints are kept."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / APP_FOLDER / "planner"


def load_endpoints(path: Path | None = None) -> dict[str, Endpoint]:
    """All endpoints of the file by name; none if there is no file.

    Raises:
        EndpointError: the file cannot be read or is wrong; names the path within it.
    """
    path = config_path() if path is None else path
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise EndpointError(f"The endpoint file {path} cannot be read: {error}.") from None
    try:
        value = load_json(text, what=f"endpoint file {path}")
        check_schema(value, _FILE_SCHEMA, what=f"endpoint file {path}")
    except PlanError as error:
        raise EndpointError(f"{error} A minimal file is {_EXAMPLE}") from None
    return {name: Endpoint(name=name, **fields) for name, fields in value["endpoints"].items()}


def get_endpoint(name: str, path: Path | None = None) -> Endpoint:
    """The endpoint of that name.

    Raises:
        EndpointError: there is none; says which there are and where to add one.
    """
    path = config_path() if path is None else path
    endpoints = load_endpoints(path)
    if name in endpoints:
        return endpoints[name]
    known = ", ".join(sorted(endpoints)) or "none"
    raise EndpointError(
        f"There is no endpoint {name[:80]!r}; the file {path} names: {known}. Add it there, for "
        f"example {_EXAMPLE}, or choose the offline planner."
    )
