"""Mutated model bundles: each is refused with one line, or loads and translates; no code of theirs runs.

    python tests/support/bundle_mutations.py BUNDLE COUNT SEED

tries COUNT mutations of the bundle in a process of its own, so that what they must not do can be
watched: an audit hook ends it at any code that is run or compiled, module that is imported, program
that is started, file that is written and file outside the bundle that is read; a limit of memory at
any size that was believed before it was checked; faulthandler at a hang. Prints one JSON object.
"""

from __future__ import annotations

import collections
import faulthandler
import hashlib
import json
import math
import os
import random
import resource
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

INFO, SETTINGS, WEIGHTS, TOKENIZER = "bundle.json", "settings.yaml", "weights.safetensors", "tokenizer.model"
FILES = (INFO, SETTINGS, WEIGHTS, TOKENIZER)
HANG = 60           # seconds after which a mutation hangs: they take some hundredths
MEMORY = 1 << 30    # bytes that may come on top of what the clean bundle took
LONGEST_LINE = 700  # characters of a message
LINES = ["ba do fi", "", "</s> \u2581 <unk>", "tu \u2028 xyz"]

NASTY = [
    None, True, False, 0, 1, -1, 2, 3, 90, 16_000, 1 << 16, 10**6, 1 << 24, 1 << 31, 10**12, 10**19, 1 << 61, 1 << 63,
    10**30, 10**400, -(1 << 63), -(10**400), 0.0, -0.5, 1e308,
    math.inf, math.nan, "", "a", "gru", "lstm", "rnn", "last", "pooled", "attention", "../../x", "/etc/passwd",
    "os.system", "a\nb", "\x1b[2J", "\ud800", "x" * 5000, "2026-11-01", "${oc.env:HOME}", "!!python/name:os.system",
    [], [1], ["a", "b"], [[[]]], {}, {"_target_": "os.system"}, {"a": {"b": 1}},
]
YAML_TEXTS = [
    b"!!python/object/apply:os.system ['touch ran']", b"!!python/name:os.system", b"a: &a [*a]", b"? [1]\n: 2",
    b"<<: 5", b"!!binary '%%'", b"!!timestamp '9999-99-99'", b"!!set {a, b}", b"!!float 1e999999",
    b"!!int 0x" + b"f" * 6000,
    b"190:20:30:" * 50, b"%YAML 9.9\n---\na: 1", b"--- 1\n--- 2", b"{" * 3000, b"- " * 3000, b"\xff\xfe",
    b"seed: .nan",
]
# Values as PyYAML never writes them: tags, numbers to base 60, dates, other bases.
YAML_VALUES = [
    "!!int ''", "!!int '-'", "!!int {a: 1}", "!!float ''", "!!float .", "!!bool x", "!!timestamp x", "!!null x",
    "!!binary 'a'", "!!omap [1]", "!!pairs [1]", "!!map x", "!!seq x", "!!set {a}", "!!str {a: 1}", "!own 1", "! 1",
    "1:" * 400 + "1.5", "1" + ":1" * 200_000, "2001-13-40", "2001-01-01T00:00:00+99:99", "0x" + "f" * 50_000,
    "0b1", "0o7", "1_0", "-", "+.inf", "&a 1", "*a", "{? [1] : 2}", "9" * 99, "9" * 5000, "| \n  x", "@",
    "\"\\ud800\"", "%", "`",
]


