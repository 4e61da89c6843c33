"""Search against enumeration of every translation, and its independence of batches and padding."""

from __future__ import annotations

import math
import random

import pytest
import torch
from fake_models import TableModel, all_translations, follow
from networks import build, network

from seq2seq.corpus.batch import make_batch
from seq2seq.errors import SettingError, UserError
from seq2seq.search.decode import translate_ids
from seq2seq.search.ensemble import Ensemble
from seq2seq.search.penalties import Coverage, length_penalty, without_coverage
from seq2seq.search.sampling import draw, reference_where_it_falls, where_it_falls
from seq2seq.search.top_k import top
from seq2seq.settings.search import SearchKind, SearchSettings
from seq2seq.tokenization.tokenizer import BOS, EOS, PAD, UNK

torch.set_num_threads(1)
SOURCE = [[5, 6, 4], [4], [], [6, 6, 5, 4, 4], [5, 4]]


def sentences(count: int, seed: int = 0) -> list[list[int]]:
    draws = random.Random(seed)
    return [[draws.randrange(4, 12) for _ in range(draws.randrange(0, 9))] for _ in range(count)]


def beam(**settings) -> SearchSettings:
    return SearchSettings(kind=SearchKind.BEAM, **settings)


def greedy(**settings) -> SearchSettings:
    return SearchSettings(kind=SearchKind.GREEDY, **settings)


def sample(**settings) -> SearchSettings:
    return SearchSettings(kind=SearchKind.SAMPLE, **settings)


KINDS = [greedy(), beam(), beam(beam_size=3, n_best=3, coverage_penalty=0.3, min_length=2),
         sample(n_best=2, seed=3), sample(top_p=0.8, temperature=0.7)]


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (0.0, 0.5), (0.6, 0.0), (1.0, 0.2), (2.0, 0.0), (1.5, 0.2)])
def test_a_large_enough_beam_finds_the_best_translations_of_all(alpha: float, beta: float) -> None:
    model = TableModel(vocabulary=7, seed=1)
    settings = beam(beam_size=200, n_best=5, max_length=4, length_penalty=alpha, coverage_penalty=beta)
    for source, found in zip(SOURCE, translate_ids(model, SOURCE, settings, attention=True), strict=True):
        expected = all_translations(model, source, 4, alpha=alpha, beta=beta)[:5]
        assert [one.pieces for one in found] == [one.pieces for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
            torch.testing.assert_close(one.attention, other.attention)


@pytest.mark.parametrize("kind", ["beam", "greedy", "sample"])
def test_lengths_and_unknown_obey_the_settings(kind: str) -> None:
    for low, high, unknown in [(0, 3, True), (2, 3, False), (3, 3, False), (0, 1, False)]:
        settings = SearchSettings(kind=SearchKind(kind), min_length=low, max_length=high, allow_unknown=unknown,
                                  length_penalty=0.0)
        for found in translate_ids(TableModel(vocabulary=6, seed=2), sentences(40), settings):
            assert low <= len(found[0].pieces) <= high
            assert not {PAD, BOS, EOS} & set(found[0].pieces)
            assert unknown or UNK not in found[0].pieces


def test_minimum_and_unknown_reach_the_best_of_those_allowed() -> None:
    model = TableModel(vocabulary=6, seed=3)
    settings = beam(beam_size=100, min_length=2, max_length=3, allow_unknown=True)
    for source, found in zip(SOURCE, translate_ids(model, SOURCE, settings), strict=True):
        best = all_translations(model, source, 3, shortest=2, unknown=True)[0]
        assert found[0].pieces == best.pieces


def test_the_limit_of_a_short_source_wins_over_the_minimum_length() -> None:
    settings = beam(min_length=6, max_length_factor=2.0, max_length_extra=1)
    found = translate_ids(TableModel(vocabulary=8), [[], [4, 4, 4, 4]], settings)
    assert len(found[0][0].pieces) == 3  # 2 * 1 + 1
    assert 6 <= len(found[1][0].pieces) <= 11


def test_beam_of_one_is_greedy_search() -> None:
    source = sentences(60)
    for seed in range(4):
        model = TableModel(vocabulary=40, seed=seed, sharpness=2.0)
        one, other = (translate_ids(model, source, settings) for settings in (beam(beam_size=1), greedy()))
        assert [found[0].pieces for found in one] == [found[0].pieces for found in other]
        assert [found[0].score for found in one] == pytest.approx([found[0].score for found in other], abs=1e-5)


def test_greedy_takes_the_most_probable_piece_every_time() -> None:
    model = TableModel(vocabulary=300, seed=5, sharpness=3.0)  # wide enough for the blocks of `top`
    for source, (found,) in zip(SOURCE, translate_ids(model, SOURCE, greedy(max_length=12)), strict=True):
        memory = model.encode(torch.tensor([[*source, EOS]]), torch.tensor([len(source) + 1]))
        state, pieces = model.start(memory), [BOS]
        while pieces[-1] != EOS:
            logits, state, _ = model.step(torch.tensor([[pieces[-1]]]), state, memory)
            logits[..., [PAD, UNK, BOS]] = -math.inf
            pieces.append(int(logits.argmax()) if len(pieces) <= 12 else EOS)
        assert found.pieces == pieces[1:-1]


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: f"{settings.kind.value}{settings.n_best}")
def test_batch_size_padding_and_order_change_nothing(settings: SearchSettings) -> None:
    model, source = TableModel(vocabulary=30, seed=6, sharpness=1.5), sentences(24, seed=1)
    expected = [translate_ids(model, [ids], settings, numbers=[row])[0] for row, ids in enumerate(source)]
    order = random.Random(2).sample(range(24), 24)
    settings.batch_pieces = 100
    small = translate_ids(model, source, settings, attention=True)
    settings.batch_pieces = 3000
    shuffled = translate_ids(model, [source[row] for row in order], settings, numbers=order)
    for row, alone in enumerate(expected):
        for found in (small[row], shuffled[order.index(row)]):
            assert [one.pieces for one in found] == [one.pieces for one in alone]
            assert [one.score for one in found] == pytest.approx([one.score for one in alone], abs=1e-4)


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: f"{settings.kind.value}{settings.n_best}")
def test_scores_and_attention_are_those_of_the_pieces(settings: SearchSettings) -> None:
    model, source = TableModel(vocabulary=12, seed=7), sentences(20, seed=3)
    for ids, found in zip(source, translate_ids(model, source, settings, attention=True), strict=True):
        assert found == sorted(found, key=lambda one: -one.score)
        assert settings.kind is SearchKind.GREEDY or len(found) == settings.n_best
        for one in found:
            alone = follow(model, ids, one.pieces, settings.length_penalty, settings.coverage_penalty)
            assert one.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
            assert one.score == pytest.approx(alone.score, abs=1e-4)
            torch.testing.assert_close(one.attention, alone.attention)


