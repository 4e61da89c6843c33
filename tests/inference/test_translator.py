"""Strings in, strings out: one line for each, in order, whatever is beside it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundle import make_bundle
from tiny_corpus import WORDS, make_corpus

from seq2seq.corpus.packed import PackedCorpus
from seq2seq.corpus.shortlist import Shortlist
from seq2seq.errors import BundleError, SettingError
from seq2seq.inference.translator import Translator

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
LINES = ["ba do fi", "", "gu", " \t ", "ke lo mi nu pa re so tu ba do", "\u2028", "fi \u2028 gu\u0085ke", "xyz 😀 ba"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("data") / "tiny", train=20, valid=10)


@pytest.fixture(scope="module")
def bundle(corpus: Path) -> Path:
    return make_bundle(corpus.parent / "one", corpus)


@pytest.fixture(scope="module")
def translator(bundle: Path) -> Translator:
    return Translator.load(bundle, device="cpu", max_source_pieces=60)


def test_one_translation_for_every_line(translator: Translator) -> None:
    found = translator.translate(LINES)
    assert len(found) == len(LINES)
    assert [bool(text) for text in found] == [True, False, True, False, True, False, True, True]
    assert not any("\n" in text for text in found)
    assert translator.translate([]) == []
    assert translator.languages == ("en", "de")


def test_a_text_by_itself_gives_a_text(translator: Translator) -> None:
    assert [translator.translate(line) for line in LINES] == translator.translate(LINES)
    assert translator.translate(line for line in LINES) == translator.translate(LINES)
    for refused in (translator.translate_lines, lambda text: list(translator.stream(text)),
                    lambda text: list(translator.stream([text]))):
        for text in ("ba do", b"ba do"):
            with pytest.raises(TypeError, match="'ba do' is one text, and a list of texts is needed"):
                refused(text)  # type: ignore[operator]


def test_a_line_is_translated_alike_alone_and_among_others(translator: Translator) -> None:
    assert translator.translate(LINES) == [translator.translate([line])[0] for line in LINES]
    assert translator.translate(LINES[::-1]) == translator.translate(LINES)[::-1]


def test_windows_make_no_difference_not_even_to_samples(bundle: Path) -> None:
    lines = LINES * 3
    drawing = Translator.load(bundle, device="cpu", kind="sample", seed=5)
    whole = drawing.translate(lines)
    parts = [lines[:1], lines[1:4], lines[4:]]
    windows = [[translation.text for translation in window] for window in drawing.stream(parts)]
    assert [len(window) for window in windows] == [1, 3, len(lines) - 4]
    assert [text for window in windows for text in window] == whole
    assert whole[:8] != whole[8:16]  # the same sentence on another line is another draw


def test_a_long_line_is_cut_and_named(translator: Translator, caplog: pytest.LogCaptureFixture) -> None:
    long = " ".join(WORDS * 900)  # over 10,000 words
    with caplog.at_level(logging.WARNING, "seq2seq"):
        found = translator.translate_lines(["ba", long, "do"], first=7, name="a.txt")
    assert found[1].text and len(found[1].source_pieces) == 61  # and EOS
    assert [found[0].text, found[2].text] == translator.translate(["ba", "do"])
    message = caplog.records[0].getMessage()
    assert message.startswith("a.txt line 8 has 1") and "only the first 60 are translated" in message


def test_attention_and_pieces_fit_together(translator: Translator) -> None:
    for translation in translator.translate_lines(LINES, attention=True):
        for candidate in translation.candidates:
            assert candidate.attention is not None
            assert candidate.attention.shape == (len(candidate.pieces), len(translation.source_pieces))
            torch.testing.assert_close(candidate.attention.sum(1), torch.ones(len(candidate.pieces)))
            assert translation.source_pieces[-1] == "</s>"
            assert candidate.text == "".join(candidate.pieces).replace("▁", " ").strip()


def test_a_fixed_context_has_no_attention(corpus: Path) -> None:
    translator = Translator.load(make_bundle(corpus.parent / "last", corpus, context="last"), device="cpu")
    assert translator.translate_lines(["ba do"], attention=True)[0].candidates[0].attention is None
    translator.search.coverage_penalty = 0.2
    with pytest.raises(SettingError, match="coverage_penalty"):
        translator.translate(["ba do"])


def test_an_ensemble_is_neither_of_its_members(corpus: Path, bundle: Path) -> None:
    other = make_bundle(corpus.parent / "two", corpus, seed=1)
    lines = [" ".join(WORDS[start:start + 4]) for start in range(8)]
    one, two, both = (Translator.load(run, device="cpu").translate(lines) for run in (bundle, other, [bundle, other]))
    assert one != both != two
    assert Translator.load([bundle, bundle], device="cpu").translate(lines) == one


def test_an_ensemble_of_strangers_is_refused(corpus: Path, bundle: Path) -> None:
    """With what keeps them apart, and what takes them."""
    pieces = make_corpus(corpus.parent / "other_pieces", train=20, valid=10, vocabulary=32)
    for stranger, words in (
            (make_bundle(corpus.parent / "stranger", corpus, languages=("en", "fr")),
             r"one is en to de \(shape=n_to_m\), the other en to fr \(shape=n_to_m\)\. Give models of the same"),
            (make_bundle(corpus.parent / "pieces", pieces), "they have different tokenizers. Give models trained on"),
            (make_bundle(corpus.parent / "leftwards", corpus, reverse_target=True),
             "they write in different directions. Give models with the same model.reverse_target=, or let it")):
        with pytest.raises(SettingError, match=r"run: .*one and .* cannot answer as one: " + words) as caught:
            Translator.load([bundle, stranger], device="cpu")
        if stranger.name != "stranger":
            *_, forward, search = str(caught.value).removesuffix(".").split()
            assert search == "rerank.search=true"
            Translator.load(bundle, device="cpu", rerank={
                "forward": forward.removeprefix("rerank.forward="), "search": True})


def test_shortlists_are_those_of_the_corpus(corpus: Path, bundle: Path) -> None:
    pieces = len(PackedCorpus.open(corpus).tokenizers()[0])
    short = Shortlist(np.asarray([5]), np.arange(4, 4 + 2 * pieces).reshape(pieces, 2) % pieces)
    one, other = (make_bundle(corpus.parent / f"short-{seed}", corpus, seed=seed, shortlist=short) for seed in (0, 1))
    assert Translator.load(one, device="cpu", shortlist=2).translate(LINES)[1] == ""
    assert len(Translator.load([one, other], device="cpu", shortlist=1).translate(LINES)) == len(LINES)
    other_pieces = short._replace(frequent=np.asarray([6]))
    stranger = make_bundle(corpus.parent / "short-stranger", corpus, shortlist=other_pieces)
    for runs, best, message in [
        (bundle, 3, r"search.shortlist=3: .*one has no shortlist, for its corpus had none\. Prepare the corpus anew"),
        (one, 3, r"search.shortlist=3 is more than the 2 translations of a piece that .*short-0 knows\. Choose fewer"),
        ([one, stranger], 2, r"search.shortlist=2: these models have different shortlists"),
    ]:
        with pytest.raises(SettingError, match=message):
            Translator.load(runs, device="cpu", shortlist=best)


@pytest.mark.parametrize(("settings", "message"), [
    ({"beam": 3}, r"search\.beam is not a setting\. Did you mean beam_size\?"),
    ({"beam_size": 0}, r"search\.beam_size=0 is out of range"),
    ({"kind": "gredy"}, r"search\.kind=gredy is not one of: greedy, beam, sample\. Did you mean greedy\?"),
    ({"device": "gpu"}, "device=gpu is not one of: auto, cpu, cuda"),
])
def test_wrong_settings_are_named(bundle: Path, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Translator.load(bundle, **settings)


def test_no_folder_no_translator(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="names no model"):
        Translator.load([])
    with pytest.raises(BundleError, match="nowhere"):
        Translator.load(tmp_path / "nowhere")


def test_weights_are_those_of_the_bundle(bundle: Path, translator: Translator) -> None:
    # Loading leaves out the random first weights: every one must have been replaced.
    from seq2seq.bundle.bundle import load_bundle

    plain = load_bundle(bundle).model
    for one, other in zip(translator.bundles[0].model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_nothing_slow_is_imported(bundle: Path) -> None:
    code = (f"import logging, sys, seq2seq; logging.disable()\n"
            f"seq2seq.Translator.load({str(bundle)!r}).translate(['ba'])\n"
            "slow = {'datasets', 'pyarrow', 'pandas', 'matplotlib', 'sacrebleu', 'rich', 'torch._dynamo'}\n"
            "found = slow & set(sys.modules)\n"
            "sys.exit(str(found) if found else 0)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
