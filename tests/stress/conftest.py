"""Long checks: `make stress`. They share their helpers with the quick tests, and take some of theirs."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("support", "commands", "training", "data_prep")]
