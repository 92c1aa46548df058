"""``python -m skcfq`` is the command ``skcfq``."""

from .cli import app

if __name__ == "__main__":
    app()
