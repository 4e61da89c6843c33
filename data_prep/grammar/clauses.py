"""Clauses: a subject, a predicate and the order of words that each language gives them.

English keeps one order, subject - verb - objects - manner - place - time. German fills fields:

    main         first | FINITE | subject  pronouns  times  objects  nicht  manner  place | TAIL
    subordinate  dass  |        | subject  pronouns  times  objects  nicht  manner  place | TAIL FINITE

The tail holds what closes the clause (a separable prefix, a participle, infinitives). A relative
clause or an object clause follows the tail ("after"), unless it belongs to the subject.

So that one English sentence has one reading, nothing follows an embedded clause in the same
clause: what follows it always belongs to the innermost one.
"""
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from data_prep.grammar import german, pools
from data_prep.grammar import repertoire as r
from data_prep.grammar.arguments import Governed, Pair
from data_prep.grammar.noun_phrases import HIM, PLURAL, SINGULAR, Phrase
from data_prep.grammar.predicates import Predicate, Tense

BITS = pools.BITS
THIRD = (SINGULAR, PLURAL)
RELATIVE = {column: tuple(f", {form}" for form in forms) for column, forms in german.RELATIVE.items()}
NOTHING: Pair = ("", "")
PAST_MODALS = (Tense.COULD, Tense.HAD_TO, Tense.WANTED)
# The tense that a state stands in where an action would have a modal verb.
STATE_TENSE = [int(tense) if tense <= Tense.FUTURE else int(Tense.PAST if tense in PAST_MODALS else Tense.PRESENT)
               for tense in Tense]


# What a verb takes with it, all strings that open with a space or are empty:
#   English;
#   German pronouns, which stand before the times;
#   German objects, after the times;
#   German manner, place, prepositional objects, predicate adjectives;
#   a German embedded clause, after the tail.
# The German negation is in them.
Arguments = tuple[str, str, str, str, str]


class Clause(NamedTuple):
    """A predicate in both languages, without its subject."""

    statement: str     # English, after the subject
    aux: str           # questions: aux + subject + question
    question: str
    finite: str        # German: finite + [subject] + middle + tail + after
    middle: str
    tail: str
    final: str         # verb-final: middle + final + after
    after: str

    def straight(self, subject: str) -> str:
        """German, the subject first."""
        return f"{subject}{self.finite}{self.middle}{self.tail}{self.after}"

    def inverted(self, subject: str) -> str:
        """German, something else first: the subject follows the finite verb."""
        return f"{self.finite}{subject}{self.middle}{self.tail}{self.after}"

    def closing(self, subject: str) -> str:
        """German, verb-final."""
        return f"{subject}{self.middle}{self.final}{self.after}"