def test_a_wider_beam_finds_no_worse_on_the_whole() -> None:
    model, source = TableModel(vocabulary=30, seed=8), sentences(100)
    scores = [sum(found[0].score for found in translate_ids(model, source, beam(beam_size=size, max_length=10)))
              for size in (1, 3, 10)]
    assert scores[0] < scores[1] < scores[2]


def test_finished_sentences_leave_the_batch() -> None:
    model = TableModel(vocabulary=30, seed=6)
    translate_ids(model, sentences(50), beam(beam_size=2))
    assert model.widths[0] == 50 and model.widths == sorted(model.widths, reverse=True) and model.widths[-1] < 10


def test_search_stops_when_nothing_live_can_win() -> None:
    model = TableModel(vocabulary=10, seed=0)
    model.table[..., EOS] = 20.0  # the empty translation has nearly all the probability
    translate_ids(model, [[4, 5]], beam(beam_size=5, length_penalty=0.0))
    assert model.steps == 1


def test_samples_follow_the_distribution() -> None:
    model = TableModel(vocabulary=6, seed=4)
    found = translate_ids(model, [[5, 4]] * 4000, sample(max_length=2, allow_unknown=False))
    drawn = [tuple(one[0].pieces) for one in found]
    # The model's own probabilities, made to sum to one over the pieces that may come.
    memory = model.encode(torch.tensor([[5, 4, EOS]]), torch.tensor([3]))
    first = model.step(torch.tensor([[BOS]]), model.start(memory), memory)[0][0, 0]
    p = first[[EOS, 4, 5]].softmax(0)
    for pieces, expected in zip([(), (4,), (5,)], p.tolist(), strict=True):
        share = sum(one[:1] == pieces for one in drawn) / len(drawn)
        assert share == pytest.approx(expected, abs=4 * math.sqrt(0.25 / len(drawn)))


