"""The constants of predict.py: value, where it comes from, what it is. SI units: seconds, bytes, operations."""

from __future__ import annotations

from typing import NamedTuple

MEASURED, PUBLISHED, ASSUMED, GIVEN = "measured", "published", "assumed", "given"


class Constant(NamedTuple):
    value: float
    origin: str
    meaning: str


CONSTANTS = {
    # The corpora.
    "wmt_pairs": Constant(4.5e6, PUBLISHED, "pairs of WMT14 English-German"),
    "large_pairs": Constant(3e8, ASSUMED, "pairs of the large corpus"),
    "pieces": Constant(28, ASSUMED, "pieces of a sentence on either side, EOS counted"),
    "text": Constant(300, ASSUMED, "bytes of the text of a pair"),
    "vocabulary": Constant(32_000, ASSUMED, "joint pieces, for both networks"),
    "wmt_epochs": Constant(6, PUBLISHED, "GNMT v2 on WMT16 English-German, BLEU 24.4 (NVIDIA)"),
    "large_epochs": Constant(1, ASSUMED, "of the large corpus"),
    # A GPU: H100 SXM; of an H200 memory=141e9 memory_rate=4.8e12.
    "peak": Constant(989e12, PUBLISHED, "operations/s of an H100 or H200 in bf16, dense"),
    "memory": Constant(80e9, PUBLISHED, "bytes of an H100"),
    "memory_rate": Constant(3.35e12, PUBLISHED, "bytes/s of its memory"),
    "usable": Constant(0.9, ASSUMED, "share of the memory that tensors can have"),
    "link": Constant(450e9, PUBLISHED, "bytes/s a GPU sends to others of its machine (NVLink, 900 GB/s both ways)"),
    "network": Constant(50e9, ASSUMED, "bytes/s between machines: one ring over one card of 400 Gbit/s"),
    # What recurrent networks make of it.
    "mark": Constant(140_900, PUBLISHED, "tokens/s of both sides: GNMT in mixed precision on one A100 (NVIDIA)"),
    "mark_peak": Constant(312e12, PUBLISHED, "operations/s of that A100"),
    "share_here": Constant(0.5, ASSUMED, "of the A100's share of its peak, on an H100: three times the peak, twice the "
                           "memory rate, no faster start of a kernel"),
    "step": Constant(10e-6, ASSUMED, "seconds of a step of a recurrence, one direction of one layer, however few rows"),
    "host_update": Constant(10e-3, ASSUMED, "seconds in which Python starts the kernels of an update, without graphs"),
    "pieces_of_gpu": Constant(16_000, ASSUMED, "target pieces of an update on one GPU"),
    "largest_batch": Constant(400_000, ASSUMED, "target pieces of all GPUs beyond which an update teaches no more "
                              "(Ott et al. 2018, for Transformers)"),
    # This program on one thread of an AMD EPYC: input_speed.py, prepare_speed.py, where_time_goes.py.
    "prepare": Constant(16_380, MEASURED, "pairs/s of data_prep on one core: half of 32,760 on two"),
    "prepare_pieces": Constant(17, MEASURED, "pieces of their sides"),
    "worker": Constant(0.3e9, MEASURED, "bytes of a process of data_prep: of 0.95 GiB of three"),
    "duplicates": Constant(4.7e-7, MEASURED, "seconds a pair to find duplicates, of 100 million"),
    "duplicates_memory": Constant(58, MEASURED, "bytes a pair for it, at the peak"),
    "reader": Constant(640_000, MEASURED, "target pieces/s into batches"),
    "reader_sampling": Constant(230_000, MEASURED,
                                "the same with BPE-dropout on both sides (unigram sampling: 560,000)"),
    "order": Constant(1.2e-7, MEASURED, "seconds a pair (of 100 million) to draw a corpus's order, once an epoch"),
    "into_pieces": Constant(75_000, MEASURED, "sentences/s into pieces"),
    "and_back": Constant(140_000, MEASURED, "sentences/s from pieces to text"),
    "host_step": Constant(3e-3, MEASURED, "seconds of a step of search at most: 42 ms for some 18 of one sentence"),
    "bleu": Constant(1.5, ASSUMED, "seconds of BLEU of a validation"),
    "disk": Constant(1e9, ASSUMED, "bytes/s that one process reads and sums"),
    # Two cores of the same, in fp32: benchmarks/README.md.
    "cpu_training": Constant(80e9, MEASURED, "operations/s reached: 2,792 pieces/s of 28.8 MFLOP"),
    "cpu_search": Constant(72e9, MEASURED, "operations/s reached by beam 5: 1,813 pieces/s of 39.7 MFLOP"),
    # Validation, translation, money.
    "valid_pairs": Constant(3_000, ASSUMED, "pairs of a validation"),
    "longest": Constant(1.5, ASSUMED, "steps of a batch in search for each piece of a mean sentence"),
    "search_sentences": Constant(2_000, ASSUMED, "sentences searched at once (search.batch_pieces=56000)"),
    "search_peak": Constant(67e12, PUBLISHED, "operations/s of an H100 in fp32, in which search runs"),
    "search_share": Constant(0.3, ASSUMED, "of it that search reaches"),
    "price": Constant(3, ASSUMED, "USD for an hour of a GPU"),
}
