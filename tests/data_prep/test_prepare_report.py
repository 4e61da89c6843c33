"""What data_prep says of the text in addition to its tables, and the ratio that it judges pairs by."""

from __future__ import annotations

from data_prep.prepare import prepare, usual_ratio
from seq2seq.settings.prepare import PrepareSettings, RatioFilter
from seq2seq.settings.reading import read_settings


def test_what_takes_much_and_signs_of_damage_have_lines_of_their_own(tmp_path, capfd):
    """A filter that drops a tenth, and text that was converted wrongly, are not left to a cell of a table."""
    for name, count in (("tr", 100), ("va", 5), ("te", 5)):
        (tmp_path / f"{name}.en").write_text("".join(f"good {name} {i} &quot;\n" for i in range(count)), "utf-8")
        (tmp_path / f"{name}.de").write_text(
            "".join(f"gut {name} {i} \x92\n" if i % 4 else "\n" for i in range(count)), "utf-8")
    data = {"kind": "files", "source": "en", "target": "de", **{
        split: str(tmp_path / name) for split, name in (("train", "tr"), ("valid", "va"), ("test", "te"))}}
    prepare(read_settings(PrepareSettings, {
        "corpus": str(tmp_path / "c"), "data": data, "num_proc": 1, "shortlist": 0, "tokenizer": {"vocabulary": 60}}))
    said = " ".join(line for line in capfd.readouterr().err.splitlines() if "│" not in line)
    assert "cleaning.empty dropped 25 of 100 training pairs (25%), for example: good tr 0 &quot; |" in said
    assert "To keep such pairs: cleaning.empty.enabled=false" in said
    assert "100 of 100 pairs of train hold entities such as &quot; and &apos;" in said
    assert "75 of 100 pairs of train hold control characters (U+0080 to U+009F)" in said and "iconv -f CP1252" in said


def test_the_usual_ratio_is_that_of_the_corpus():
    def usual(source, target, **settings):
        class Pairs:
            def shards(self, split, count):
                assert split == "train"
                return [lambda: iter([(source, target)])] * count

        return usual_ratio(Pairs(), RatioFilter(**settings))

    assert usual(["a" * 50] * 9, ["b" * 40] * 9) == 1.0  # near 1: as for most pairs of languages
    assert usual(["a" * 285] * 9, ["b" * 45] * 9) == 5.0
    assert usual(["a" * 285] * 9, ["b" * 45] * 9, enabled=False) == 1.0
    assert usual(["中" * 50] * 9, ["b" * 150] * 9) == 1.0