class Bundle:
    """The files of a bundle in memory, and a folder to lay them out in."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.clean = {name: (original / name).read_bytes() for name in FILES}
        self.folder, self.files, self.odd = folder, dict(self.clean), ""

    def reset(self) -> None:
        self.files, self.odd = dict(self.clean), ""

    def sign(self) -> None:
        """Makes the checksums fit, as someone does who alters a bundle on purpose."""
        try:
            info = json.loads(self.files[INFO])
            info["sha256"] |= {name: hashlib.sha256(self.files[name]).hexdigest() for name in FILES[1:]}
        except (ValueError, TypeError, KeyError):
            return
        self.files[INFO] = json.dumps(info).encode()

    def lay_out(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)
        if self.odd:
            kind, name = self.odd.split()
            place = self.folder / name
            place.unlink()
            if kind == "link":
                place.symlink_to(self.folder.parent / "outside")
            elif kind == "pipe":
                os.mkfifo(place)
            elif kind == "folder":
                place.mkdir()


# --- mutations ---


def raw(draw: random.Random, bundle: Bundle) -> None:
    """Bytes of any file: flipped, replaced, cut, put in, doubled; signed or not."""
    name = draw.choice(FILES)
    content = bytearray(bundle.files[name])
    for _ in range(draw.choice([1, 1, 1, 3, 30])):
        place, width = draw.randrange(len(content) or 1), draw.choice([1, 1, 4, 100])
        match draw.randrange(6) if content else 4:
            case 0:
                content[place] ^= 1 << draw.randrange(8)
            case 1:
                content[place : place + width] = draw.randbytes(width)
            case 2:
                del content[place : place + width]
            case 3:
                del content[place:]
            case 4:
                content[place:place] = draw.randbytes(width)
            case 5:
                content[place:place] = content[draw.randrange(len(content)) :][:width]
    bundle.files[name] = bytes(content)
    if draw.random() < 0.7 and name != INFO:
        bundle.sign()


def odd_file(draw: random.Random, bundle: Bundle) -> None:
    """A file that is none, is empty, or holds what another should."""
    name = draw.choice(FILES)
    match draw.randrange(4):
        case 0:
            bundle.odd = f"{draw.choice(['link', 'pipe', 'folder', 'gone'])} {name}"
        case 1:
            bundle.files[name] = b""
        case 2:
            bundle.files[name] = bundle.clean[draw.choice(FILES)]
        case 3:
            bundle.files[name] = draw.randbytes(draw.choice([1, 8, 9, 1000]))
    bundle.sign()


def info(draw: random.Random, bundle: Bundle) -> None:
    content = json.loads(bundle.files[INFO])
    _alter(draw, content, [*NASTY, {"../outside": "0"}, {"tokenizer.source.model": "0"}])
    try:
        bundle.files[INFO] = json.dumps(content).encode()
    except ValueError:  # a whole number with more digits than Python prints
        bundle.files[INFO] = b'{"format_version": 1' + b"0" * 5000 + b"}"


def settings(draw: random.Random, bundle: Bundle) -> None:
    if draw.random() < 0.2:
        text = draw.choice(YAML_TEXTS)
        place = draw.choice([0, len(bundle.files[SETTINGS])])
        whole = bundle.files[SETTINGS]
        bundle.files[SETTINGS] = draw.choice([text, whole[:place] + text + b"\n" + whole[place:], b"cell: " + text])
    else:
        content = yaml.safe_load(bundle.files[SETTINGS])
        for _ in range(draw.choice([1, 1, 2])):
            _alter(draw, content, NASTY)
        try:
            bundle.files[SETTINGS] = yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")
        except ValueError:
            bundle.files[SETTINGS] = b"model: {hidden: 1" + b"0" * 400 + b"}"
    bundle.sign()


def value(draw: random.Random, bundle: Bundle) -> None:
    """One value of the settings as text that a person could have typed."""
    lines = bundle.files[SETTINGS].decode().splitlines()
    number = draw.choice([n for n, line in enumerate(lines) if not line.endswith(":")])
    lines[number] = f"{lines[number].partition(': ')[0]}: {draw.choice(YAML_VALUES)}"
    bundle.files[SETTINGS] = "\n".join(lines).encode()
    bundle.sign()


def header(draw: random.Random, bundle: Bundle) -> None:
    """What the weights say about their tensors."""
    whole = bundle.files[WEIGHTS]
    length = int.from_bytes(whole[:8], "little")
    content, data = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    name = draw.choice(sorted(content))
    match draw.randrange(8):
        case 0:
            content[name]["dtype"] = draw.choice(["F64", "F16", "BF16", "I32", "BOOL", "F8_E4M3", "", 5, None])
        case 1:
            turned = content[name]["shape"][::-1]
            content[name]["shape"] = draw.choice([[1 << 62], [1 << 31, 1 << 31], [0], [-1], [2.5], [True], "a", [],
                                                  [1] * 99, turned, None])
        case 2:
            content[name]["data_offsets"] = draw.choice([[0, 0], [0, 1 << 62], [8, 4], [-4, 0], [0], "a", None])
        case 3:
            content[draw.choice(["", "../x", "a\nb", "\x1b[2J", "x" * 9000, "output_bias"])] = content.pop(name)
        case 4:
            del content[name]
        case 5:
            content["__metadata__"] = draw.choice([{"a": "b"}, {"a": 5}, [], "x" * 10_000])
        case 6:
            content[f"extra{draw.randrange(9)}"] = draw.choice([content[name], {}, [], 5])
        case 7:
            data = data[: draw.randrange(len(data))] if draw.random() < 0.5 else data + draw.randbytes(16)
    written = json.dumps(content).encode()
    if draw.random() < 0.2:
        length = draw.choice([0, 1, 7, 1 << 20, 1 << 40, (1 << 64) - 1, len(written) + 1, len(written) - 1])
    else:
        length = len(written)
    bundle.files[WEIGHTS] = length.to_bytes(8, "little") + written + data
    bundle.sign()


def weights(draw: random.Random, bundle: Bundle) -> None:
    """Numbers that are none, or too large."""
    whole = bytearray(bundle.files[WEIGHTS])
    start = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(draw.choice([1, 10, 1000])):
        place = start + 4 * draw.randrange((len(whole) - start) // 4)
        value = draw.choice([math.nan, math.inf, -math.inf, 3e38, -3e38, 1e-45, 0.0, 1e6])
        whole[place : place + 4] = struct.pack("<f", value)
    bundle.files[WEIGHTS] = bytes(whole)
    bundle.sign()


def tokenizer(draw: random.Random, bundle: Bundle) -> None:
    """A SentencePiece model that is one, with other contents."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(bundle.files[TOKENIZER])
    piece = model.pieces[draw.randrange(len(model.pieces))]
    match draw.randrange(9):
        case 0:
            piece.score = draw.choice([math.nan, math.inf, -math.inf, 1e38])
        case 1:
            piece.type = draw.choice([1, 2, 3, 4, 5, 6])
        case 2:
            model.trainer_spec.model_type = draw.choice([1, 2, 3, 4])
        case 3:
            piece.piece = draw.choice(["", "a", "\u2581", "a b", "x" * 100_000, "\0", "\n", "\r", "</s>", "<0x0A>"])
        case 4:
            model.trainer_spec.byte_fallback = True
        case 5:
            model.normalizer_spec.escape_whitespaces = False
            model.normalizer_spec.add_dummy_prefix = draw.random() < 0.5
        case 6:
            model.trainer_spec.treat_whitespace_as_suffix, model.trainer_spec.unk_surface = True, "\n\r"
        case 7:
            if draw.random() < 0.5:
                del model.pieces[-draw.randrange(1, 5) :]
            else:
                model.pieces.add(piece="new" * draw.randrange(1, 9), score=-1.0)
        case 8:
            rules = bytearray(model.normalizer_spec.precompiled_charsmap)
            for _ in range(draw.choice([1, 3, 30])):
                place = 4 * draw.randrange(len(rules) // 4)
                rules[place : place + 4] = draw.choice([draw.randbytes(4), b"\0\xff\xff\x7f", b"\xff" * 4])
            model.normalizer_spec.precompiled_charsmap = bytes(rules)
    bundle.files[TOKENIZER] = model.SerializeToString()
    bundle.sign()


def several(draw: random.Random, bundle: Bundle) -> None:
    for _ in range(2):
        try:
            draw.choice([raw, settings, header, weights, tokenizer])(draw, bundle)
        except Exception:  # the first one left nothing that the second can take apart
            return


MUTATIONS: list[Callable[[random.Random, Bundle], None]] = [
    raw, raw, raw, odd_file, info, settings, settings, value, value, header, header, weights, tokenizer, tokenizer,
    several]


def _alter(draw: random.Random, content: dict[str, Any], values: list[Any]) -> None:
    """Replaces, removes or adds one value somewhere in nested mappings."""
    place: Any = content
    while True:
        key = draw.choice(sorted(place))
        if not isinstance(place[key], dict) or not place[key] or draw.random() < 0.2:
            break
        place = place[key]
    match draw.randrange(6):
        case 0:
            del place[key]
        case 1:
            place[draw.choice(["_target_", "colour", "", "a.b", "__class__"])] = draw.choice(values)
        case _:
            place[key] = draw.choice(values)


# --- the watch ---


class Watch:
    """The audit hook: what it sees while `on` is set, and a bundle must not cause."""

    FORBIDDEN = (
        "exec", "compile", "import", "marshal.", "code.", "pickle.", "os.system", "os.exec", "os.fork",
        "os.spawn", "os.posix_spawn", "os.startfile", "subprocess.", "socket.", "ctypes.dlopen",
        "ctypes.dlsym", "shutil.", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
        "os.chmod", "os.truncate", "urllib.", "http.", "tempfile.", "webbrowser.",
    )

    def __init__(self, folder: Path) -> None:
        self.on, self.seen, self._inside = False, [], f"{folder}{os.sep}"
        sys.addaudithook(self._hook)

    def _hook(self, event: str, values: tuple) -> None:
        if not self.on:
            return
        if event.startswith(self.FORBIDDEN):
            self.seen.append(f"{event} {str(values)[:200]}")
        elif event == "open" and not isinstance(values[0], int):
            path, _, flags = values
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes or not os.path.abspath(os.fsdecode(path)).startswith(self._inside):
                self.seen.append(f"open {path} {flags}")


def outcome(folder: Path) -> str:
    """What comes of the bundle: refused, or translates. Any other exception than a UserError passes."""
    from seq2seq.errors import UserError
    from seq2seq.inference.translator import Translator

    try:
        translator = Translator.load(folder, device="cpu", beam_size=2, max_length=6)
        found = translator.translate_lines(LINES)
    except UserError as error:
        said = str(error)
        assert said and "\n" not in said and "\r" not in said and "\x1b" not in said, ascii(said)
        assert len(said) - len(str(folder)) < LONGEST_LINE, said
        return "refused"
    assert len(found) == len(LINES)
    for one in found:
        assert "\n" not in one.text
        assert all(math.isfinite(best.score) and math.isfinite(best.log_probability) for best in one.candidates)
    return "translates"


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main(original: Path, count: int, seed: int) -> int:
    scratch = original.parent / f"mutations-{os.getpid()}"
    scratch.mkdir()
    (scratch / "outside").write_bytes((original / WEIGHTS).read_bytes())
    bundle, watch = Bundle(original, scratch / "bundle"), Watch(scratch / "bundle")
    bundle.lay_out()
    assert outcome(bundle.folder) == "translates"  # and everything that loads late has been loaded
    bundle.files[SETTINGS] = b"cell: {kind: grue}"
    bundle.sign()
    bundle.lay_out()
    assert outcome(bundle.folder) == "refused"
    if sys.platform == "linux":
        limit_memory()
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    failures = []
    for number in range(count):
        draw = random.Random(f"{seed} {number}")
        bundle.reset()
        mutate = draw.choice(MUTATIONS)
        mutate(draw, bundle)
        bundle.lay_out()
        faulthandler.dump_traceback_later(HANG, exit=True)
        try:
            watch.on = True
            came = outcome(bundle.folder)
        except BaseException as error:
            came = "failed"
            watch.on = False
            failures.append(f"seed {seed} number {number} ({mutate.__name__}): {type(error).__name__}: {error}"[:500])
        finally:
            watch.on = False
            faulthandler.cancel_dump_traceback_later()
        if watch.seen:
            failures.append(f"seed {seed} number {number} ({mutate.__name__}) caused {watch.seen[:3]}")
            watch.seen.clear()
        counts[mutate.__name__][came] += 1
    shutil.rmtree(scratch)
    print(json.dumps({"mutations": count, "counts": counts, "failures": failures[:20]}))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
