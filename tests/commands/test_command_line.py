"""What a person types: texts as they were typed, and one line with exit code 2 for whatever no command takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
from commands import ROOT, is_one_line, run_here
from hydra.core.override_parser.overrides_parser import OverridesParser

from seq2seq.commands.app import CONFIGURATION
from seq2seq.commands.command_line import understood
from seq2seq.settings.commands import COMMANDS, dotted_keys, types_of

FILES = {"prepare": "data_prep.__main__"}


def value_of(config_name: str, word: str) -> object:
    """What Hydra reads in the word that a person typed."""
    (found,) = understood([word], CONFIGURATION, config_name)
    return OverridesParser.create().parse_override(found).value()


def read(config_name: str, word: str) -> object:
    value = value_of(config_name, word)
    return getattr(value, "text", value)


TEXTS = [
    "20261201", "1_2", "007", "1e5", "0x10", "1.5", "nan", "inf", "no", "true", "NULL", "a=b", "a(b", "a)b", "a{b}",
    "a:b", "a b", "été", "中文", "a'b", "a''b", "a\\b", "a\\", "a\\'b", "a\\\\", 'a"b', "#a", "%a", "a;b", "a|b", "a&b",
    "a!", "?a", "-", "--", "*", "@a", "runs/x-hidden_16", "C:\\runs\\x", ".", "..", "a~", "a]", "a/~/b", "$HOME",
    "(", "a[0]",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_as_it_was_typed(text):
    assert read("train", f"corpus={text}") == text
    assert read("translate", f"run={text}") == text
    assert read("prepare", f"data.target={text}") == text
    assert read("train", f"+corpus={text}") == text


@hypothesis.given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters=",\xa0"), min_size=1))
def test_any_text_is_read_as_it_was_typed(text):
    hypothesis.assume(text.isprintable() and text[0] not in "'\"[~" and "${" not in text)
    hypothesis.assume(text != "null")
    assert read("train", f"corpus={text}") == text


def test_what_is_no_text_stays_what_it_is():
    assert read("train", "seed=7") == 7
    assert read("train", "run=null") is None
    assert read("train", "fork='a,b'") == "a,b"
    assert read("translate", "run=[a,b]") == ["a", "b"]
    assert read("prepare", "data.train=35000") == 35000  # of the embedded grammar a number of pairs
    assert read("prepare", "data.train=DIR/train") == "DIR/train"


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert read("train", "corpus=~/text") == "/home/someone/text"
    assert read("train", "corpus=~") == "/home/someone"
    assert read("translate", "run=[~/a,b,~/d]") == ["/home/someone/a", "b", "/home/someone/d"]


def test_options_stand_anywhere():
    moved = understood(["seed=1,2", "--multirun", "run=r"], CONFIGURATION, "train")
    assert moved == ["--multirun", "seed=1,2", "run=r"]
    assert understood(["cell=lstm", "--cfg", "job"], CONFIGURATION, "train") == ["--cfg", "job", "cell=lstm"]
    assert understood(["seed=1", "-m"], CONFIGURATION, "train") == ["--multirun", "seed=1"]


def test_a_sweep_over_texts_stays_one():
    words = ["--multirun", "corpus=a,b", "context=last,attention", "run=choice(a,b)"]
    assert understood(words, CONFIGURATION, "train") == words


def test_no_experiment_is_the_default():
    assert understood(["experiment=null", "seed=1"], CONFIGURATION, "train") == ["seed=1"]


def test_every_setting_is_known_with_its_types():
    for command in COMMANDS.values():
        keys = list(dotted_keys(command.kind))
        assert len(keys) == len(set(keys)) > 3
        assert all(types_of(command.kind, key) for key in keys)


MISTAKES = [
    ("train", "--run r", "--run r is not an option of this command. Settings are written name=value, without dashes"),
    ("train", "--run r", "without dashes: run=r"),
    ("train", "--epochs=3", "without dashes: training.max_epochs=3"),
    ("train", "--max-epochs 3", "without dashes: training.max_epochs=3"),
    ("train", "-x", "-x is not an option"),
    ("train", "--config-name=other", "--config-name=other is not an option"),
    ("train", "--cfg", "--cfg needs one of: job, hydra, all."),
    ("train", "--cfg all-of-it", "--cfg needs one of: job, hydra, all."),
    ("train", "--resolve", "--resolve belongs to --cfg job"),
    ("train", "--config-dir=/nowhere", "Additional config directory '/nowhere' not found"),
    ("train", "seed", "seed needs a value: seed=VALUE"),
    ("train", "cell", "cell needs a value: cell=VALUE"),
    ("train", "=", "'=' is not name=value"),
    ("train", "=3", "'=3' is not name=value"),
    ("train", "seed=", "seed='' is not a whole number"),
    ("train", "runs/x", "'runs/x' is not name=value: settings are written like seed=1. Did you mean run=runs/x"),
    ("translate", "runs/x", "Did you mean run=runs/x?"),
    ("translate", ["Ein Satz."], "Sentences come from standard input: echo 'A sentence.' | python translate.py run"),
    ("train", "demo", "Did you mean experiment=demo?"),
    ("train", ["corpus=a\tb"], "is not printable UTF-8 text"),
    ("train", ["corpus=a\udcff"], "is not printable UTF-8 text"),
    ("train", "corpus=", "corpus= is empty. Give a value, or leave it out."),
    ("train", "run=", "run= is empty"),
    ("train", "~seed", "~seed would remove a setting"),
    ("evaluate", "~search run=x", "~search would remove a setting"),
    ("evaluate", "++seed=1", "seed is not a setting of evaluate.py. seed= belongs to "),
    ("evaluate", "++search.beam=1", "search.beam is not a setting. Did you mean search.beam_size?"),
    ("evaluate", "run@x=3", "run@x=3: @ follows a group, one of: search. Write run=3"),
    ("train", "hydra.run=null", "hydra.run=null is not possible: "),
    ("train", "hydra=null", "hydra=null: null is not a choice of Hydra's"),
    ("evaluate", "hydra/launcher=null", "Leave hydra/launcher= out."),
    ("train", "--shell-completion install=zzz", "--shell-completion needs install=SHELL"),
    ("train", "+seed=2", "seed is set already. Write it without a plus: seed=VALUE"),
    ("train", "search.beam_size=9", "search.beam_size is not among the settings of the group that is chosen."),
    ("train", "corpus=a,b", "corpus=a,b names several values. Write corpus=[a,b] for a list"),
    ("train", "corpus=[a,b]", "corpus=['a', 'b'] is not a text"),
    ("train", "corpus=[a,b", "is not name=value"),
    ("prepare", "data=files data.source=en data.target=de data.train=[a,b]", "data.train=['a', 'b'] is not a text"),
    ("train", "cell=null", "cell=null is not one of: gru, lstm, rnn."),
    ("train", "context=null", "Did you mean none?"),
    ("train", "recipe=null", "Did you mean none?"),
    ("train", "model=512", "model=512 is not a group of settings. Give one of its settings, for example"),
    ("train", "optimizer=null", "optimizer=null is not one of"),
    ("train", "shape=null", "shape=null is not one of"),
    ("train", "search=null", "search=null is not one of"),
    ("evaluate", "search=null", "search=null is not one of"),
    ("prepare", "data=null", "data=null is not one of"),
    ("prepare", "tokenizer=null", "tokenizer=null is not a group of settings"),
    ("train", "training=null", "training=null is not a group of settings"),
    ("train", "model.dropout=null", "model.dropout=null is not a group of settings"),
    ("train", "cell=GRU", "Did you mean gru?"),
    ("train", "experiment=dmo", "Did you mean demo?"),
    ("train", "--multirun context=last,atention", "context=atention is not one of"),
    ("train", "--multirun context=last,atention", "Did you mean attention?"),
    ("evaluate", "run=x device=CUDA", "device=CUDA is not one of: auto, cpu, cuda. Did you mean cuda?"),
    ("train", "beam_size=10", "beam_size is not a setting. Did you mean search.beam_size?"),
    ("translate", "beam_size=10", "Did you mean search.beam_size?"),
    ("train", "max_epochs=3", "Did you mean training.max_epochs?"),
    ("train", "lr=0.1", "Did you mean optimizer.learning_rate?"),
    ("train", "hidden=512", "Did you mean model.hidden or model.words.hidden?"),
    ("train", "training.hidden=3", "Did you mean model.hidden or model.words.hidden?"),
    ("train", "batch_size=64", "Did you mean training.batch_pieces?"),
    ("prepare", "tokeniser.kind=bpe", "Did you mean tokenizer.kind?"),
    ("prepare", "vocab_size=8000", "Did you mean tokenizer.vocabulary?"),
    ("train", "data=files", "data is not a setting of train.py. data= belongs to python -m data_prep."),
    ("train", "tokenizer.kind=bpe", "tokenizer.kind= belongs to python -m data_prep."),
    ("evaluate", "cell=gru", "cell= belongs to train.py."),
    ("evaluate", "zzz=1", "zzz is not a setting. The choices are: "),
    ("evaluate", "+zzz=1 run=x", "zzz is not a setting"),
    ("evaluate", "hydra/launcher=zzz", "hydra/launcher/zzz"),
    ("evaluate", "hydra.zzz=1", "hydra.zzz is not a setting"),
    ("evaluate", "run=${zzz}", "zzz"),
    ("train", "seed=x", "seed='x' is not a whole number"),
    ("train", "seed=1.5", "seed=1.5 is not a whole number"),
    ("train", "seed=true", "seed=true is not a whole number"),
    ("train", "seed=null", "seed=null is not a whole number"),
    ("train", "training.max_epochs=1e3", "training.max_epochs=1000.0 is not a whole number"),
    ("evaluate", "run=x plots=nope", "plots='nope' is not true or false"),
    ("evaluate", "run=x threads=0", "threads=0 is out of range"),
    ("evaluate", "run=null", "run is missing"),
    ("doctor", "", "run is missing"),
    ("doctor", "run=x lines=-1", "lines=-1 is out of range"),
    ("reproduce", "target=nope", "target=nope is not one of"),
]


@pytest.mark.parametrize(("config_name", "words", "said"), MISTAKES, ids=[f"{one[0]} {one[1]}" for one in MISTAKES])
def test_a_mistake_is_one_line(config_name, words, said, capfdbinary, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = run_here(FILES.get(config_name, config_name), words.split() if isinstance(words, str) else words,
                    capfdbinary, monkeypatch)
    assert is_one_line(done) and said in done.err, done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["train.py", "translate.py"])
def test_the_version_is_ours_and_a_mistake_imports_no_torch(name, tmp_path):
    code = ("import runpy, sys; sys.argv = sys.argv[1:]\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "except SystemExit as end: sys.exit(99 if 'torch' in sys.modules else end.code)")
    for word, expected, words in (("--version", 0, b"seq2seq "), ("--beam 3", 2, b"")):
        done = subprocess.run([sys.executable, "-c", code, str(Path(ROOT) / name), *word.split()], cwd=tmp_path,
                              capture_output=True, check=False, env={"PYTHONPATH": str(ROOT), "PATH": ""})
        assert done.returncode == expected, done.stderr
        assert done.stdout.startswith(words)
