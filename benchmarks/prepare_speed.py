"""How fast data_prep is and how much memory it takes, on pairs of the embedded grammar.

    python benchmarks/prepare_speed.py pairs=2000000 workers=2

Prints what data_prep says of every stage, then pairs a second from start to end (process start,
generation, cleaning, learning the pieces, encoding, writing to the disk) and the peak of memory over
all processes: RSS counts shared pages once for every process, PSS once. CPU time over processes tells
whether the machine had something else to do.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    settings = {"pairs": 2_000_000, "workers": 2} | {
        name: int(value) for name, _, value in (word.partition("=") for word in sys.argv[1:])
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "data_prep", f"data.train={settings['pairs']}",
                   f"num_proc={settings['workers']}", f"corpus={folder}/grammar"]
        start, peak = time.monotonic(), {"Rss": 0, "Pss": 0}
        process = subprocess.Popen(command, cwd=Path(__file__).resolve().parent.parent)
        while process.poll() is None:
            now = memory(process.pid)
            peak = {name: max(peak[name], now[name]) for name in peak}
            time.sleep(0.2)
        seconds = time.monotonic() - start
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = children.ru_utime + children.ru_stime
        if process.returncode:
            sys.exit(process.returncode)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    pairs, rss, pss = settings["pairs"], peak["Rss"] / 2**20, peak["Pss"] / 2**20
    print(f"{pairs:,} pairs, {settings['workers']} processes: {seconds:.1f} s, {pairs / seconds:,.0f} pairs/s; "
          f"{used:.1f} s of CPU time; peak memory {rss:.2f} GiB RSS, {pss:.2f} GiB PSS; {size / 2**30:.2f} GiB written")


def memory(root: int) -> dict[str, int]:
    """KiB of the process and all below it."""
    total, waiting = {"Rss": 0, "Pss": 0}, [root]
    while waiting:
        folder = Path(f"/proc/{waiting.pop()}")
        try:
            rollup = (folder / "smaps_rollup").read_text()
            for task in (folder / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):  # it has just ended
            continue
        for name in total:
            found = re.search(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)
            total[name] += int(found[1]) if found else 0
    return total


if __name__ == "__main__":
    main()
