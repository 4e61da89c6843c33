"""The target pieces that a sentence's translation is looked for among (Jean et al. 2015; L'Hostis et al. 2016).

    candidates(x_1..x_N) = the special pieces, the most frequent target pieces, the k likeliest translations of each x_j

`data_prep` learns the table (data_prep/lexicon.py), a packed corpus and a model bundle hold it, search.shortlist=k
uses it. Logits are then a few hundred for a step, not V, and p is over these; each sentence has candidates of its own,
so that what stands beside it changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seq2seq.tokenizer import EOS, PAD

SHORTLIST = "shortlist.safetensors"
NONE = -1                  # stands behind the last translation of a piece
SHORTLIST_LIMIT = 1 << 28  # bytes; one of 32,000 pieces with 64 translations each has eight million


class Shortlist(NamedTuple):
    frequent: Tensor      # (F,)    target pieces
    translations: Tensor  # (V, k)  of every source piece the most probable target pieces, those first

    def written(self) -> bytes:
        """As `read` takes it."""
        from safetensors.torch import save

        return save({name: part.to(torch.int32).contiguous() for name, part in self._asdict().items()})

    @classmethod
    def read(cls, content: bytes, source_vocabulary: int, target_vocabulary: int) -> Shortlist:
        """Raises ValueError for what is none of these vocabularies."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            found = load(content)
        except (SafetensorError, KeyError, RuntimeError):
            raise ValueError("not a safetensors file") from None
        if found.keys() != set(cls._fields) or any(part.dtype is not torch.int32 for part in found.values()):
            raise ValueError("other tensors than those of a shortlist")
        if found["frequent"].dim() != 1 or found["translations"].dim() != 2 or (
                len(found["translations"]) != source_vocabulary):
            raise ValueError("tensors of other shapes")
        for part, least in ((found["frequent"], 0), (found["translations"], NONE)):
            if part.numel() and not (least <= int(part.min()) and int(part.max()) < target_vocabulary):
                raise ValueError("pieces that do not exist")
        return cls(**{name: part.long() for name, part in found.items()})

    def to(self, device: torch.device | str) -> Shortlist:
        return Shortlist(*(part.to(device) for part in self))

    def candidates(self, source: Tensor, best: int, target_vocabulary: int) -> Tensor:
        """Source ids (B, S), PAD behind -> (B, L) target pieces in order, each once, the special ones first.

        PAD stands behind the last. `best`: so many translations of each source piece.
        """
        B = len(source)
        found = self.translations[source][:, :, :best]                     # (B, S, best)
        found = found.masked_fill((source == PAD)[:, :, None], NONE).flatten(1)
        wanted = torch.zeros(B, target_vocabulary + 1, dtype=torch.bool, device=source.device)
        wanted.scatter_(1, found.masked_fill(found == NONE, target_vocabulary), True)
        wanted[:, self.frequent] = True
        wanted[:, : EOS + 1] = True
        wanted = wanted[:, :target_vocabulary]
        counts = wanted.sum(dim=1)
        row, piece = wanted.nonzero(as_tuple=True)
        place = torch.arange(len(row), device=source.device) - (counts.cumsum(0) - counts)[row]
        table = torch.full((B, int(counts.max())), PAD, device=source.device)
        table[row, place] = piece
        return table


def shortlist_of(frequent: np.ndarray, translations: np.ndarray) -> Shortlist:
    return Shortlist(torch.from_numpy(frequent), torch.from_numpy(translations))
