"""A bundle trained in bf16 translates in fp32, on a CPU and on a GPU: its weights are fp32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hostile_bundle import tokenizer
from safetensors.torch import load_file
from tiny_corpus import WORDS

from seq2seq.bundle.bundle import save_bundle
from seq2seq.corpus.batch import make_batch
from seq2seq.inference.translator import Translator
from seq2seq.models.build import build_model
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.search.decode import translate_ids
from seq2seq.settings.reading import read_settings
from seq2seq.settings.search import SearchSettings
from seq2seq.settings.training import TrainSettings

torch.set_num_threads(1)
LINES = [" ".join(WORDS[start : start + 4]) for start in range(8)]


def trained(folder: Path, device: str) -> tuple[Path, EncoderDecoder]:
    """A bundle after a few updates under bf16 autocast, and the model it was made of."""
    settings = read_settings(TrainSettings, {"model": {"embedding": 16, "hidden": 32}})
    pieces = tokenizer()
    torch.manual_seed(1)
    model = build_model(settings, len(pieces), len(pieces)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    ids = pieces.encode(LINES)
    batch = make_batch(ids, ids, range(len(ids))).to(device)
    for _ in range(20):
        with torch.autocast(device, torch.bfloat16):
            loss = model(batch).smoothed / batch.pieces
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save_bundle(folder / "bundle", model, (pieces, pieces), settings, {"languages": ["en", "de"]})
    return folder / "bundle", model.eval()


def check(bundle: Path, model: EncoderDecoder, there: str) -> None:
    """Loaded on `there`, the bundle gives the scores of the model it was made of."""
    assert {weight.dtype for weight in load_file(bundle / "weights.safetensors").values()} == {torch.float32}
    search = SearchSettings(max_length=10)
    translator = Translator([*Translator.load(bundle, device=there).bundles], search, device=there)
    found = translator.translate_lines(LINES)
    expected = translate_ids(model.cpu(), tokenizer().encode(LINES), search)
    for one, other in zip(found, expected, strict=True):
        assert one.candidates[0].score == pytest.approx(other[0].score, abs=1e-3)


def test_a_bundle_from_bf16_is_fp32_and_translates_the_same(tmp_path: Path) -> None:
    bundle, model = trained(tmp_path, "cpu")
    check(bundle, model, "cpu")
    loaded = Translator.load(bundle, device="cpu").bundles[0].model
    for one, other in zip(loaded.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("trained_on", "there"), [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_bundle_goes_between_gpu_and_cpu(tmp_path: Path, trained_on: str, there: str) -> None:
    bundle, model = trained(tmp_path, trained_on)
    check(bundle, model, there)
