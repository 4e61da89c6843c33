"""Imports point one way (see README, "The tree"): a layer never knows what stands above it."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Which packages of ours a module may import, by the longest matching prefix.
ALLOWED = {
    "seq2seq.errors": (),
    "seq2seq.settings": ("seq2seq.errors", "seq2seq.settings"),
    "seq2seq.tokenizer": ("seq2seq.errors", "seq2seq.normalization"),
    "seq2seq.encodings": ("seq2seq.errors",),
    "seq2seq.text": ("seq2seq.encodings", "seq2seq.errors"),
    "seq2seq.words": ("seq2seq.normalization", "seq2seq.tokenizer"),
    "seq2seq.label_pieces": ("seq2seq.settings", "seq2seq.normalization", "seq2seq.tokenizer",
                             "seq2seq.words"),
    "seq2seq.folders": ("seq2seq.errors",),
    "seq2seq.languages": (),
    "seq2seq.normalization": (),
    "seq2seq.scoring": ("seq2seq.errors", "seq2seq.normalization"),
    "seq2seq.scoring_units": ("seq2seq.errors", "seq2seq.languages", "seq2seq.normalization", "seq2seq.scoring",
                              "seq2seq.settings.scoring"),
    "seq2seq.plots": (),
    "seq2seq.shortlist": (),
    "seq2seq.models": ("seq2seq.models", "seq2seq.settings", "seq2seq.errors", "seq2seq.tokenizer", "seq2seq.batches",
                       "seq2seq.shortlist"),
    "seq2seq.search": ("seq2seq.search", "seq2seq.settings", "seq2seq.errors", "seq2seq.tokenizer", "seq2seq.batches"),
    "seq2seq": ("seq2seq",),
    "data_prep": ("data_prep", "seq2seq.settings", "seq2seq.errors", "seq2seq.tokenizer", "seq2seq.corpus",
                  "seq2seq.corpus_files", "seq2seq.shortlist", "seq2seq.text", "seq2seq.folders", "seq2seq.command",
                  "seq2seq.languages", "seq2seq.normalization", "seq2seq.words", "seq2seq.label_pieces",
                  "seq2seq.encodings"),
    "data_prep.ranks": ("data_prep", "seq2seq.settings", "seq2seq.errors", "seq2seq.folders", "seq2seq.distributed"),
}


def ours(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.split(".")[0] in ("seq2seq", "data_prep")}


def within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def test_imports_point_one_way():
    wrong = []
    for path in sorted([*ROOT.glob("seq2seq/**/*.py"), *ROOT.glob("data_prep/**/*.py")]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        rule = max((prefix for prefix in ALLOWED if within(module, (prefix,))), key=len)
        wrong += [f"{module} imports {name}" for name in ours(path) if not within(name, ALLOWED[rule])]
    assert wrong == []


def test_settings_come_without_torch():
    code = "import sys, seq2seq.settings.training, seq2seq.settings.search; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_data_is_prepared_without_torch():
    code = "import sys, data_prep.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
