"""The target pieces that a sentence's translation is looked for among (Jean et al. 2015; L'Hostis et al. 2016).

    candidates(x_1..x_N) = the special pieces, the most frequent target pieces, the k likeliest translations of each x_j

`data_prep` learns the table (data_prep/ibm_model1.py), a packed corpus and a model bundle hold it, search.shortlist=k
uses it (models/fast/search_model.py). Logits are then a few hundred for a step, not V, and p is over these; each
sentence has candidates of its own, so that what stands beside it changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SHORTLIST = "shortlist.safetensors"
NONE = -1                  # stands behind the last translation of a piece
SHORTLIST_LIMIT = 1 << 28  # bytes; one of 32,000 pieces with 64 translations each has eight million


class Shortlist(NamedTuple):
    """int32 arrays."""

    frequent: np.ndarray      # (F,)    target pieces
    translations: np.ndarray  # (V, k)  of every source piece the likeliest target pieces, those first

    def written(self) -> bytes:
        """As `read` takes it."""
        from safetensors.numpy import save

        return save({name: np.ascontiguousarray(part, dtype=np.int32) for name, part in self._asdict().items()})

    @classmethod
    def read(cls, content: bytes, source_vocabulary: int, target_vocabulary: int) -> Shortlist:
        """Raises ValueError for what is none of these vocabularies."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            found = load(content)
        except (SafetensorError, KeyError, TypeError, ValueError):
            raise ValueError("not a safetensors file") from None
        if found.keys() != set(cls._fields) or any(part.dtype != np.int32 for part in found.values()):
            raise ValueError("other tensors than those of a shortlist")
        short = cls(**found)
        if short.frequent.ndim != 1 or short.translations.ndim != 2 or len(short.translations) != source_vocabulary:
            raise ValueError("tensors of other shapes")
        for part, least in ((short.frequent, 0), (short.translations, NONE)):
            if part.size and not (least <= part.min() and part.max() < target_vocabulary):
                raise ValueError("pieces that do not exist")
        return short
