"""No n-gram twice: against enumeration, by hand, with every kind of search, and in the commands."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from commands import is_one_line, run_here
from fake_models import TableModel, all_translations, follow
from networks import VOCABULARY, build, network
from shortlists import shortlist
from tiny_bundle import make_bundle
from tiny_corpus import make_corpus

from seq2seq.models.fast.search_model import ForSearch
from seq2seq.search.decode import translate_ids
from seq2seq.search.ngram_blocking import Repeats
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK

torch.set_num_threads(1)
SOURCE = [[5, 6, 4], [4], [], [6, 6, 5, 4, 4], [5, 4], *([4 + n % 3, 4 + n % 5] for n in range(12))]


def repeats(pieces: list[int], size: int) -> bool:
    grams = [tuple(pieces[place : place + size]) for place in range(len(pieces) - size + 1)]
    return len(set(grams)) < len(grams)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_large_enough_beam_finds_the_best_of_all_that_repeat_nothing(size: int) -> None:
    model = TableModel(vocabulary=7, seed=1)
    settings = SearchSettings(beam_size=130, n_best=5, max_length=4, no_repeat_ngram_size=size)
    for source, found in zip(SOURCE[:4], translate_ids(model, SOURCE[:4], settings), strict=True):
        every = all_translations(model, source, 4, alpha=settings.length_penalty)
        expected = [one for one in every if not repeats(one.pieces, size)]
        assert len(expected) < len(every)
        assert [one.pieces for one in found] == [one.pieces for one in expected[:5]]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected[:5]], abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", [{"kind": SearchKind.GREEDY}, {"beam_size": 4, "n_best": 4},
                                  {"kind": SearchKind.SAMPLE, "n_best": 3}], ids=["greedy", "beam", "sample"])
def test_nothing_comes_twice_where_it_did(kind: dict, size: int) -> None:
    """And the probabilities stay the model's own; the sentences, of many lengths, leave the batch one by one."""
    model = TableModel(vocabulary=7, seed=1, sharpness=2.0)
    settings = {**kind, "max_length_factor": 8.0, "length_penalty": 3.0}
    before = translate_ids(model, SOURCE, SearchSettings(**settings))
    assert any(repeats(one.pieces, size) for found in before for one in found)
    after = translate_ids(model, SOURCE, SearchSettings(**settings, no_repeat_ngram_size=size))
    for row, (source, found) in enumerate(zip(SOURCE, after, strict=True)):
        alone = translate_ids(model, [source], SearchSettings(**settings, no_repeat_ngram_size=size), numbers=[row])
        assert [one.pieces for one in alone[0]] == [one.pieces for one in found]
        for one in found:
            assert not repeats(one.pieces, size)
            own = follow(model, source, one.pieces, settings["length_penalty"])
            assert one.log_probability == pytest.approx(own.log_probability, abs=1e-3)


def test_greedy_takes_the_most_probable_of_what_may_come() -> None:
    model, size, changed = TableModel(vocabulary=9, seed=5, sharpness=3.0), 2, 0
    greedy = SearchSettings(kind=SearchKind.GREEDY, max_length=14, no_repeat_ngram_size=size)
    for source, (found,) in zip(SOURCE, translate_ids(model, SOURCE, greedy), strict=True):
        memory = model.encode(torch.tensor([[*source, EOS]]), torch.tensor([len(source) + 1]))
        state, pieces = model.start(memory), [BOS]
        while pieces[-1] != EOS:
            logits, state, _ = model.step(torch.tensor([[pieces[-1]]]), state, memory)
            logits[..., [PAD, UNK, BOS]] = -math.inf
            best = logits[0, 0].argsort(descending=True).tolist()
            allowed = [piece for piece in best if not repeats([*pieces[1:], piece], size)]
            changed += allowed[0] != best[0]
            pieces.append(allowed[0] if len(pieces) <= 14 else EOS)
        assert found.pieces == pieces[1:-1]
    assert changed > 3


def test_a_piece_that_ends_two_ngrams_may_be_forbidden_by_one() -> None:
    seen = Repeats(2)
    for piece in (4, 6, 5, 6, 4):  # of 4 6, 6 5, 5 6, 6 4 only 4 6 has begun again
        seen.follow(torch.tensor([[0]]), torch.tensor([[piece]]))
    gains = torch.zeros(1, 1, 8)
    seen.forbid(gains)
    assert gains[0, 0].tolist() == [0, 0, 0, 0, 0, 0, -math.inf, 0]


def test_hypotheses_that_fork_and_leave_take_what_they_wrote_along() -> None:
    seen = Repeats(1)
    seen.follow(torch.tensor([[0], [1]]), torch.tensor([[4], [5]]))        # two sentences, one hypothesis each
    seen.follow(torch.tensor([[1, 1]]), torch.tensor([[6, 7]]))            # the first has left, the second forks
    gains = torch.zeros(1, 2, 8)
    seen.forbid(gains)
    assert (gains[0] == -math.inf).nonzero().tolist() == [[0, 5], [0, 6], [1, 5], [1, 7]]


@pytest.mark.parametrize("kind", SearchKind)
def test_with_a_shortlist_too(kind: SearchKind) -> None:
    """The places among the logits are no pieces then."""
    model = build(network())
    with torch.no_grad():
        model.output_weight.mul_(20)
    sources = [[4 + (n * step) % (VOCABULARY - 4) for n in range(6)] for step in range(1, 12)]
    search = ForSearch(model, shortlist=shortlist(), best=2)
    settings = SearchSettings(kind=kind, max_length=15, length_penalty=3.0)
    assert any(repeats(found[0].pieces, 2) for found in translate_ids(search, sources, settings))
    settings.no_repeat_ngram_size = 2
    assert not any(repeats(found[0].pieces, 2) for found in translate_ids(search, sources, settings))


def test_translate_obeys(tmp_path: Path, capfdbinary, monkeypatch) -> None:
    bundle = make_bundle(tmp_path / "bundle", make_corpus(tmp_path / "tiny", train=20, valid=10))
    into = tmp_path / "out"
    (tmp_path / "in").write_text("ba do fi\nlo mi nu pa re so tu\n")
    usual = [f"run={bundle}", "device=cpu", f"input={tmp_path / 'in'}", f"output={into}", "format=jsonl",
             "search.length_penalty=4"]

    def pieces(*more: str) -> list[list[str]]:
        assert run_here("translate", [*usual, *more], capfdbinary, monkeypatch).code == 0
        return [json.loads(line)["pieces"] for line in into.read_text().splitlines()]

    assert any(len(set(line)) < len(line) for line in pieces())
    assert all(len(set(line)) == len(line) for line in pieces("search.no_repeat_ngram_size=1"))
    done = run_here("translate", [*usual, "search.no_repeat_ngram_size=-1"], capfdbinary, monkeypatch)
    assert is_one_line(done) and "search.no_repeat_ngram_size=-1" in done.err
