"""Every test runs on one thread, so that tests can run side by side. What tests share is in tests/support."""

import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported; subprocesses inherit it

sys.path.insert(0, str(Path(__file__).parent / "support"))
