"""Pools of arguments: objects, phrases under prepositions, places and directions, agents of passives."""
from functools import cache
from random import Random
from typing import NamedTuple

from data_prep.grammar import german, pools
from data_prep.grammar.noun_phrases import HIM, PLAIN, Chooser, Phrase

Pair = tuple[str, str]      # English and German, each opening with a space


class Governed(NamedTuple):
    """A phrase under a preposition."""

    english: str
    german: str
    phrase: Phrase


@cache
def group_phrases(group: str, pronouns: float) -> list[Phrase]:
    """Phrases of one group; persons may be pronouns or names."""
    chooser = Chooser(f"phrases {group} {pronouns}")
    if group == "person":
        return pools.drawn(chooser.rng, lambda rng: chooser.person(pronouns))
    return pools.drawn(chooser.rng, lambda rng: chooser.thing(group))


@cache
def phrases(groups: tuple[str, ...], pronouns: float = 0.25) -> list[Phrase]:
    """Objects from these groups, each with the same share."""
    shares = [group_phrases(group, pronouns) for group in groups]
    return [shares[slot % len(shares)][slot] for slot in range(pools.SIZE)]


@cache
def governed(en: str, de: str, case: str, groups: tuple[str, ...]) -> list[Governed]:
    """Under a preposition; "-" is an English verb that takes its object without one."""
    lead = "" if en == "-" else f" {en}"
    made = []
    for drawn in phrases(groups):
        phrase = HIM if drawn.near else drawn
        form = phrase.accusative if case == "acc" else phrase.dative
        made.append(Governed(lead + phrase.object, f" {german.prepositional(de, form[1:])}", phrase))
    return made


# English and German prepositions: where, and where to. German tells them apart by case where both
# are one preposition: im Garten, in den Garten.
WHERE = {"inside": [("in", "in", 8)], "goal": [("at", "an", 5), ("in front of", "vor", 1)],
         "seat": [("on", "auf", 1)],
         "furniture": [("on", "auf", 3), ("under", "unter", 1), ("next to", "neben", 1), ("behind", "hinter", 1)]}
BUILDINGS = [("behind", "hinter", 1), ("in front of", "vor", 1), ("next to", "neben", 1)]
WHITHER = {"inside": [("into", "in", 8)], "goal": [("to", "zu", 5)],
           "furniture": [("onto", "auf", 3), ("under", "unter", 1), ("next to", "neben", 1), ("behind", "hinter", 1)]}


@cache
def places(kinds: tuple[str, ...], whither: bool) -> list[Pair]:
    """Places as (English, German) adverbials: one is in them, or with `whither` goes to them."""
    chooser = Chooser(f"places {' '.join(kinds)} {whither}")

    def draw(rng: Random) -> Pair:
        kind = rng.choice(kinds)
        table = (WHITHER if whither else WHERE)[kind]
        if kind == "inside" and rng.random() < 0.12:
            kind, table = "building", BUILDINGS
        en, de, _ = rng.choices(table, [weight for *_, weight in table])[0]
        phrase = chooser.noun(kind, PLAIN)
        form = phrase.accusative if whither and de != "zu" else phrase.dative
        return f" {en}{phrase.object}", f" {german.prepositional(de, form[1:])}"
    return pools.drawn(chooser.rng, draw)


def agents() -> list[Pair]:
    """by the man, vom Mann; mostly left out."""
    chooser = Chooser("agents")

    def draw(rng: Random) -> Pair:
        if rng.random() < 0.45:
            return "", ""
        phrase = chooser.person(0.1)
        return f" by{phrase.object}", f" {german.prepositional('von', phrase.dative[1:])}"
    return pools.drawn(chooser.rng, draw)