def test_samples_repeat_with_the_seed_and_differ_without() -> None:
    model, source = TableModel(vocabulary=30, seed=4), sentences(20)
    runs = [translate_ids(model, source, sample(seed=seed, n_best=n)) for seed, n in ((1, 1), (1, 1), (2, 1), (1, 3))]
    pieces = [[found[0].pieces for found in run] for run in runs]
    assert pieces[0] == pieces[1] != pieces[2]
    # The first draw of a sentence is among its n best.
    for one, found in zip(pieces[0], runs[3], strict=True):
        assert one in [hypothesis.pieces for hypothesis in found]
    assert translate_ids(model, [source[3]] * 2, sample())[0] != translate_ids(model, [source[3]] * 2, sample())[1]


def test_top_k_of_one_and_a_tiny_top_p_and_a_low_temperature_are_greedy() -> None:
    model, source = TableModel(vocabulary=30, seed=4), sentences(20)
    expected = [found[0].pieces for found in translate_ids(model, source, greedy())]
    for settings in (sample(top_k=1), sample(top_p=1e-6), sample(temperature=1e-4)):
        assert [found[0].pieces for found in translate_ids(model, source, settings)] == expected


def test_draws_land_in_the_interval_of_their_piece() -> None:
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
    uniform = torch.tensor([0.05, 0.15, 0.49, 0.51, 0.69, 0.71, 1 - 2**-24])
    wide = logits.expand(7, 4)
    assert draw(wide, uniform).tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert draw(wide, uniform, top_k=2).tolist() == [1, 1, 1, 1, 3, 3, 3]      # 4/7 of piece 1, then piece 3
    assert draw(wide, uniform, top_p=0.75).tolist() == [1, 1, 3, 3, 3, 3, 2]   # 0.4, 0.3, 0.2 of 0.9
    assert draw(wide, uniform, temperature=0.01).tolist() == [1] * 7
    # Not even the smallest number picks a piece that may not come.
    assert draw(torch.tensor([-math.inf, 0.0, -math.inf]), torch.tensor(0.0)) == 1


@pytest.mark.parametrize("width", [1, 5, 64, 65, 333, 10_000])
def test_what_falls_where_is_found_block_by_block_as_in_one_sum(width: int) -> None:
    generator = torch.Generator().manual_seed(width)
    weights = (3 * torch.randn(200, width, generator=generator)).exp()
    weights[:100] *= torch.rand(100, width, generator=generator) < 0.1  # most may not come, often whole blocks
    weights[torch.arange(200), torch.randint(width, (200,), generator=generator)] += 0.01
    uniform = torch.rand(200, generator=generator)
    uniform[:20], uniform[20:40] = 0, 1 - 2 ** -24
    found = where_it_falls(weights, uniform)
    assert (weights.gather(1, found[:, None]) > 0).all()
    assert found[:20].equal((weights[:20] > 0).int().argmax(1))
    assert found[40:].equal(reference_where_it_falls(weights, uniform)[40:])


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 700), (5, 6401)])
@pytest.mark.parametrize("k", [1, 3])
def test_top_equals_topk(shape: tuple[int, ...], k: int) -> None:
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    scores[..., 1] = -math.inf
    for one, other in zip(top(scores, k), scores.topk(k), strict=True):
        assert torch.equal(one, other)


def test_penalties_are_the_equations() -> None:
    assert without_coverage(-3.0, 7, 1.0) == pytest.approx(-1.5)
    assert length_penalty(1, 0.7) == 1
    assert length_penalty(7, 1.0) == pytest.approx(2)
    coverage = Coverage(0.5)
    attention = torch.tensor([[[0.5, 0.25, 0.25, 0.0]], [[0.5, 0.5, 0.0, 0.0]]])  # (2, 1, 4); lengths 3 and 2
    coverage.add(attention)
    coverage.add(attention)
    coverage.add(attention)
    expected = [0.5 * 2 * math.log(0.75), 0.0]
    assert torch.as_tensor(coverage.penalty(torch.tensor([3, 2])))[:, 0].tolist() == pytest.approx(expected)


