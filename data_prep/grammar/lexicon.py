"""The lexicon in memory: nouns with the groups that verbs select from, adjectives, compounds.

`Entry` joins an English noun with its German forms. Groups are the "kinds" that verbs.py names as
arguments; a group is a list of entries, the frequent ones first.
"""
from dataclasses import dataclass

from data_prep.grammar import english, german, nouns, words

# Kinds whose adjectives are those of "thing" or "place".
ADJECTIVE_KIND = {"machine": "thing", "furniture": "thing", "openable": "thing",
                  "inside": "place", "goal": "place"}

# Groups narrower than a kind, by their English members.
SUBGROUPS = {
    "story": "story question idea plan answer song film dream mistake decision secret thought accident law "
             "success danger",
    "problem": "problem question task mistake danger accident",
    "song": "song",
    "event": "party game exhibition trip",
    "contract": "contract letter",
    "pastry": "bread cake",
    "dish": "soup meat potato egg rice sausage",
    "room": "kitchen room house hall cellar",
    "seat": "chair bed sofa bench table",
    "building": "house castle hotel restaurant library barn station school church hospital museum theater tower",
}


@dataclass(frozen=True, eq=False)
class Entry:
    """A noun in both languages."""

    singular: str
    plural: str
    german: german.Noun
    kind: str

    @property
    def countable(self) -> bool:
        return self.german.plural is not None

    @property
    def adjective_kind(self) -> str:
        return ADJECTIVE_KIND.get(self.kind, self.kind)


@dataclass(frozen=True)
class Adjective:
    """`predicate` stands alone (teuer); endings join `stem` (teur-)."""

    english: str
    comparative: str | None      # older
    predicate: str
    stem: str
    german_comparative: str | None
    kinds: tuple[str, ...]


def table(text: str) -> list[list[str]]:
    """The lines of a table as words; "_" is a space."""
    return [[word.replace("_", " ") for word in line.split()] for line in text.strip().splitlines()]


def read_nouns(kind: str, text: str) -> list[Entry]:
    entries = []
    for name, gender, word, genitive, plural in table(text):
        singular, _, many = name.partition("/")
        entries.append(Entry(singular, many or english.plural(singular),
                             german.noun(gender, word, genitive, plural), kind))
    return entries


def join_compound(modifier: str, joining: str, head: Entry) -> Entry:
    """kitchen + table, Küchen + Tisch: Küchentisch, which inflects as its head does."""
    noun = head.german

    def joined(forms: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
        first, second, third, fourth = (joining + form[0].lower() + form[1:] for form in forms)
        return first, second, third, fourth

    compound = german.Noun(noun.gender, joined(noun.singular), noun.plural and joined(noun.plural))
    return Entry(f"{modifier} {head.singular}", f"{modifier} {head.plural}", compound, head.kind)


KINDS: dict[str, list[Entry]] = {
    kind: read_nouns(kind, getattr(nouns, kind.upper()))
    for kind in ("person", "animal", "text", "thing", "machine", "furniture", "openable", "clothing",
                 "food", "drink", "vehicle", "inside", "goal", "idea")
}
SIMPLE = {entry.singular: entry for entries in KINDS.values() for entry in entries}
COMPOUNDS: list[Entry] = [
    join_compound(modifier, joining, SIMPLE[head])
    for modifier, joining, *heads in table(nouns.COMPOUNDS) for head in heads
]
NAMES: list[tuple[str, str]] = [(name, gender) for name, gender in table(nouns.NAMES)]


def members(group: str) -> list[Entry]:
    """The nouns of a group, its compounds among them at the end: they are the rarer ones."""
    if group == "place":
        return members("inside") + members("goal")
    if group in SUBGROUPS:
        names = SUBGROUPS[group].split()
        return [SIMPLE[name] for name in names] + [
            entry for entry in COMPOUNDS if entry.singular.rpartition(" ")[2] in names]
    return KINDS[group] + [entry for entry in COMPOUNDS if entry.kind == group]


def read_adjectives() -> list[Adjective]:
    adjectives = []
    for name, comparative, word, german_comparative, *kinds in table(words.ADJECTIVES):
        predicate, _, stem = word.partition("/")
        more = f"more {name}" if comparative == "-" else comparative
        graded = german_comparative != "-"
        adjectives.append(Adjective(name, more if graded else None, predicate, stem or predicate,
                                    german_comparative if graded else None, tuple(kinds)))
    return adjectives


ADJECTIVES = read_adjectives()


def adjectives_for(kind: str) -> list[Adjective]:
    return [adjective for adjective in ADJECTIVES if kind in adjective.kinds]
