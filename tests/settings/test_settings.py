"""Settings: what the YAML files and the dataclasses say is the same, and whatever does not fit is refused."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing

import hypothesis
import hypothesis.strategies as st
import pytest
import yaml
from configurations import choices, composed

from seq2seq.errors import SettingError
from seq2seq.settings.commands import COMMANDS
from seq2seq.settings.doctor import DoctorSettings
from seq2seq.settings.evaluate import EvaluateSettings
from seq2seq.settings.model import AttentionFeed, CellKind, ContextKind, FeedContext, NetworkSettings
from seq2seq.settings.prepare import PrepareSettings
from seq2seq.settings.reading import differences, read_settings, write_settings
from seq2seq.settings.training import Schedule, TrainSettings
from seq2seq.settings.translate import TranslateSettings
from seq2seq.settings.without_effect import without_effect
from seq2seq.training.run_name import run_name


def test_the_yaml_defaults_are_the_dataclass_defaults():
    assert read_settings(TrainSettings, composed("recipe=none")) == TrainSettings()


def test_a_run_is_named_after_corpus_cell_and_context():
    def named(*overrides, swept=""):
        return run_name(read_settings(TrainSettings, composed(*overrides)), swept)

    assert named() == "runs/grammar-gru-attention"
    assert named("corpus='/data/a,b/m30k/'", "cell=lstm", "context=last") == "runs/m30k-lstm-last"
    assert named("shape=n_to_n") == "runs/grammar-gru-n_to_n"
    assert named("shape=n_to_1") == "runs/grammar-gru-n_to_1-pooled"
    assert named(swept="seed_2") == "runs/grammar-gru-attention-seed_2"


def test_every_setting_can_be_given_without_a_plus():
    def keys(kind):
        for field in dataclasses.fields(kind):
            default = None if field.default_factory is dataclasses.MISSING else field.default_factory()
            for key in keys(default) if dataclasses.is_dataclass(default) else [""]:
                yield field.name + ("." + key if key else "")

    # A kind of search lists only what concerns it.
    assert ({key for key in keys(TrainSettings) if not key.startswith("search.")}
            == {key for key in flat(composed()) if not key.startswith("search.")})


def flat(mapping: dict, where: str = "") -> list[str]:
    rows = []
    for key, value in mapping.items():
        rows += flat(value, f"{where}{key}.") if isinstance(value, dict) else [where + key]
    return rows


GROUPS = ("cell", "context", "optimizer", "recipe", "search")


@pytest.mark.parametrize("choice", [f"{group}={name}" for group in GROUPS for name in choices(group)])
def test_every_choice_of_a_group_can_be_read(choice):
    settings = read_settings(TrainSettings, composed(choice, *(["shape=n_to_n"] if choice == "context=none" else [])))
    group, name = choice.split("=")
    if group != "recipe":
        assert getattr(settings, group).kind.value == name


@pytest.mark.parametrize("shape", choices("shape"))
def test_every_shape_brings_what_it_needs_and_refuses_the_rest(shape):
    assert read_settings(TrainSettings, composed(f"shape={shape}")).shape.value == shape
    taken = set()
    for context in choices("context"):
        try:
            read_settings(TrainSettings, composed(f"shape={shape}", f"context={context}"))
            taken.add(context)
        except SettingError as error:
            assert str(error).startswith(f"context={context} cannot go with shape={shape}, which takes context=")
    assert taken == {"n_to_m": {"last", "projected", "pooled", "attention"}, "n_to_n": {"none"},
                     "n_to_1": {"last", "projected", "pooled"}, "one_to_n": {"last", "projected"}}[shape]


@pytest.mark.parametrize(("overrides", "line"), [
    (["shape=n_to_1", "model.tie=target"], "model.tie=target cannot go with shape=n_to_1, which has no target"),
    (["shape=one_to_n", "model.reverse_source=true"], "model.reverse_source=true belongs to shape=n_to_m"),
    (["shape=one_to_n", "model.reverse_target=true"], "model.reverse_target=true belongs to shape=n_to_m"),
    (["shape=n_to_n", "training.best_by=bleu"], "training.best_by=bleu cannot go with shape=n_to_n. Choose "
                                                "training.best_by=accuracy or training.best_by=perplexity."),
    (["shape=one_to_n", "training.best_by=accuracy"], "training.best_by=accuracy cannot go with shape=one_to_n"),
    (["search.shortlist=9"], "search.shortlist=9 is for translate.py and evaluate.py; validation looks at all pieces."),
    (["training.best_by=accuracy"], "training.best_by=accuracy cannot go with shape=n_to_m"),
    (["shape=n_to_1", "training.scheduled_sampling=0.1"], "training.scheduled_sampling=0.1 cannot go with shape="),
    (["model.words.hidden=3"], "model.words.hidden=3 is odd"),
])
def test_what_a_shape_has_not_is_refused(overrides, line):
    with pytest.raises(SettingError) as caught:
        read_settings(TrainSettings, composed(*overrides))
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("name", choices("experiment"))
def test_every_experiment_can_be_read(name):
    settings = read_settings(TrainSettings, composed(f"experiment={name}"))
    assert type(settings) is TrainSettings


@pytest.mark.parametrize(("override", "line"), [
    ("training.batch_pieces=0", "training.batch_pieces=0 is out of range: give a number at least 1."),
    ("training.batch_pieces=many", "training.batch_pieces='many' is not a whole number."),
    ("training.clip_norm=0", "training.clip_norm=0.0 is out of range: give a number above 0."),
    ("training.clip_norm=inf", "training.clip_norm=inf is out of range: give a number above 0."),
    ("training.consistency=-1", "training.consistency=-1.0 is out of range: give a number at least 0."),
    ("search=beam search.mbr=3", "search.mbr=3 is for translate.py and evaluate.py; validation takes the most"),
    ("training.label_smoothing=1", "training.label_smoothing=1.0 is out of range: give a number at least 0 and "
     "below 1."),
    ("training.precision=fp16", "training.precision=fp16 is not one of: auto, fp32, bf16, int8. Did you mean bf16?"),
    ("+training.max_update=3", "training.max_update is not a setting. Did you mean max_updates?"),
    ("+hidden=3", "hidden is not a setting."),
    ("seed=-1", "seed=-1 is out of range"),
    ("model.hidden=511", "model.hidden=511 is odd; a bidirectional encoder halves it. Give an even number."),
    ("model.dropout.layer=1.0", "model.dropout.layer=1.0 is out of range"),
    ("model.dropout.recurrent=1.0", "model.dropout.recurrent=1.0 is out of range"),
    ("cell.nonlinearity=relu", "cell.nonlinearity=relu belongs to kind=rnn"),
    ("attention.score=additive attention.heads=4", "attention.heads=4 needs score=scaled"),
    ("attention.feed=upper_layers", "attention.feed=upper_layers needs model.decoder_layers of at least 2, not 1"),
    ("context=pooled context.hops=4", "context.hops=4 needs context=pooled and context.pooling=attentive. Choose "
     "these, or context.hops=1."),
    ("context.width=64", "context.width=64 cannot go with context=attention, whose c is as wide as the states. Choose "
     "context=projected or pooled, or context.width=null."),
    ("feed.context=initial_state", "feed.context=initial_state cannot go with context=attention"),
    ("optimizer.betas=[0.9]", "optimizer.betas=[0.9] is not two numbers in [0, 1)"),
    ("optimizer.betas=0.9", "optimizer.betas=0.9 is not a list. Write it as optimizer.betas=[a,b]."),
    ("training.max_epochs=null", "training.max_updates, max_epochs and max_minutes are all null"),
    ("training.checkpoint_minutes=0", "training.checkpoint_minutes=0.0 is out of range"),
    ("training=3", "training=3 is not a group of settings."),
    ("model.bidirectional=1", "model.bidirectional=1 is not true or false."),
])
def test_what_does_not_fit_is_refused_with_key_value_and_cure(override, line):
    mapping = composed(*([] if override == "training=3" else override.split()))
    if override == "training=3":
        mapping["training"] = 3
    with pytest.raises(SettingError) as caught:
        read_settings(TrainSettings, mapping)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_line_break_in_a_choice_makes_no_second_line():
    with pytest.raises(SettingError) as caught:
        read_settings(TrainSettings, {"shape": "n_to_m\n"})
    assert str(caught.value) == (r"shape='n_to_m\n' is not one of: n_to_m, n_to_n, n_to_1, one_to_n. "
                                 "Did you mean n_to_m?")


def test_scheduled_sampling_is_refused_where_it_cannot_be():
    for override, words in (("feed.output=false", "needs feed.output=true"),
                            ("attention.feed=input", "cannot go with attention.feed=input")):
        with pytest.raises(SettingError, match=words):
            read_settings(TrainSettings, composed("training.scheduled_sampling=0.1", override))


def test_every_combination_is_taken_or_refused_with_a_cure():
    taken = 0
    for cell, context, feed, output, attention in itertools.product(
            CellKind, ContextKind, FeedContext, (True, False), AttentionFeed):
        if context is ContextKind.NONE:
            continue  # of shape=n_to_n
        mapping = {"cell": {"kind": cell.value}, "context": {"kind": context.value},
                   "feed": {"context": feed.value, "output": output}, "attention": {"feed": attention.value},
                   "model": {"decoder_layers": 2}}
        try:
            read_settings(NetworkSettings, mapping)
            taken += 1
        except SettingError as error:
            assert context is ContextKind.ATTENTION and feed is FeedContext.INITIAL_STATE
            assert "Choose" in str(error)
    assert taken == 3 * 2 * 3 * (3 * 2 + 1)


numbers = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
                    st.lists(st.integers(), max_size=2))
KEYS = flat(write_settings(TrainSettings()))


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(st.dictionaries(st.sampled_from(KEYS), numbers, max_size=3))
def test_any_values_are_read_or_refused_in_one_line_and_survive_yaml(values):
    mapping = write_settings(TrainSettings())
    for key, value in values.items():
        *groups, last = key.split(".")
        place = mapping
        for group in groups:
            place = place[group]
        place[last] = value
    try:
        settings = read_settings(TrainSettings, mapping)
    except SettingError as error:
        assert "\n" not in str(error)
        return
    written = yaml.safe_dump(write_settings(settings), sort_keys=False)
    assert read_settings(TrainSettings, yaml.safe_load(written)) == settings


def test_differences_name_the_dotted_key():
    old, new = write_settings(TrainSettings()), write_settings(TrainSettings(seed=2))
    new["optimizer"]["schedule"] = Schedule.COSINE.value
    assert differences(old, new) == [("seed", 1, 2), ("optimizer.schedule", "inverse_sqrt", "cosine")]


def whole_numbers(kind, where=""):
    """(dotted key) of every setting of a dataclass that takes a whole number."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        kinds = [hints[field.name], *typing.get_args(hints[field.name])]
        if int in kinds:
            yield f"{where}{field.name}"
        for one in kinds:
            if dataclasses.is_dataclass(one):
                yield from whole_numbers(one, f"{where}{field.name}.")


