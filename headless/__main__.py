"""Entry: ``python3 -m headless COMMAND``, or ``python3 PATH/headless COMMAND`` from anywhere."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - a sentence instead of a SyntaxError further in
    sys.exit(
        "error: this is Python {}.{}; ComfyUI and this pack need Python 3.10 or newer. Start "
        "it with a newer one, for example: python3.12 -m headless demo".format(
            *sys.version_info[:2]
        )
    )

if not __package__:  # started by its folder's path: the package's parent is not on sys.path then
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from headless.cli import main

if __name__ == "__main__":
    sys.exit(main())
