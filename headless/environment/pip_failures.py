"""Why pip failed, as a sentence, and whether other versions could help."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InstallError

_DISK_FULL = re.compile(r"No space left on device|Errno 28\b|not enough space on the disk", re.I)
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|SSLError", re.I)
_PROXY = re.compile(r"ProxyError|Cannot connect to proxy|Tunnel connection failed", re.I)
_CUT_SHORT = re.compile(
    r"IncompleteRead|ConnectionResetError|Connection broken|Connection reset|IncompleteDownload|"
    r"incomplete-download|download failed because not enough bytes|RemoteDisconnected|"
    r"DO NOT MATCH THE HASHES|has an invalid wheel|is invalid\.|BadZipFile|File is not a zip",
    re.I,
)
_NO_NETWORK = re.compile(
    r"NewConnectionError|Failed to establish a new connection|NameResolutionError|"
    r"Temporary failure in name resolution|getaddrinfo failed|Network is unreachable|"
    r"ConnectTimeoutError|ReadTimeoutError|Max retries exceeded|Connection refused",
    re.I,
)
_UNTRUSTED = re.compile(r"repository located at (\S+) is not a trusted or secure host")
_NO_MATCH = re.compile(r"No matching distribution found for (.+?)(?:\s*\(from|\s*$)", re.M)
_NOTHING_AT_ALL = re.compile(r"\(from versions: none\)")
_CONFLICT = re.compile(r"ResolutionImpossible|conflicting dependencies", re.I)
_CAUSED_BY = re.compile(r"The conflict is caused by:\n((?:[ \t]+\S[^\n]*\n?)+)")
_CONSTRAINT = re.compile(r"\(constraint\)\s+(\S+)")

_ELSEWHERE = "use a ComfyUI that is there already: --comfyui PATH"


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What bears on a failure of the settings that pip found, as ``pip config list`` names them."""

    constraints: tuple[tuple[Path, str], ...] = ()
    """Constraint files, each with the setting that names it."""
    no_index: bool = False

    @classmethod
    def read(cls, listed: str) -> PipSettings:
        """From the output of ``pip config list``: lines such as ``global.constraint='a b'``."""
        files: list[tuple[Path, str]] = []
        no_index = False
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            value = value.strip().strip("'\"")
            name = key.strip().rpartition(".")[2].replace("_", "-")
            if name == "constraint":
                files += [(Path(path), key.strip()) for path in re.split(r"\s+|\\n", value) if path]
            elif name == "no-index":
                no_index = value.lower() in ("1", "true", "yes", "on")
        return cls(tuple(files), no_index)

    def constraint_source(self, line: str) -> str:
        """Which constraint file holds a line, and which setting names that file."""
        wanted = "".join(line.split())
        for path, setting in self.constraints:
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if any("".join(row.split("#")[0].split()) == wanted for row in text.splitlines()):
                return f"{path} ({_setting(setting)})"
        files = ", ".join(str(path) for path, _ in self.constraints)
        return files or "a constraint of this pip"


class PipError(InstallError):
    """pip failed; the text says why and what to do.

    Attributes:
        other_versions: whether asking for other versions may help.
        again: whether the same call may pass when it is made again.
        reason: the cause alone, without what to do about it.
    """

    def __init__(
        self, reason: str, advice: str, *, other_versions: bool = False, again: bool = False
    ) -> None:
        super().__init__(f"{reason} {advice}")
        self.reason, self.other_versions, self.again = reason, other_versions, again