@pytest.mark.parametrize("number", [1 << 31, 1 << 61, 10**19, 10**30, -(1 << 63)])
@pytest.mark.parametrize("kind", [TrainSettings, EvaluateSettings, TranslateSettings, PrepareSettings, DoctorSettings])
def test_every_whole_number_has_an_upper_bound(kind, number):
    """Nothing that a bundle or a person claims reaches an arithmetic that it overflows."""
    keys = list(whole_numbers(kind))
    assert keys
    for key in keys:
        *groups, name = key.split(".")
        mapping = {name: number}
        for group in reversed(groups):
            mapping = {group: mapping}
        with pytest.raises(SettingError, match=re.escape(key)) as caught:
            read_settings(kind, mapping)
        assert "out of range" in str(caught.value)


@pytest.mark.parametrize(("command", "word", "line"), [
    ("train", "training.precision=int8", "training.precision=int8 is not for training. Choose precision=auto or "),
    ("translate", "precision=auto", "precision=auto is not for search. Choose precision=fp32 or "),
    ("evaluate", "precision=auto", "precision=auto is not for search."),
])
def test_a_precision_that_is_for_something_else_is_refused(command, word, line):
    with pytest.raises(SettingError) as caught:
        read_settings(COMMANDS[command].kind, composed(*(["run=x"] * (command != "train")), word, command=command))
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(("words", "lines"), [
    (["context=last", "attention.score=dot"], ["attention.score=dot has no effect without context=attention"]),
    (["attention.score=dot"], []), (["recipe=none", "training.ema_decay=0.9"],
                                    ["training.ema_decay=0.9 has no effect without training.averaging=ema"]),
    (["training.ema_decay=0.9"], []), (["optimizer.plateau_factor=0.3", "+training.risk_draws=4", "seed=2"], [
        "optimizer.plateau_factor=0.3 has no effect without optimizer.schedule=plateau",
        "+training.risk_draws=4 has no effect without training.risk=0.5"]),
])
def test_what_counts_only_beside_another_is_said(words, lines):
    settings = read_settings(TrainSettings, composed(*(word.lstrip("+") for word in words)))
    assert list(without_effect(settings, words)) == lines
