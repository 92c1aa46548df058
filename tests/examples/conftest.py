"""The grid of the paper lies beside the package: its modules are found by path."""

import sys
from pathlib import Path

PAPER = Path(__file__).parents[2] / "examples" / "paper"
sys.path.insert(0, str(PAPER))
