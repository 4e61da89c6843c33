"""English morphology: plurals, the articles a and an, and verb forms.

A verb is rendered as an `English` record, so that adverbs, negation and questions find their
places: "The man" + pre + [often] + post, "The man" + aux + [not] + rest, aux + "the man" + rest.
All parts open with a space or are empty; do-support makes aux and pre differ (sees; does not see).
"""
from dataclasses import dataclass
from typing import NamedTuple

VOWELS = "aeiou"
THIRD = 2                # row of the third person singular among the five persons
BE = (" am", " are", " is", " are", " are")
WAS = (" was", " were", " was", " were", " were")
HAVE = (" have", " have", " has", " have", " have")
DO = (" do", " do", " does", " do", " do")


def plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")) or word in ("potato", "tomato"):
        return word + "es"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def article(phrase: str) -> str:
    """a or an, by sound: a university, a useful thing. The lexicon has no silent h."""
    vowel = phrase[0] in VOWELS and not phrase.startswith(("uni", "use"))
    return f"an {phrase}" if vowel else f"a {phrase}"


def third_person(base: str) -> str:
    """The first word of a phrasal verb inflects: gets up."""
    head, _, particle = base.partition(" ")
    if head.endswith("y") and head[-2] not in VOWELS:
        head = head[:-1] + "ies"
    else:
        head += "es" if head.endswith(("s", "x", "ch", "sh", "o")) else "s"
    return f"{head} {particle}" if particle else head


def regular_past(base: str) -> str:
    head, _, particle = base.partition(" ")
    if head.endswith("e"):
        head += "d"
    elif head.endswith("y") and head[-2] not in VOWELS:
        head = head[:-1] + "ied"
    else:
        head += "ed"
    return f"{head} {particle}" if particle else head


class English(NamedTuple):
    """The parts of one finite rendering; see above."""

    pre: str
    post: str
    aux: str
    rest: str


@dataclass(frozen=True)
class Verb:
    base: str
    past: str
    participle: str

    def present_forms(self) -> tuple[English, ...]:
        if self.base == "be":
            return tuple(English(be, "", be, "") for be in BE)
        third = third_person(self.base)
        return tuple(English("", f" {third if row == THIRD else self.base}", DO[row], f" {self.base}")
                     for row in range(5))

    def past_forms(self) -> tuple[English, ...]:
        if self.base == "be":
            return tuple(English(was, "", was, "") for was in WAS)
        return (English("", f" {self.past}", " did", f" {self.base}"),) * 5

    def with_auxiliary(self, auxiliaries: tuple[str, ...], closing: str) -> tuple[English, ...]:
        return tuple(English(aux, f" {closing}", aux, f" {closing}") for aux in auxiliaries)

    def governed(self, third: str, base: str, past: str | None = None) -> tuple[English, ...]:
        """wants to see, has to see: the governing verb takes do-support."""
        if past:
            return (English("", f" {past} {self.base}", " did", f" {base} {self.base}"),) * 5
        return tuple(English("", f" {third if row == THIRD else base} {self.base}", DO[row], f" {base} {self.base}")
                     for row in range(5))


def verb(parts: str) -> Verb:
    """From the English column of verbs.py."""
    words = [word.replace("_", " ") for word in parts.split()]
    if len(words) == 1:
        past = regular_past(words[0])
        words += [past, past]
    return Verb(*words)
