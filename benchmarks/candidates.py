"""What a beam holds: BLEU of what each weight of rerank.backward= and rerank.forward= chooses of its candidates, and of
what the reference would.

    python translate.py run=A rerank.backward=B rerank.backward_weight=0 rerank.forward=C rerank.forward_weight=0 \\
        search.beam_size=10 search.n_best=10 format=jsonl < val.de > candidates.jsonl
    python benchmarks/candidates.py candidates.jsonl val.en --backward 0 0.3 0.5 --forward 0 0.3 0.5 > table.md

One beam serves for all weights: with weights of 0 the score of a candidate is that of search, to which lambda times
its log P(X|Y) / |X| and mu times its log P(Y|X) / |Y| are added here (seq2seq/reranking.py). Choose on validation. The
table is Markdown, on standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq2seq.errors import UserError
from seq2seq.scoring import bleu, length_ratio, sentence_bleu
from seq2seq.scoring_units import tokenizer_for
from seq2seq.text import read_lines

SCORES = {"backward": "backward_score", "forward": "forward_score"}  # the field that each setting adds to a candidate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", type=Path, help="of translate.py format=jsonl search.n_best=N, weights of 0")
    parser.add_argument("reference", type=Path)
    for setting, default in (("backward", [0, 0.1, 0.2, 0.3, 0.5, 1]), ("forward", [0])):
        parser.add_argument(f"--{setting}", type=float, nargs="+", default=default, metavar="WEIGHT")
    arguments = parser.parse_args()
    try:
        lines = [json.loads(line) for line in read_lines(arguments.candidates)]
        references = list(read_lines(arguments.reference))
    except (UserError, json.JSONDecodeError) as error:
        parser.error(str(error))
    if len(lines) != len(references):
        parser.error(f"{arguments.candidates} has {len(lines)} lines and {arguments.reference} {len(references)}")
    found = [line.get("n_best", []) for line in lines]
    for setting, score in SCORES.items():
        ranked = any(found) and all(score in one for some in found for one in some)
        if not ranked and (any(getattr(arguments, setting)) or not any(found)):
            parser.error(f"{arguments.candidates} is not of translate.py format=jsonl search.n_best=N "
                         f"rerank.{setting}=RUN")
    rows = {f"{backward:g} | {forward:g}": [chosen(some, backward, forward) for some in found]
            for backward in arguments.backward for forward in arguments.forward}
    tokenize = tokenizer_for("", references)
    rows["chosen by the | reference"] = by_reference(found, references, tokenize)
    print("| backward_weight | forward_weight | BLEU | length |\n|---|---|---|---|")
    for name, translations in rows.items():
        score = bleu(translations, references, 0, tokenize)
        print(f"| {name} | {score.value:.2f} | {length_ratio(translations, references, tokenize):.3f} |")
    print(f"\nBLEU: {score.signature}; {sum(map(len, found)) / len(found):.1f} candidates a sentence")


def chosen(candidates: list[dict[str, Any]], backward: float, forward: float) -> str:
    """The translation of the best score; search's own choice first among equals, and none of an empty line."""
    def total(one: dict[str, Any]) -> float:
        return (one["score"] + backward * one.get(SCORES["backward"], 0)
                + forward * one.get(SCORES["forward"], 0))

    best = max(candidates, key=total, default=None)
    return best["translation"] if best else ""


def by_reference(found: list[list[dict[str, Any]]], references: list[str], tokenize: str) -> list[str]:
    """Of each sentence the candidate of the best BLEU (smoothed): about what the best ranking could reach."""
    texts = [one["translation"] for some in found for one in some]
    wanted = [to for some, to in zip(found, references, strict=True) for _ in some]
    values = iter(sentence_bleu(texts, wanted, tokenize))
    best = []
    for some in found:
        scores = [next(values) for _ in some]
        best.append(some[scores.index(max(scores))]["translation"] if some else "")
    return best


if __name__ == "__main__":
    main()
