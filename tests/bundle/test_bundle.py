"""Bundles: whole, checked, and refused in one line when they are not."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_corpus import make_corpus
from torch import Tensor

from seq2seq.bundle import bundle as bundles
from seq2seq.bundle.bundle import load_bundle, save_bundle
from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.shortlist import Shortlist
from seq2seq.errors import BundleError
from seq2seq.models.build import build_model
from seq2seq.settings.reading import read_settings
from seq2seq.settings.training import TrainSettings
from seq2seq.tokenization.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bundle's folder and the model it was made of."""
    corpus = PackedCorpus.open(make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=30, valid=4))
    settings = read_settings(TrainSettings, {"model": {"embedding": 8, "hidden": 8, "tie": "all"}})
    tokenizers = corpus.tokenizers()
    model = build_model(settings, *map(len, tokenizers))
    folder = tmp_path_factory.mktemp("runs") / "run" / "best"
    save_bundle(folder, model, tokenizers, settings, {
        "languages": ["en", "de"], "updates": 7, "epochs": 1.5, "seconds": 60.0, "corpus": {"name": "tiny"},
        "validation": {"bleu": 12.5, "perplexity": 3.0, "signature": "nrefs:1", "sentences": 4, "chrf": 40.25,
                       "chrf_signature": "nc:6"}},
        a_shortlist(len(tokenizers[0])).written())
    return folder, model


def a_shortlist(vocabulary):
    return Shortlist(np.asarray([5, 4]), np.full((vocabulary, 3), 6))


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved[0], tmp_path / "bundle")


def test_a_bundle_gives_the_model_back(saved):
    folder, model = saved
    for path in (folder, folder.parent):  # the bundle, or the run folder that holds it
        bundle = load_bundle(path)
        assert bundle.folder == folder
        assert not bundle.model.training
        for name, value in model.state_dict().items():
            assert torch.equal(bundle.model.state_dict()[name], value)
    assert bundle.languages == ("en", "de")
    assert bundle.settings.model.embedding == 8
    assert bundle.source_tokenizer is bundle.target_tokenizer
    assert bundle.info["validation"]["bleu"] == 12.5
    assert bundle.shortlist.frequent.tolist() == [5, 4]
    assert bundle.info["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_last_serves_where_there_is_no_best(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path / "last")
    assert load_bundle(tmp_path).folder == tmp_path / "last"


def test_the_card_names_languages_score_and_corpus(saved):
    card = (saved[0] / "README.md").read_text()
    for words in ("# en-de", "BLEU 12.50 (`nrefs:1`", "chrF2 40.25 (`nc:6`)", "| corpus | tiny |", "7 updates"):
        assert words in card


def test_separate_tokenizers(saved, tmp_path):
    source = load_bundle(saved[0]).source_tokenizer
    target = Tokenizer(source.model.replace(b"tu", b"TU"))  # as many pieces, one of them spelled otherwise
    settings = read_settings(TrainSettings, {"model": {"embedding": 8, "hidden": 8}})
    save_bundle(tmp_path / "two", build_model(settings, len(source), len(target)), (source, target), settings,
                {"languages": ["en", "de"]})
    bundle = load_bundle(tmp_path / "two")
    assert (bundle.source_tokenizer.hash, bundle.target_tokenizer.hash) == (source.hash, target.hash)
    assert source.hash != target.hash
    assert not (tmp_path / "two" / "tokenizer.model").exists()


def resigned(folder: Path, name: str, raw: bytes) -> None:
    """Writes a file with a fitting SHA-256: what someone does who alters a bundle on purpose."""
    (folder / name).write_bytes(raw)
    info = json.loads((folder / "bundle.json").read_text())
    info["sha256"][name] = hashlib.sha256(raw).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(info))


def with_settings(folder: Path, **changes) -> None:
    settings = yaml.safe_load((folder / "settings.yaml").read_text())
    for key, value in changes.items():
        *groups, name = key.split("__")
        group = functools.reduce(lambda inside, one: inside[one], groups, settings)
        group[name] = value
    resigned(folder, "settings.yaml", yaml.safe_dump(settings).encode())


def with_seed(folder: Path, value: str) -> None:
    """The text `value` instead of the seed's, as YAML that PyYAML would not write."""
    text = (folder / "settings.yaml").read_text()
    assert "\nseed: 1\n" in text
    resigned(folder, "settings.yaml", text.replace("\nseed: 1\n", f"\nseed: {value}\n").encode())


def with_info(folder: Path, **changes) -> None:
    info = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**info, **changes}))


ALIASES = b"a: &a [1, 1, 1]\n" + b"".join(  # each line stands for three times the one above it
    f"{new}: &{new} [*{old}, *{old}, *{old}]\n".encode()
    for old, new in zip("abcdefghijkl", "bcdefghijklm", strict=True))

