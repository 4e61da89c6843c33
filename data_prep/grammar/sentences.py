"""Whole sentences: which clauses they join, and how long they become."""
from data_prep.grammar import pools
from data_prep.grammar import repertoire as r
from data_prep.grammar.arguments import Pair
from data_prep.grammar.clauses import BITS, Clauses
from data_prep.grammar.noun_phrases import WHO

# How many clauses a sentence has beyond its first: a long tail, 60 words away.
BUDGETS = pools.pool(range(13), [62, 27, 7.8, 1.6, 0.65, 0.45, 0.3, 0.2, 0.1, 0.08, 0.05, 0.04, 0.03])


def finish(english: str, german: str, mark: str = ".") -> Pair:
    """Capital, mark, and one comma where a closing comma meets another or the mark."""
    german = german.replace(",,", ",") + mark
    return (english[1].upper() + english[2:] + mark,
            german[1].upper() + german[2:].replace("," + mark, mark))


class Sentences(Clauses):
    """Draws sentences. `draw` gives one pair; it may be longer than a corpus wants."""

    def draw(self) -> Pair:
        bits = self.bits
        self.budget = BUDGETS[bits(BITS)]
        chance = bits(8)
        self.past = chance & 1 == 1
        if chance < 28:
            return self.question(chance)
        if chance < 36:
            en, de = self.existence()
        else:
            en, de = self.main()
        while self.budget > 0:
            self.budget -= 1
            more_en, more_de = self.joined()
            en, de = en + more_en, de + more_de
        return finish(en, de)

    def main(self) -> Pair:
        """A main clause, perhaps with an adverbial clause before or after it."""
        if self.budget and not self.bits(1):
            opener, german_opener, inner, outer = r.ADVERBIAL[self.past][self.bits(BITS)]
            if not self.bits(1):
                # The clause takes the first place, so that the finite verb comes second.
                held, self.budget = self.budget, self.budget // 2
                en, de = self.subordinate(opener, german_opener, tense=inner)
                self.budget += held - held // 2
                main_en, main_de = self.inverted(tense=outer, timed=False)
                return f"{en},{main_en}", f"{de},{main_de}"
            en, de = self.straight(tense=outer)
            more_en, more_de = self.subordinate(opener, f",{german_opener}", tense=inner)
            return en + more_en, de + more_de
        if not self.bits(2):
            return self.fronted()
        if self.budget and not self.bits(3):
            return self.purpose()
        return self.straight()

    def straight(self, tense: int = -1) -> Pair:
        """Subject first in both languages."""
        phrase, en, de = self.subject(r.SUBJECTS)
        clause = self.acting(phrase, tense=tense)
        return en + clause.statement, clause.straight(de)

    def inverted(self, tense: int = -1, timed: bool = True) -> Pair:
        """Something else stands first: the German subject follows the finite verb."""
        phrase, en, de = self.subject(r.SUBJECTS)
        clause = self.acting(phrase, timed, tense)
        return en + clause.statement, clause.inverted(de)

    def fronted(self) -> Pair:
        """A time in front: Yesterday the man slept; Gestern schlief der Mann."""
        phrase, en, de = self.subject(r.SUBJECTS)
        tense = self.tense(phrase.kind in r.ANIMATE, False)
        when, german_when = r.TIMES_OF[tense][self.bits(BITS)]
        clause = self.acting(phrase, False, tense)
        return f"{when}{en}{clause.statement}", german_when + clause.inverted(de)

    def purpose(self) -> Pair:
        """in order to open the door, um die Tür zu öffnen."""
        self.budget -= 1
        subject = r.ACTORS[self.bits(BITS)]
        clause = self.predicate(subject, embed=False)
        en, de = self.infinitive(subject.row)
        return (f"{subject.subject}{clause.statement} in order to{en}",
                f"{clause.straight(subject.nominative)}, um{de}")

    def existence(self) -> Pair:
        """There is a dog in the garden: Im Garten gibt es einen Hund."""
        phrase = r.EXISTING[self.bits(BITS)]
        where, german_where = r.PLACES[self.bits(BITS)]
        plural = phrase.row == 4
        be, give = ((" were" if plural else " was"), " gab") if self.past else (
            (" are" if plural else " is"), " gibt")
        return (f" there{be}{phrase.object}{where}", f"{german_where}{give} es{phrase.accusative}")

    def question(self, chance: int) -> Pair:
        """The finite verb first, or second after a question word."""
        if chance < 6:
            clause = self.acting(WHO)
            return finish(f" who{clause.statement}", clause.straight(" wer"), "?")
        phrase, en, de = self.subject(r.SUBJECTS)
        clause = self.predicate(phrase, timed=chance > 13)
        opener, german_opener = r.QUESTION_WORDS[self.bits(BITS)] if chance < 14 else ("", "")
        return finish(f"{opener}{clause.aux}{en}{clause.question}", german_opener + clause.inverted(de), "?")

    def joined(self) -> Pair:
        """Another main clause: ", and" keeps the order, ", so" and ", and then" turn it round."""
        opener, german_opener, inverted = r.JOINERS[self.bits(BITS)]
        en, de = self.inverted(timed=False) if inverted else self.main()
        return opener + en, german_opener + de

