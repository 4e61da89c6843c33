"""Each folder is one stage of the data's way, and imports point down (README, "Where is what")."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a folder (or a file beside the folders) may import of the others.
BASE = {"errors", "settings"}
LOWEST = {"text", "storage", "device", "distributed", "cuda_graphs"}
SCORING = {"scoring", "scoring_units"}
CORPUS = BASE | LOWEST | SCORING | {"tokenization", "corpus"}
BUNDLE = CORPUS | {"models", "search", "bundle"}
MAY_IMPORT = {
    "errors": set(), "settings": BASE, **{name: BASE | LOWEST for name in sorted(LOWEST)},
    **{name: BASE | LOWEST | SCORING for name in sorted(SCORING)},
    "tokenization": BASE | LOWEST | SCORING | {"tokenization"}, "corpus": CORPUS,
    "models": BASE | {"device", "tokenization", "models", "corpus.batch", "corpus.shortlist"},
    "search": CORPUS | {"search"},  # it knows a protocol (search/protocol.py) and no model
    "bundle": BUNDLE, "training": BUNDLE | {"training"}, "inference": BUNDLE | {"inference"},
    "evaluation": BUNDLE | {"training", "inference", "evaluation"},
    "commands": BUNDLE | {"training", "inference", "evaluation", "commands", "__version__"},
    "data_prep": CORPUS | {"data_prep"}, "data_prep.__main__": CORPUS | {"data_prep", "commands"},
}


def modules() -> list[tuple[str, Path]]:
    """(dotted name without seq2seq., file) of every module of ours."""
    paths = [*ROOT.glob("seq2seq/**/*.py"), *ROOT.glob("data_prep/**/*.py")]
    found = [(path.relative_to(ROOT), path) for path in paths]
    return sorted((".".join(relative.with_suffix("").parts).removeprefix("seq2seq."), path) for relative, path in found)


def imported(path: Path) -> set[str]:
    """What a file imports of ours, likewise; `from seq2seq.x import y` counts as seq2seq.x.y."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("seq2seq.") for name in found if name.split(".")[0] in ("seq2seq", "data_prep")}


def test_every_module_is_in_a_folder_that_has_a_rule() -> None:
    known = {*MAY_IMPORT, "__init__"}
    assert [name for name, _ in modules() if name.split(".")[0] not in known] == []


@pytest.mark.parametrize("folder", [name for name in MAY_IMPORT if "." not in name])
def test_imports_point_down(folder: str) -> None:
    wrong, checked = [], 0
    for name, path in modules():
        if name.split(".")[0] == folder:
            checked += 1
            allowed = MAY_IMPORT.get(name, MAY_IMPORT[folder])
            wrong += [f"{name} imports {other}" for other in imported(path)
                      if not any(other == one or other.startswith(f"{one}.") for one in allowed)]
    assert wrong == [] and checked


@pytest.mark.parametrize("path", [path for _, path in modules() if path.name == "__init__.py"],
                         ids=lambda path: path.parent.name)
def test_an_init_file_holds_no_code(path: Path) -> None:
    body = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if not isinstance(node, ast.Expr)]
    if path.parent == ROOT / "seq2seq":  # the API: two names, looked up on first use
        assert len(body) <= 6
    else:
        assert body == []


@pytest.mark.parametrize("module", ["seq2seq.settings.training", "seq2seq.settings.commands", "data_prep.prepare",
                                    "seq2seq.commands.app"])
def test_it_comes_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