def test_coverage_needs_attention() -> None:
    with pytest.raises(SettingError, match=r"coverage_penalty=0\.2 counts attention, and this model has none"):
        translate_ids(TableModel(vocabulary=8, attends=False), [[4]], beam(coverage_penalty=0.2))


@pytest.mark.parametrize("settings", KINDS[:2] + KINDS[3:4], ids=["greedy", "beam", "sample"])
def test_a_model_of_nonsense_ends_with_one_line(settings: SearchSettings) -> None:
    model = TableModel(vocabulary=8)
    model.table[:] = math.nan
    with pytest.raises(UserError, match="no finite probability"):
        translate_ids(model, SOURCE, settings)


def test_an_ensemble_averages_probabilities() -> None:
    models = [TableModel(vocabulary=7, seed=seed) for seed in (1, 2)]
    models.append(TableModel(vocabulary=7, seed=3, attends=False))
    found = translate_ids(Ensemble(models), SOURCE, beam(beam_size=3), attention=True)
    for source, (one,) in zip(SOURCE, found, strict=True):
        memories = [m.encode(torch.tensor([[*source, EOS]]), torch.tensor([len(source) + 1])) for m in models]
        states, total = [m.start(memory) for m, memory in zip(models, memories, strict=True)], 0.0
        for previous, piece in zip([BOS, *one.pieces], [*one.pieces, EOS], strict=True):
            steps = [m.step(torch.tensor([[previous]]), state, memory)
                     for m, state, memory in zip(models, states, memories, strict=True)]
            states = [step[1] for step in steps]
            total += math.log(sum(step[0].softmax(-1)[0, 0, piece].item() for step in steps) / 3)
        assert one.log_probability == pytest.approx(total, abs=1e-4)
        assert one.attention is not None and one.attention.shape == (len(one.pieces), len(source) + 1)


def test_an_ensemble_of_one_model_with_itself_is_the_model() -> None:
    model, source = TableModel(vocabulary=20, seed=1), sentences(20)
    one, other = translate_ids(model, source, beam()), translate_ids(Ensemble([model, model]), source, beam())
    assert [found[0].pieces for found in one] == [found[0].pieces for found in other]


def test_an_ensemble_of_models_that_write_from_right_to_left_does_too() -> None:
    model, source = build(network(context="attention", reverse_target=True)), sentences(8, seed=4)
    models = (model, Ensemble([model, model]))
    one, other = (translate_ids(each, source, beam(), attention=True) for each in models)
    assert [found[0].pieces for found in one] == [found[0].pieces for found in other]
    for found, same in zip(one, other, strict=True):
        torch.testing.assert_close(found[0].attention, same[0].attention)
    assert any(found[0].pieces != found[0].pieces[::-1] for found in one)


def test_no_sentences_no_hypotheses() -> None:
    assert translate_ids(TableModel(vocabulary=8), [], beam()) == []


NETWORKS = [
    {"context": "last", "cell": "lstm"}, {"context": "pooled", "feed_context": "initial_state", "output": False},
    {"context": "attention", "score": "scaled", "heads": 2, "attention_feed": "upper_layers", "decoder_layers": 2},
    {"context": "attention", "attention_feed": "input", "query": "current", "reverse_source": True},
    {"context": "attention", "reverse_target": True},
]


@pytest.mark.parametrize("parts", NETWORKS, ids=lambda parts: "-".join(map(str, parts.values())))
@pytest.mark.parametrize("settings", [greedy(), beam(beam_size=4, n_best=4), sample(n_best=2)],
                         ids=lambda settings: settings.kind.value)
def test_a_network_is_searched_as_it_is_trained(parts: dict, settings: SearchSettings) -> None:
    model, source = build(network(**parts)), sentences(8, seed=4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # clear preferences
    found = translate_ids(model, source, settings, attention=True)
    for row, ids in enumerate(source):
        alone = translate_ids(model, [ids], settings, numbers=[row])[0]
        assert [one.pieces for one in found[row]] == [one.pieces for one in alone]
        for one in found[row]:
            with torch.no_grad():
                nll = model(make_batch([ids], [one.pieces], [0])).nll
            assert one.log_probability == pytest.approx(-nll.item(), abs=1e-3)
            if parts["context"] == "attention":
                assert one.attention is not None and one.attention.shape == (len(one.pieces), len(ids) + 1)
