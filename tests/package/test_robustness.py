"""Full disks and folders that take nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from regional_dit.headless import saving
from regional_dit.headless.errors import RunError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_picture_is_written_whole_or_not_at_all(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        os.truncate(descriptor, 3)  # what fits
        raise OSError(number, "No space left on device" if number == errno.ENOSPC else "refused")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=r"could not be written: .*--out"):
        saving.write_whole(tmp_path / "picture.png", b"0123456789")
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(RunError, match="could not be written"):
        saving.write_whole(tmp_path / "out" / "sub" / "picture.png", b"0")
