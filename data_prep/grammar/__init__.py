"""A synchronous English-German grammar: seeded sentence pairs, as many as wanted.

    nouns, words, verbs   the lexicon, as tables
    german, english       morphology
    noun_phrases          phrases in both languages, in all cases
    predicates            verbs in all tenses, with pools for their arguments
    repertoire            what each kind of subject does, and how often
    clauses, sentences    word order, embedding, length

The German side is a function of the English side. `python -m data_prep.grammar` prints samples.
"""
