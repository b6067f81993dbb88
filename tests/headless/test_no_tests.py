"""A copy from the registry has no tests, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from regional_dit.headless.commands import testing
from regional_dit.headless.environment.choice import Environment
from regional_dit.headless.errors import UsageError
from regional_dit.headless.progress import Progress


def test_a_copy_without_tests_says_so(
    environment: Environment, quiet: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "ROOT", tmp_path)
    with pytest.raises(UsageError, match=r"has no tests: .* Clone the repository"):
        testing.run(environment, quiet, [])