def explain(output: str, log: Path, settings: Callable[[], PipSettings] = PipSettings) -> PipError:
    """What pip printed before it failed, as an error for a person.

    Args:
        output: all of it.
        log: where the person finds it.
        settings: reads pip's settings, which takes a pip of its own: asked where they matter alone.
    """
    tail = f"Log: {log}"
    if _DISK_FULL.search(output):
        return PipError(
            "The disk filled up while packages were installed.",
            "Free some space, or let XDG_CACHE_HOME (on Windows LOCALAPPDATA) name a folder on a "
            f"larger disk. {tail}",
        )
    if _CERTIFICATE.search(output):
        return PipError(
            "The package index could not be reached: its certificate is not trusted here.",
            f"Behind a company proxy let PIP_CERT name its certificate file. {tail}",
        )
    if _CONFLICT.search(output):
        return _conflict(output, tail, settings)
    missing = _NO_MATCH.search(output)
    if missing and not _NOTHING_AT_ALL.search(output):
        return PipError(
            f"No package index or folder that this pip looks into has {missing[1]}.",
            f"Add one that has it (PIP_INDEX_URL, PIP_FIND_LINKS), or {_ELSEWHERE}. {tail}",
            other_versions=True,
        )
    if _PROXY.search(output):
        return PipError(
            "The package index could not be reached: the proxy does not answer or refuses.",
            "pip takes it from HTTPS_PROXY, HTTP_PROXY or its own setting 'proxy'; correct that "
            f"one, or let NO_PROXY name the index. Nothing half-installed was kept. {tail}",
        )
    if _NO_NETWORK.search(output):
        return PipError(
            "The package index could not be reached: no network, or a proxy in between (pip reads "
            "HTTPS_PROXY and its own configuration).",
            "Nothing half-installed was kept; run the command again when there is a network, let "
            f"PIP_FIND_LINKS name a folder of wheels, or {_ELSEWHERE}. {tail}",
        )
    if _CUT_SHORT.search(output):
        return PipError(
            "A download broke off or arrived damaged.",
            f"Nothing half-installed was kept; run the command again. {tail}",
            again=True,
        )
    untrusted = _UNTRUSTED.search(output)
    if untrusted:
        return PipError(
            f"pip does not use the package index at {untrusted[1]}: it is neither https nor named "
            "as trusted.",
            f"Give its https address, or let PIP_TRUSTED_HOST name it. {tail}",
        )
    if missing:
        return _nothing_of(missing[1], tail, settings())
    errors = [line.strip() for line in output.splitlines() if "error" in line.lower()]
    last = (errors or output.strip().splitlines() or ["it printed nothing"])[-1]
    return PipError(f"pip failed: {last}", f"({tail})")


def _conflict(output: str, tail: str, settings: Callable[[], PipSettings]) -> PipError:
    listed = _CAUSED_BY.search(output)
    causes = [line.strip() for line in listed[1].splitlines()] if listed else []
    constraints = list(dict.fromkeys(_CONSTRAINT.findall("\n".join(causes))))
    asked = [c for c in causes if "(constraint)" not in c]
    if constraints:
        wanted = ", ".join(c.removeprefix("The user requested ") for c in asked) or "what is needed"
        found = settings()
        sources = "; ".join(
            f"{found.constraint_source(line)} allows only {line}" for line in constraints
        )
        return PipError(
            f"This pip may not install {wanted}: {sources}.",
            f"Widen that line, name another constraints file with PIP_CONSTRAINT, or {_ELSEWHERE}. "
            f"{tail}",
            other_versions=True,
        )
    said = "; ".join(causes) or "its resolver found no set of versions that fit each other"
    return PipError(
        f"These packages cannot be installed together: {said}.",
        f"Start this command with another Python, or {_ELSEWHERE}. {tail}",
        other_versions=True,
    )


def _nothing_of(what: str, tail: str, settings: PipSettings) -> PipError:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if settings.no_index:
        return PipError(
            f"This pip uses no package index (its setting no-index), and its folders of wheels "
            f"hold no {what} for Python {version}.",
            f"Put that wheel into the folder that PIP_FIND_LINKS names, or {_ELSEWHERE}. {tail}",
        )
    return PipError(
        f"The package index has no {what} for Python {version} on {sys.platform}.",
        f"Start this command with another Python (3.10 to 3.13 are the safest), or {_ELSEWHERE}. "
        f"{tail}",
    )


def _setting(name: str) -> str:
    """``:env:.constraint`` and ``global.constraint`` for a person."""
    if name.startswith(":env:"):
        variable = name.removeprefix(":env:.").replace("-", "_").upper()
        return f"named by the variable PIP_{variable}"
    return f"named by pip's setting {name}"