class Clauses:
    """Draws clauses. `budget` counts the clauses that may still be embedded in the sentence."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.bits: Callable[[int], int] = rng.getrandbits
        self.budget = 0
        self.past = False

    # Frames: how a verb's arguments stand. Each returns Arguments.

    def intransitive(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        en, de = (verb.adjuncts or r.FULL_ADJUNCTS)[self.bits(BITS)]
        return en, verb.reflexive[row], "", f" nicht{de}" if negative else de, ""

    def placed(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        """A place or a direction, which "nicht" precedes."""
        en, de = verb.second[self.bits(BITS)]
        return en, verb.reflexive[row], "", f" nicht{de}" if negative else de, ""

    def pick(self, verb: Predicate, row: int) -> Phrase:
        """An object; "I see you" and "I see me" are left to the third persons: he sees you."""
        phrase: Phrase = verb.objects[self.bits(BITS)]
        return HIM if phrase.near and row not in THIRD else phrase

    def transitive(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        phrase = self.pick(verb, row)
        return self.governing(verb, phrase, phrase.accusative, phrase.not_accusative, negative)

    def dative(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        phrase = self.pick(verb, row)
        return self.governing(verb, phrase, phrase.dative, phrase.not_dative, negative)

    def governing(self, verb: Predicate, phrase: Phrase, form: str, negated: str,
                  negative: bool) -> Arguments:
        """One object, in the case that `form` shows."""
        if self.budget and phrase.relative and not negative and self.bits(2):
            en, de = self.relative(phrase)
            return phrase.object + en, "", form, "", de
        en, de = (verb.adjuncts or r.LIGHT_ADJUNCTS)[self.bits(BITS)]
        if phrase.pronoun:
            return phrase.object + en, form, "", f" nicht{de}" if negative else de, ""
        return phrase.object + en, "", negated if negative else form, de, ""

    def ditransitive(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        """The dative stands before the accusative: gibt der Frau das Buch."""
        person = self.pick(verb, row)
        thing: Phrase = verb.second[self.bits(BITS)]
        pronouns, first = (person.dative, "") if person.pronoun else ("", person.dative)
        if self.budget and thing.relative and not negative and self.bits(2):
            en, de = self.relative(thing)
            return person.object + thing.object + en, pronouns, first + thing.accusative, "", de
        second = thing.not_accusative if negative else thing.accusative
        return person.object + thing.object, pronouns, first + second, "", ""

    def ditransitive_to(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        """English names the person last, German first: explains the plan to the boss."""
        person = self.pick(verb, row)
        thing: Phrase = verb.second[self.bits(BITS)]
        if thing.pronoun:
            thing = r.SOMEONE      # two pronouns would stand the other way round
        en = f"{thing.object} to{person.object}"
        second = thing.not_accusative if negative else thing.accusative
        if person.pronoun:
            return en, person.dative, second, "", ""
        return en, "", person.dative + second, "", ""

    def prepositional(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        item: Governed = verb.objects[self.bits(BITS)]
        rest = f" nicht{item.german}" if negative else item.german
        if self.budget and item.phrase.relative and self.bits(2):
            en, de = self.relative(item.phrase)
            return item.english + en, verb.reflexive[row], "", rest, de
        return item.english, verb.reflexive[row], "", rest, ""

    def moving(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        phrase = self.pick(verb, row)
        en, de = verb.second[self.bits(BITS)]
        if phrase.pronoun:
            return phrase.object + en, phrase.accusative, "", f" nicht{de}" if negative else de, ""
        # A direction takes the "nicht" to itself, but "kein" stays with its noun.
        if negative and phrase.not_accusative.endswith(" nicht"):
            return phrase.object + en, "", phrase.accusative, f" nicht{de}", ""
        return phrase.object + en, "", phrase.not_accusative if negative else phrase.accusative, de, ""

    def linking(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        en, de = verb.objects[self.bits(BITS)]
        return en, "", "", f" nicht{de}" if negative else de, ""

    # Embedding frames: the clause inside spends one of the budget.

    def saying(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        en, de = self.subordinate(" that", ", dass")
        return en, verb.reflexive[row], "", " nicht" if negative else "", de

    def telling(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        person = self.pick(verb, row)
        en, de = self.subordinate(" that", ", dass")
        if person.pronoun:
            return person.object + en, person.dative, "", " nicht" if negative else "", de
        return person.object + en, "", person.not_dative if negative else person.dative, "", de

    def asking(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        en, de = self.subordinate(*r.INDIRECT[self.bits(BITS)])
        return en, verb.reflexive[row], "", " nicht" if negative else "", de

    def trying(self, verb: Predicate, row: int, negative: bool) -> Arguments:
        self.budget -= self.budget > 0
        en, de = self.infinitive(row)
        return f" to{en}", verb.reflexive[row], "", " nicht" if negative else "", f",{de}"

    # Predicates and clauses.

    def infinitive(self, row: int) -> Pair:
        """open the door / die Tür zu öffnen: the infinitive with zu closes it."""
        verb = r.INFINITIVES[self.bits(BITS)]
        en, pronouns, body, rest, after = FRAMES[verb.frame](self, verb, row, False)
        return verb.base + en, f"{pronouns}{body}{rest}{verb.zu}{after}"

    def tense(self, animate: bool, negative: bool) -> int:
        pool = (r.ANIMATE_TENSES if animate else r.INANIMATE_TENSES)[self.past][negative]
        return pool[self.bits(BITS)]

    def predicate(self, subject: Phrase, timed: bool = True, tense: int = -1, embed: bool = True) -> Clause:
        """What the subject does. `timed`: it may have a time; `embed`: its verb may open a clause."""
        bits = self.bits
        chance = bits(10)
        negative = chance & 7 == 0
        animate = subject.kind in r.ANIMATE
        if tense < 0:
            tense = self.tense(animate, negative)
        else:
            negative = False
        if embed and self.budget and subject.kind == "person" and chance & 48 == 0:
            verb = r.EMBEDDING[bits(BITS)]
        else:
            verb = r.deeds(subject.head, subject.kind)[bits(BITS)]
        return self.conjugated(verb, subject.row, tense, negative, timed and chance < 400)

    def conjugated(self, verb: Predicate, row: int, tense: int, negative: bool, timed: bool) -> Clause:
        if verb.state:
            timed, tense = False, STATE_TENSE[tense]
        pre, post, denial, aux, rest, finite, tail, final = verb.forms[tense][row]
        en, pronouns, body, german_rest, after = FRAMES[verb.frame](self, verb, row, negative)
        adverb = when = german_when = ""
        if timed and not after:
            if not negative and tense in HABITUAL and not self.bits(2):
                adverb, german_when = r.FREQUENCY[self.bits(BITS)]
            else:
                when, german_when = r.TIMES_OF[tense][self.bits(BITS)]
        middle = f"{pronouns}{german_when}{body}{german_rest}"
        if negative:
            return Clause(f"{denial}{rest}{en}{when}", aux, f" not{rest}{en}{when}",
                          finite, middle, tail, final, after)
        return Clause(f"{pre}{adverb}{post}{en}{when}", aux, f"{adverb}{rest}{en}{when}",
                      finite, middle, tail, final, after)

    def both(self, first: Clause, second: Clause) -> Clause:
        """Two predicates of one subject. The first must not end in an embedded clause."""
        return Clause(
            f"{first.statement} and{second.statement}", "", "", first.finite, first.middle,
            f"{first.tail} und{second.finite}{second.middle}{second.tail}",
            f"{first.final} und{second.middle}{second.final}", second.after)

    def acting(self, subject: Phrase, timed: bool = True, tense: int = -1) -> Clause:
        """One predicate or, while the budget allows, two.

        Two share a simple tense, without negation: in "they can wash and know", "they do not wash
        and know" the second verb could belong to the auxiliary or not.
        """
        if not self.budget or self.bits(2):
            return self.predicate(subject, timed, tense)
        shared = tense if tense >= 0 else int(Tense.PAST if self.past else Tense.PRESENT)
        first = self.predicate(subject, timed, shared, embed=False)
        if first.after or not self.budget:
            return first
        self.budget -= 1
        return self.both(first, self.predicate(subject, timed, shared))

    def subject(self, pool: list[Phrase]) -> tuple[Phrase, str, str]:
        """A subject with its English and German text, perhaps with a relative clause, which a comma closes."""
        phrase = pool[self.bits(BITS)]
        if self.budget and phrase.relative and not self.bits(2):
            en, de = self.relative(phrase)
            return phrase, phrase.subject + en, f"{phrase.nominative}{de},"
        return phrase, phrase.subject, phrase.nominative

    def subordinate(self, opener: str, german_opener: str, tense: int = -1) -> Pair:
        """Verb-final: the finite verb closes the clause, only embedded clauses follow."""
        self.budget -= self.budget > 0
        phrase, en, de = self.subject(r.INNER_SUBJECTS)
        clause = self.acting(phrase, tense=tense)
        return f"{opener}{en}{clause.statement}", german_opener + clause.closing(de)

    def relative(self, head: Phrase) -> Pair:
        """A relative clause: gender and number from its head, case from its own verb."""
        self.budget -= self.budget > 0
        pronouns = RELATIVE[head.relative]
        person = head.kind == "person"
        kind = self.bits(4)
        if kind < (8 if head.kind != "animal" else 10):
            clause = self.predicate(head._replace(row=PLURAL if head.relative == "p" else SINGULAR))
            return f"{' who' if person else ' that'}{clause.statement}", clause.closing(pronouns[0])
        actor = r.ACTORS[self.bits(BITS)]
        if kind < 13 or not (person or head.kind in r.PLACE_KINDS):
            return self.gap(head, actor, " whom" if person else " that", pronouns[1], r.takers(head.head))
        if head.kind in r.PLACE_KINDS:
            en, de = r.RELATIVE_PLACE[head.kind]
            return self.gap(head, actor, f" {en} which", f", {de}{pronouns[2][1:]}", r.STATIONARY)
        if kind == 13:
            return self.gap(head, actor, " whom", pronouns[2], r.HELPING)
        if kind == 14:
            return self.gap(head, actor, " with whom", f", mit{pronouns[2][1:]}", r.STATIONARY)
        owned = r.BELONGINGS[self.bits(BITS)]
        clause = self.predicate(owned, embed=False)
        return f" whose{owned.subject}{clause.statement}", pronouns[3] + clause.closing(owned.nominative)

    def gap(self, head: Phrase, actor: Phrase, opener: str, german_opener: str, verbs: list[Predicate]) -> Pair:
        """The head is the object of a verb in the clause: that the woman bought."""
        bits = self.bits
        negative = not bits(3)
        tense = self.tense(True, negative)
        verb = verbs[bits(BITS)]
        pre, post, denial, _, rest, _, _, final = verb.forms[STATE_TENSE[tense] if verb.state else tense][actor.row]
        when, german_when = r.TIMES_OF[tense][bits(BITS)] if not verb.state and not bits(2) else NOTHING
        verbal = denial + rest if negative else pre + post
        return (f"{opener}{actor.subject}{verbal}{when}",
                f"{german_opener}{actor.nominative}{german_when}{' nicht' if negative else ''}{final}")


HABITUAL = frozenset((Tense.PRESENT, Tense.PAST))
FRAMES = {
    "intransitive": Clauses.intransitive, "placed": Clauses.placed, "motion": Clauses.placed,
    "transitive": Clauses.transitive, "dative": Clauses.dative, "ditransitive": Clauses.ditransitive,
    "ditransitive_to": Clauses.ditransitive_to, "prepositional": Clauses.prepositional,
    "moving": Clauses.moving, "linking": Clauses.linking, "passive": Clauses.linking, "saying": Clauses.saying,
    "telling": Clauses.telling, "asking": Clauses.asking, "trying": Clauses.trying,
}
