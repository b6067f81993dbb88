"""The server's process: it looks for rubbish once ComfyUI answers, and ends with its starter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from regional_dit.headless.process import ended_on_exit, start_in_group
from regional_dit.headless.server import boot

SCRIPT = """
import gc, sys, time
print(sys.argv[1:], gc.isenabled(), flush=True)
while not gc.isenabled():
    time.sleep(0.01)
print(gc.get_freeze_count() > 0, flush=True)
time.sleep(300)
"""


def test_told_that_comfyui_answers_and_left_alone(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(Path(boot.__file__)), str(script), "--port", "1"]
    pipe = subprocess.PIPE
    with start_in_group(command, stdin=pipe, stdout=pipe) as child, ended_on_exit(child):
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline().decode().split() == ["['--port',", "'1']", "False"]
        child.stdin.write(b"started\n")
        child.stdin.flush()
        assert child.stdout.readline().decode().strip() == "True"
        child.stdin.close()
        assert child.wait(30) != 0
