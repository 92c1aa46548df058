"""The entry point, which works before typer and rich are installed."""

import importlib.util
import sys

#: What the ``cli`` extra installs.
REQUIRED = ("typer", "rich")


def app():
    """Run the ``skcfq`` command, or say in one sentence what it lacks."""
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"skcfq: the command line needs {' and '.join(missing)}, which the extra 'cli' "
            'installs: pip install "skcfq[cli]"'
        )
    from ._commands import cli

    cli(prog_name="skcfq")