def linked(folder: Path, name: str, to: Path) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(to)


def moved_behind_a_link(folder: Path, name: str, content: bytes | None) -> None:
    """The file is a link to one outside of the folder, with this content, or to none."""
    outside = folder.parent / name
    if content is not None:
        outside.write_bytes(content)
    linked(folder, name, outside)


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder.parent / "pipe")
    return folder.parent / "pipe"


def as_a_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def with_header(folder: Path, change) -> None:
    """Alters what weights.safetensors says about its tensors, and signs it."""
    raw = (folder / "weights.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    change(header)
    written = json.dumps(header).encode()
    resigned(folder, "weights.safetensors", len(written).to_bytes(8, "little") + written + raw[8 + length :])


def with_one(header: dict, **changes) -> None:
    header["output_bias"].update(changes)


def with_piece(folder: Path, piece: bytes) -> None:
    raw = (folder / "tokenizer.model").read_bytes()
    assert b"\xe2\x96\x81tu" in raw
    resigned(folder, "tokenizer.model", raw.replace(b"\xe2\x96\x81tu", piece))


def sparse(folder: Path, name: str, size: int) -> None:
    os.truncate(folder / name, size)  # so large without a block on the disk


DAMAGES = {
    "no folder": (shutil.rmtree, "does not exist"),
    "no bundle.json": (lambda f: (f / "bundle.json").unlink(), "is no run folder or model bundle"),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors is missing"),
    "no settings": (lambda f: (f / "settings.yaml").unlink(), "settings.yaml is missing"),
    "no tokenizer": (lambda f: (f / "tokenizer.model").unlink(), "tokenizer.model is missing"),
    "cut weights": (lambda f: os.truncate(f / "weights.safetensors", 500), "damaged or was altered"),
    "cut info": (lambda f: os.truncate(f / "bundle.json", 100), "bundle.json is damaged"),
    "nested info": (lambda f: (f / "bundle.json").write_text("[" * 100_000), "bundle.json is damaged"),
    "huge info": (lambda f: os.truncate(f / "bundle.json", 1 << 30), r"damaged \(more than"),
    "other format": (lambda f: with_info(f, format_version=99), "has bundle format 99; this version reads formats"),
    "older format": (lambda f: with_info(f, format_version=0), "has bundle format 0; this version reads formats"),
    "format in words": (lambda f: with_info(f, format_version="1\n2"), r"has bundle format '1\\n2'; this version"),
    "no format": (lambda f: with_info(f, format_version=None), "has bundle format None"),
    "languages that steer a terminal": (lambda f: with_info(f, languages=["en", "\x1b[2J"]), r"damaged \(languages"),
    "endless language": (lambda f: with_info(f, languages=["en", "d" * 10_000]), r"damaged \(languages"),
    "corpus of another kind": (lambda f: with_info(f, corpus=["tiny"]), "sha256 or corpus"),
    "corpus folder of another kind": (lambda f: with_info(f, corpus={"folder": 5}), "sha256 or corpus"),
    "a pipe for weights": (lambda f: as_a_pipe(f, "weights.safetensors"), "is not an ordinary file"),
    "a folder for weights": (lambda f: ((f / "weights.safetensors").unlink(), (f / "weights.safetensors").mkdir()),
                             "weights.safetensors is not an ordinary file"),
    "sparse weights": (lambda f: sparse(f, "weights.safetensors", 1 << 40), r"damaged \(more than"),
    "sparse tokenizer": (lambda f: sparse(f, "tokenizer.model", 1 << 40), r"damaged \(more than"),
    "a number no float can hold": (lambda f: with_settings(f, training__clip_norm=10**400), "is not a number"),
    "a giant whole number": (lambda f: with_settings(f, model__hidden=10**400), "is not a whole number"),
    "a book for a setting": (lambda f: with_settings(f, cell__kind="x" * 50_000), "cannot be used: cell.kind=x"),
    "a setting that steers a terminal": (lambda f: with_settings(f, cell__kind="\x1b[2J"),
                                         r"cell.kind='\\x1b\[2J' is not"),
    "header longer than the file": (lambda f: resigned(f, "weights.safetensors", b"\xff" * 7 + b"\x7f" + b"{}"),
                                    "weights.safetensors is damaged"),
    "header of no tensors": (lambda f: resigned(f, "weights.safetensors", (2).to_bytes(8, "little") + b"[]"),
                             "weights.safetensors is damaged"),
    "nested header": (lambda f: resigned(f, "weights.safetensors", (90_000).to_bytes(8, "little") + b"[" * 90_000),
                      "weights.safetensors is damaged"),
    "other number format": (lambda f: with_header(f, lambda h: with_one(h, dtype="I32")), "is damaged"),
    "claimed shape": (lambda f: with_header(f, lambda h: with_one(h, shape=[1 << 39, 1 << 39])), "is damaged"),
    "negative shape": (lambda f: with_header(f, lambda h: with_one(h, shape=[-1, -48])), "is damaged"),
    "tensors on top of each other": (lambda f: with_header(f, lambda h: with_one(h, data_offsets=[0, 192])),
                                     "is damaged"),
    "a name that breaks the line": (lambda f: with_header(f, lambda h: h.update({"a\nb": h.pop("output_bias")})),
                                    "does not fit settings.yaml"),
    "a piece that is no text": (lambda f: with_piece(f, b"\xe2\x96\x81t\xff"), "a piece of it is not UTF-8"),
    "no languages": (lambda f: with_info(f, languages=["en"]), r"damaged \(languages, sha256 or corpus\)"),
    "sums of another kind": (lambda f: with_info(f, sha256=[]), r"damaged \(languages, sha256 or corpus\)"),
    "altered settings": (lambda f: (f / "settings.yaml").write_text("seed: 2"), "damaged or was altered"),
    "unknown setting": (lambda f: resigned(f, "settings.yaml", b"colour: red"), "colour is not a setting"),
    "class path": (lambda f: resigned(f, "settings.yaml", b"_target_: os.system"), "_target_ is not a setting"),
    "yaml object": (lambda f: resigned(f, "settings.yaml", b"seed: !!python/object/apply:os.getcwd []"),
                    "settings.yaml is damaged"),
    "yaml aliases": (lambda f: resigned(f, "settings.yaml", ALIASES), "settings.yaml is damaged"),
    "yaml nesting": (lambda f: resigned(f, "settings.yaml", b"[" * 5000), "settings.yaml is damaged"),
    "other sizes": (lambda f: with_settings(f, model__hidden=10), "does not fit settings.yaml"),
    "giant sizes": (lambda f: with_settings(f, model__hidden=1 << 16), "the network would be larger"),
    "absurd sizes": (lambda f: with_settings(f, model__embedding=10**30), "is out of range"),
    "giant width of c": (lambda f: with_settings(f, context__width=1 << 61), "is out of range"),
    "giant table of words": (lambda f: with_settings(f, model__words__rows=10**19), "is out of range"),
    "giant transitions": (lambda f: with_settings(f, cell__transitions=16_000), "is out of range"),
    "transitions without weights": (lambda f: with_settings(f, cell__transitions=100), "the network would be larger"),
    "giant seed": (lambda f: with_seed(f, str(10**19)), "seed is out of range"),
    "number to base 60": (lambda f: with_seed(f, "1" + ":1" * 20_000), "is not a whole number"),
    "long settings": (lambda f: with_seed(f, "1" * 100_000), r"damaged \(more than 65536 bytes"),
    "giant depth": (lambda f: with_settings(f, model__encoder_layers=10**9), "is out of range"),
    "other cell": (lambda f: with_settings(f, cell__kind="lstm"), "does not fit settings.yaml"),
    "no weights at all": (lambda f: resigned(f, "weights.safetensors", b""), "weights.safetensors is damaged"),
    "weights of noise": (lambda f: resigned(f, "weights.safetensors", bytes(range(256))), "is damaged"),
    "no shortlist": (lambda f: (f / "shortlist.safetensors").unlink(), "shortlist.safetensors is missing"),
    "altered shortlist": (lambda f: (f / "shortlist.safetensors").write_bytes(b"x"), "damaged or was altered"),
    "shortlist of noise": (lambda f: resigned(f, "shortlist.safetensors", b"x" * 99), "is damaged .not a safetensors"),
    "shortlist of others": (lambda f: resigned(f, "shortlist.safetensors", a_shortlist(5).written()), "other shapes"),
    "a link to another file": (lambda f: moved_behind_a_link(f, "settings.yaml", b"seed: 2"), "damaged or was altered"),
    "a link to no file": (lambda f: moved_behind_a_link(f, "settings.yaml", None), "a link to a file that is missing"),
    "a link to itself": (lambda f: linked(f, "settings.yaml", f / "settings.yaml"), "settings.yaml cannot be read"),
    "a link to a device": (lambda f: linked(f, "settings.yaml", Path("/dev/zero")), "is not an ordinary file"),
    "a link to a pipe": (lambda f: linked(f, "settings.yaml", a_pipe(f)), "is not an ordinary file"),
    "no tokenizer model": (lambda f: resigned(f, "tokenizer.model", b"nothing"), "not a SentencePiece model"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_one_line(copy, damage):
    spoil, words = DAMAGES[damage]
    spoil(copy)
    with pytest.raises(BundleError, match=words) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


TAGGED = [
    "!!int ''", "!!int '-'", "!!int {a: 1}", "!!float ''", "!!bool x", "!!timestamp x", "!!null x", "!!binary 'a'",
    "!!omap [1]", "!!pairs [1]", "!!map x", "!!seq x", "!!set {a}", "!!str {a: 1}", "!own 1", "!<tag:x,2000:y> 1",
]


@pytest.mark.parametrize("value", TAGGED)
def test_a_tag_is_one_line(copy, value):
    """Each of these is YAML that PyYAML's SafeLoader takes, or fails at with another exception than YAMLError."""
    with_seed(copy, value)
    with pytest.raises(BundleError, match=r"settings.yaml is damaged\. Copy the bundle again"):
        load_bundle(copy)


@pytest.mark.parametrize("signed", [False, True])
def test_any_mutation_of_a_file_is_refused_or_harmless(copy, signed):
    """Random changes of bytes: refused with one line, or what is loaded has the shapes it should have."""
    draw = random.Random(1)
    names = sorted(path.name for path in copy.iterdir() if path.name != "README.md")
    originals = {name: (copy / name).read_bytes() for name in names}
    refused = 0
    for _ in range(120):
        name = draw.choice(names)
        raw = bytearray(originals[name])
        for _ in range(draw.choice([1, 1, 3])):
            place = draw.randrange(len(raw))
            raw[place : place + draw.choice([0, 1, 1, 5])] = draw.randbytes(draw.choice([0, 1, 1, 4]))
        if signed and name != "bundle.json":
            resigned(copy, name, bytes(raw))
        else:
            (copy / name).write_bytes(raw)
        try:
            load_bundle(copy)
        except BundleError as error:
            assert "\n" not in str(error)
            refused += 1
        for other, original in originals.items():
            (copy / other).write_bytes(original)
    assert refused > (20 if signed else 60)


def test_names_that_leave_the_folder_are_never_opened(copy, monkeypatch):
    """Checksums may name what they like: the files of a bundle have fixed names."""
    info = json.loads((copy / "bundle.json").read_text())
    with_info(copy, sha256={**info["sha256"], "../outside": "0" * 64, "/etc/hostname": "0" * 64})
    opened = []
    monkeypatch.setattr(os, "open", lambda path, *rest, real=os.open: (opened.append(Path(path)), real(path, *rest))[1])
    load_bundle(copy)
    assert {path.parent for path in opened} == {copy}
    assert {path.name for path in opened} == {"bundle.json", "settings.yaml", "tokenizer.model", "weights.safetensors",
                                                "shortlist.safetensors"}


def test_a_run_folder_may_be_a_link(copy, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "best").symlink_to(copy)
    assert load_bundle(tmp_path / "runs").folder == tmp_path / "runs" / "best"


def test_a_bundle_is_loaded_without_the_slow_libraries(saved):
    program = ("import sys; from pathlib import Path; from seq2seq.bundle.bundle import load_bundle\n"
               "load_bundle(Path(sys.argv[1]))\n"
               "print([name for name in ('datasets', 'hydra', 'tensorboard', 'pyarrow') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program, str(saved[0])], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_built_that_the_weights_cannot_fill(copy, monkeypatch):
    monkeypatch.setattr(bundles, "build_model", lambda *_: pytest.fail("built"))
    for change in ({"model__hidden": 100}, {"model__decoder_layers": 50}, {"model__embedding": 10_000}):
        settings = (copy / "settings.yaml").read_bytes()
        with_settings(copy, **change)
        with pytest.raises(BundleError):
            load_bundle(copy)
        resigned(copy, "settings.yaml", settings)


def test_the_bound_on_the_size_holds_for_every_network():
    for cell in ("rnn", "gru", "lstm"):
        for context in ("last", "attention"):
            for bidirectional in (True, False):
                settings = read_settings(TrainSettings, {
                    "cell": {"kind": cell}, "context": {"kind": context},
                    "model": {"embedding": 6, "hidden": 4, "encoder_layers": 2, "decoder_layers": 2, "tie": "all",
                              "bidirectional": bidirectional}})
                parameters = sum(p.numel() for p in build_model(settings, 20, 20).parameters())
                assert 0 < bundles._least_parameters(settings, 20) <= parameters


def test_leaving_out_the_random_start_leaves_nothing_else_out(saved, monkeypatch):
    """Every weight comes from the file, none from memory that happened to be there."""
    monkeypatch.setattr(Tensor, "normal_", lambda self, *_, **__: self.fill_(torch.nan))
    monkeypatch.setattr(Tensor, "uniform_", lambda self, *_, **__: self.fill_(torch.nan))
    assert all(value.isfinite().all() for value in load_bundle(saved[0]).model.state_dict().values())
