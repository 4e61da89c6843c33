"""Shortlists: what they hold, what search does with them, what becomes of damaged ones."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import ROOT, run_here
from networks import VOCABULARY, build, network
from safetensors.numpy import save
from shortlists import shortlist

from data_prep import ibm_model1 as lexicon
from seq2seq.bundle.bundle import load_bundle
from seq2seq.corpus.shortlist import NONE, Shortlist
from seq2seq.models.fast.search_model import ForSearch, common_candidates, own_candidates
from seq2seq.search.decode import translate_ids
from seq2seq.search.ensemble import Ensemble
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.tokenization.tokenizer import EOS, PAD

SENTENCES = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14], [4, 4], []]


def candidates_of(short, source, best, vocabulary):
    common = common_candidates(torch.from_numpy(short.frequent))
    own = own_candidates(torch.tensor(source), common, torch.from_numpy(short.translations[:, :best]), vocabulary)
    return torch.cat([common.expand(len(own), -1), own], dim=1)


def full():
    """All pieces are candidates of every sentence."""
    return Shortlist(np.arange(VOCABULARY), np.full((VOCABULARY, 1), NONE))


def test_word_translations_are_learnt_without_alignment():
    """Words of one language in any order beside those of another: piece n becomes piece n + 10."""
    draw = np.random.default_rng(0)
    source = [draw.choice(np.arange(4, 14), size=5, replace=False).tolist() for _ in range(200)]
    target = [draw.permutation(np.asarray(xs) + 10).tolist() for xs in source]
    table = lexicon.translations(source, target, 14, 24, best=3)
    assert table[4:, 0].tolist() == list(range(14, 24))
    assert (table[:4] == NONE).all()  # special pieces occur in no text


def test_one_round_of_model_1_by_hand():
    """Two pairs, a b | x y and a | x: after the rounds x belongs to a, and y to b."""
    table = lexicon.translations([[4, 5], [4]], [[6, 7], [6]], 8, 8, best=2)
    assert table[4].tolist() == [6, 7] and table[5].tolist()[0] == 7


def test_of_too_many_pairs_every_nth_is_counted(monkeypatch):
    monkeypatch.setattr(lexicon, "LINKS", 3)
    table = lexicon.translations([[4], [5, 5], [4]], [[6], [7], [7]], 8, 8, best=2)
    assert table[4].tolist() == [6, 7] and table[5].tolist() == [NONE, NONE]


def test_most_frequent_pieces_and_pieces_without_translations():
    assert lexicon.frequent([[5, 6, 6], [6, 5, 7]], 9, best=2).tolist() == [6, 5]
    assert lexicon.frequent([[5]], 9, best=4).tolist() == [5]
    table = np.asarray([[NONE, NONE], [3, NONE]], dtype=np.int32)
    lexicon.to_itself(table)
    assert table.tolist() == [[0, NONE], [3, NONE]]


def test_candidates_are_special_frequent_and_translated_pieces_each_once():
    short = Shortlist(np.asarray([9, 5]), np.asarray([[NONE, NONE]] * 6 + [[9, 7], [8, NONE]]))
    found = candidates_of(short, [[6, 6, EOS], [7, EOS, PAD]], 1, 12)
    assert found[0].tolist() == [0, 1, 2, 3, 5, 9, PAD] and found[1].tolist() == [0, 1, 2, 3, 5, 9, 8]
    assert candidates_of(short, [[6, EOS]], 2, 12).tolist() == [[0, 1, 2, 3, 5, 9, 7]]


@pytest.mark.parametrize("kind", SearchKind)
def test_a_shortlist_of_all_pieces_changes_nothing(kind):
    model = build(network())
    settings = SearchSettings(kind=kind, n_best=1, max_length=10)
    for one, other in zip(translate_ids(model, SENTENCES, settings),
                          translate_ids(ForSearch(model, shortlist=full(), best=1), SENTENCES, settings), strict=True):
        assert one[0].pieces == other[0].pieces
        assert one[0].score == pytest.approx(other[0].score, rel=1e-4)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("kind", SearchKind)
def test_only_candidates_come_and_each_sentence_is_as_if_alone(kind, int8):
    short = shortlist()
    search = ForSearch(build(network()), int8=int8, shortlist=short, best=3)
    settings = SearchSettings(kind=kind, max_length=10)
    together = translate_ids(search, SENTENCES, settings, numbers=range(5))
    for row, (sentence, found) in enumerate(zip(SENTENCES, together, strict=True)):
        allowed = set(candidates_of(short, [[*sentence, EOS]], 3, VOCABULARY)[0].tolist())
        assert set(found[0].pieces) <= allowed
        (alone,) = translate_ids(search, [sentence], settings, numbers=[row])
        assert alone[0].pieces == found[0].pieces
        assert alone[0].score == pytest.approx(found[0].score, rel=1e-4)


def test_probabilities_are_over_the_candidates():
    model, short = build(network()), shortlist()
    search = ForSearch(model, shortlist=short, best=4)
    source, lengths = torch.tensor([[5, 6, EOS], [8, EOS, PAD]]), torch.tensor([3, 2])
    with torch.inference_mode():
        memory = search.encode(source, lengths)
        logits, _, _ = search.step(torch.full((2, 1), 2), search.start(memory), memory)
        own = model.encode(source, lengths)
        exact, _, _ = model.step(torch.full((2, 1), 2), model.start(own), own)
    for row in range(2):
        there = logits[row, 0] > -torch.inf
        pieces = memory.columns[row][there]
        assert len(set(pieces.tolist())) == len(pieces)
        torch.testing.assert_close(logits[row, 0][there], exact[row, 0, pieces], rtol=1e-5, atol=1e-5)


def test_an_ensemble_shares_a_shortlist():
    models = [ForSearch(build(network(), seed=seed), shortlist=shortlist(), best=2) for seed in (1, 2)]
    settings = SearchSettings(max_length=8)
    found = translate_ids(Ensemble(models), SENTENCES, settings)
    twice = translate_ids(Ensemble([models[0]] * 2), SENTENCES, settings)
    once = translate_ids(models[0], SENTENCES, settings)
    assert len(found) == len(SENTENCES)
    assert [one[0].pieces for one in twice] == [one[0].pieces for one in once]


def test_from_text_files_to_translations(tmp_path, capfdbinary, monkeypatch):
    """data_prep learns it, the bundle holds it, translate.py uses it."""
    monkeypatch.chdir(tmp_path)
    for split, size in (("train", 300), ("valid", 5), ("test", 5)):
        draw = np.random.default_rng(size)
        lines = [" ".join(draw.choice(["one", "two", "six", "ten"], size=4)) for _ in range(size)]
        Path(f"{split}.en").write_text("".join(line + "\n" for line in lines))
        Path(f"{split}.de").write_text("".join(line.replace("o", "a").replace("i", "e") + "\n" for line in lines))
    files = [f"data.{split}={split}" for split in ("train", "valid", "test")]
    prepared = ["-m", "data_prep", "data=files", "data.source=en", "data.target=de", *files, "corpus=mine",
                "num_proc=1", "tokenizer.kind=word", "cleaning.duplicates.enabled=false"]
    done = subprocess.run([sys.executable, *prepared], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and "learnt 64 likely translations of each piece" in done.stderr, done.stderr
    trained = run_here("train", ["corpus=mine", "run=run", "training.max_updates=2", "training.device=cpu",
                                 "model.embedding=8", "model.hidden=8"], capfdbinary, monkeypatch)
    assert trained.code == 0, trained.err
    bundle = load_bundle(Path("run"))
    pieces = bundle.source_tokenizer.encode(["one two"])[0]
    likely = bundle.shortlist.translations[pieces, 0].tolist()
    assert bundle.target_tokenizer.decode([likely]) == ["ane twa"]
    done = run_here("translate", ["run=run", "input=test.en", "search.shortlist=3", "precision=int8", "device=cpu"],
                    capfdbinary, monkeypatch)
    assert done.code == 0 and done.out.count(b"\n") == 5, done.err


def test_what_is_written_is_read_and_what_is_damaged_is_refused():
    short = shortlist()
    read = Shortlist.read(short.written(), VOCABULARY, VOCABULARY)
    assert all(np.array_equal(one, other) for one, other in zip(read, short, strict=True))
    table, frequent = short.translations.astype(np.int32), short.frequent.astype(np.int32)
    damaged = [b"", b"x" * 100, save({"translations": table}),
               save({"frequent": frequent, "translations": table.astype(np.float32)}),
               save({"frequent": frequent[None], "translations": table}),
               save({"frequent": frequent, "translations": table[1:]}),
               save({"frequent": frequent, "translations": np.full_like(table, VOCABULARY)}),
               save({"frequent": np.full_like(frequent, -1), "translations": table})]
    for content in damaged:
        with pytest.raises(ValueError):
            Shortlist.read(content, VOCABULARY, VOCABULARY)
