"""Other toolkits on the same pieces: installs each into an environment of its own, trains it, translates with it.

    python benchmarks/peers/peers.py install                          # all three, some GB under peers/
    python benchmarks/peers/peers.py data corpus=data/m30k            # our pieces, as text
    python benchmarks/peers/peers.py train                            # all rows; or: train opennmt-general
    python benchmarks/peers/peers.py translate beam=5 batch=80        # with the models just trained
    python benchmarks/peers/peers.py alone beam=5                     # JoeyNMT: sentence by sentence, and a cold start

`folder=` (default: peers) holds everything. Nothing else may run meanwhile. One JSON line for each row goes to standard
output: target pieces a second (padding not counted; the toolkit's own figure, all log lines but the first, their
median), and the peak of resident memory. Sizes are those of the reference model of benchmarks/floor.py, batches
of 80 sentences. What each of them needs today to be installed stands beside it.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

TORCH = "torch==2.13.0"
SPLITS = ("train", "valid", "test")
# fairseq and hydra 1.0 use dataclass defaults that Python 3.11 refuses: the rule of 3.10, for their environment only.
OLD_DATACLASSES = '''import dataclasses, inspect
source = inspect.getsource(dataclasses._get_field)
exec(source.replace("f.default.__class__.__hash__ is None", "isinstance(f.default, (list, dict, set))"),
     dataclasses.__dict__)
'''
# JoeyNMT passes ReduceLROnPlateau an argument that torch no longer takes.
PLATEAU = '''import runpy, sys
from torch.optim import lr_scheduler
class Plateau(lr_scheduler.ReduceLROnPlateau):
    def __init__(self, *arguments, verbose=False, **named): super().__init__(*arguments, **named)
lr_scheduler.ReduceLROnPlateau = Plateau
'''
JOEYNMT = PLATEAU + '''sys.argv = ["joeynmt", *sys.argv[1:]]
runpy.run_module("joeynmt", run_name="__main__", alter_sys=True)
'''
# Its interactive mode without the terminal: config, file of sentences, how many of them.
JOEYNMT_ALONE = PLATEAU + '''import json, time
from pathlib import Path
from joeynmt.config import load_config, parse_global_args
from joeynmt.prediction import predict, prepare
arguments = parse_global_args(load_config(Path(sys.argv[1])), rank=0, mode="translate")
model, _, _, data = prepare(arguments, rank=0, mode="translate")
alone = arguments.test._replace(batch_size=1, batch_type="sentence")
taken, pieces = [], []
for line in Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()[:int(sys.argv[3])]:
    start = time.perf_counter()
    data.set_item(line)
    found = predict(model=model, data=data, compute_loss=False, device=arguments.device, rank=0,
                    n_gpu=arguments.n_gpu, normalization="none", num_workers=arguments.num_workers, args=alone,
                    autocast=arguments.autocast)
    taken.append(1000 * (time.perf_counter() - start))
    pieces.append(len(found[2][0].split()) + 1)
    data.reset_cache()
print("ALONE", json.dumps([taken, pieces]))
'''
SINGLE = 100  # sentences translated one by one


def main() -> None:
    words = sys.argv[1:]
    options = {"folder": "peers", "corpus": "data/m30k", "beam": "5", "batch": "80", "updates": "363", "threads": "2"}
    options |= {name: value for name, found, value in (word.partition("=") for word in words) if found}
    named = [word for word in words if "=" not in word]
    actions = {"install": install, "data": data, "train": train, "translate": translate, "alone": alone}
    if not named or named[0] not in actions:
        sys.exit(__doc__)
    folder = Path(options["folder"]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    actions[named[0]](folder, named[1:], options)


# Environments

def install(folder: Path, named: list[str], options: dict[str, str]) -> None:
    for name in named or ("opennmt", "joeynmt", "fairseq"):
        environment = folder / name
        call(sys.executable, "-m", "venv", str(environment))
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        call(*pip, "--upgrade", "pip<24.1" if name == "fairseq" else "pip", "wheel", "setuptools<70")
        call(*pip, TORCH)
        match name:
            case "opennmt":  # asks for torch below 2.3, and imports spacy and fasttext without using them here
                call(*pip, "--no-deps", "OpenNMT-py==3.5.1")
                call(*pip, "numpy<2", "sentencepiece", "sacrebleu==2.6.0", "configargparse", "pyyaml", "tensorboard",
                     "flask", "waitress", "pyonmttok", "ctranslate2", "rapidfuzz", "pyahocorasick", "six", "tqdm",
                     "spacy", "fasttext-wheel")
            case "joeynmt":  # uses a package that it does not declare, and a function that sentencepiece has dropped
                call(*pip, "joeynmt==2.3.0", "importlib_metadata", "sentencepiece==0.2.0")
                (folder / "joey.py").write_text(JOEYNMT)
            case "fairseq":
                call(*pip, "cython<3", "numpy<1.24", "ninja", "omegaconf==2.0.6", "hydra-core==1.0.7",
                     "antlr4-python3-runtime==4.8", "cffi", "regex", "sacrebleu==2.6.0", "bitarray", "tqdm", "pyyaml")
                packages = next((environment / "lib").glob("python3*")) / "site-packages"
                (packages / "old_dataclasses.py").write_text(OLD_DATACLASSES)
                (packages / "old_dataclasses.pth").write_text("import old_dataclasses\n")
                # The source distribution lacks sources of extensions that an LSTM does not use: setup.py builds them
                # only where it finds torch.
                hidden = folder / "without_torch" / "torch"
                hidden.mkdir(parents=True, exist_ok=True)
                (hidden / "__init__.py").write_text("raise ImportError\n")
                call(*pip, "--no-build-isolation", "--no-deps", "fairseq==0.12.2",
                     environment={"PYTHONPATH": str(hidden.parent)})


def call(*command: str, environment: dict[str, str] | None = None) -> None:
    print(" ".join(command), file=sys.stderr)
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, **(environment or {})})


# Data

def data(folder: Path, named: list[str], options: dict[str, str]) -> None:
    """Pieces of each split as text, and the vocabulary as each toolkit wants it."""
    from seq2seq.corpus.packed import PackedCorpus

    corpus, texts = PackedCorpus.open(options["corpus"]), folder / "data"
    texts.mkdir(exist_ok=True)
    source, target = corpus.tokenizers()
    if source.hash != target.hash:
        sys.exit(f"{options['corpus']} has two vocabularies: the comparison needs a joint one")
    for split in SPLITS:
        sides = corpus.split(split).ids(range(len(corpus.split(split))))
        for side, suffix in zip(sides, ("source", "target"), strict=True):
            lines = [" ".join(target.pieces(ids.tolist())) for ids in side]
            (texts / f"{split}.{suffix}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    pieces = target.pieces(range(4, len(target)))  # without those for padding, unknown, begin and end
    (texts / "opennmt.vocabulary").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    special = ["<unk>", "<pad>", "<s>", "</s>"]
    (texts / "joeynmt.vocabulary").write_text("".join(f"{piece}\n" for piece in [*special, *pieces]), encoding="utf-8")
    (texts / "fairseq.vocabulary").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    if (folder / "fairseq").exists():
        call(str(folder / "fairseq/bin/fairseq-preprocess"), "-s", "source", "-t", "target",
             "--trainpref", str(texts / "train"), "--validpref", str(texts / "valid"),
             "--testpref", str(texts / "test"),
             "--srcdict", str(texts / "fairseq.vocabulary"), "--joined-dictionary",
             "--destdir", str(texts / "fairseq"), "--workers", "1")


# Training

ROWS = {
    "opennmt-general-no-feed": "OpenNMT-py 3.5.1, general",
    "opennmt-general": "OpenNMT-py 3.5.1, general, input feeding",
    "opennmt-additive": "OpenNMT-py 3.5.1, additive, input feeding",
    "joeynmt-additive": "JoeyNMT 2.3.0, additive, input feeding",
    "fairseq-lstm": "fairseq 0.12.2, LSTM, dot after projection, input feeding",
}


def train(folder: Path, named: list[str], options: dict[str, str]) -> None:
    for row in named or ROWS:
        training = {"opennmt": train_opennmt, "joeynmt": train_joeynmt, "fairseq": train_fairseq}[row.partition("-")[0]]
        command, figure = training(folder, row, int(options["updates"]))
        output, record = measured(command, options)
        (folder / f"{row}.log").write_text(output, encoding="utf-8")
        speeds = [float(found.replace(",", "")) for found in re.findall(figure, output)][1:]
        show({"row": row, "title": ROWS[row], "pieces_per_second": round(statistics.median(speeds)), **record})


def train_opennmt(folder: Path, row: str, updates: int) -> tuple[list[str], str]:
    texts = folder / "data"
    settings = {
        "data": {split: {"path_src": str(texts / f"{name}.source"), "path_tgt": str(texts / f"{name}.target"),
                         "transforms": []} for split, name in (("corpus_1", "train"), ("valid", "valid"))},
        "src_vocab": str(texts / "opennmt.vocabulary"), "tgt_vocab": str(texts / "opennmt.vocabulary"),
        "share_vocab": True, "src_vocab_size": 10**5, "tgt_vocab_size": 10**5, "vocab_size_multiple": 1, "n_sample": 0,
        "overwrite": True, "model_type": "text", "encoder_type": "brnn", "decoder_type": "rnn", "rnn_type": "GRU",
        "enc_layers": 1, "dec_layers": 1, "hidden_size": 512, "word_vec_size": 256, "dropout": [0.3],
        "attention_dropout": [0.3], "global_attention": "mlp" if "additive" in row else "general",
        "input_feed": 0 if "no-feed" in row else 1, "optim": "adam", "learning_rate": 0.0007,
        "start_decay_steps": 10**6, "max_grad_norm": 1.0, "label_smoothing": 0.1, "batch_type": "sents",
        "batch_size": 80, "normalization": "tokens", "train_steps": updates, "save_checkpoint_steps": updates,
        "valid_steps": 10**5, "report_every": 50, "keep_checkpoint": 1, "world_size": 1, "gpu_ranks": [],
        "bucket_size": 29000, "num_workers": 0, "seed": 1, "save_model": str(folder / row),
        "save_data": str(folder / "opennmt-data"),
    }
    # JSON is YAML too.
    (folder / f"{row}.yaml").write_text(json.dumps(settings, indent=1))
    return ([str(folder / "opennmt/bin/onmt_train"), "-config", str(folder / f"{row}.yaml")],
            r"[\d.,]+/\s*([\d.,]+) tok/s")


def train_joeynmt(folder: Path, row: str, updates: int) -> tuple[list[str], str]:
    texts = folder / "data"
    side = {"max_length": 100, "lowercase": False, "level": "word", "voc_file": str(texts / "joeynmt.vocabulary")}
    half = {"rnn_type": "gru", "embeddings": {"embedding_dim": 256, "scale": False, "dropout": 0.3}, "dropout": 0.3,
            "num_layers": 1}
    settings = {
        "name": row, "joeynmt_version": "2.3.0", "model_dir": str(folder / row), "use_cuda": False, "fp16": False,
        "random_seed": 1,
        "data": {"train": str(texts / "train"), "dev": str(texts / "valid"), "test": str(texts / "test"),
                 "dataset_type": "plain", "src": {"lang": "source", **side}, "trg": {"lang": "target", **side}},
        "testing": {"n_best": 1, "beam_size": 5, "beam_alpha": 1.0, "batch_size": 80, "batch_type": "sentence",
                    "max_output_length": 80, "eval_metrics": ["bleu"]},
        "training": {"optimizer": "adam", "learning_rate": 0.001, "clip_grad_norm": 1.0, "loss": "crossentropy",
                     "label_smoothing": 0.1, "batch_size": 80, "batch_type": "sentence", "normalization": "tokens",
                     "scheduling": "plateau", "epochs": 100, "updates": updates, "validation_freq": updates,
                     "logging_freq": 20, "early_stopping_metric": "bleu", "overwrite": True, "shuffle": True,
                     "print_valid_sents": [0], "keep_best_ckpts": 1},
        "model": {"initializer": "xavier_uniform", "embed_initializer": "normal", "embed_init_weight": 0.1,
                  "tied_embeddings": False, "tied_softmax": False,
                  "encoder": {"type": "recurrent", "hidden_size": 256, "bidirectional": True, **half},
                  "decoder": {"type": "recurrent", "hidden_size": 512, "hidden_dropout": 0.3, "input_feeding": True,
                              "init_hidden": "bridge", "attention": "bahdanau", **half}},
    }
    (folder / f"{row}.yaml").write_text(json.dumps(settings, indent=1))
    return ([str(folder / "joeynmt/bin/python"), str(folder / "joey.py"), "train", str(folder / f"{row}.yaml"),
             "--skip-test"], r"Tokens per Sec:\s*([\d.]+)")


def train_fairseq(folder: Path, row: str, updates: int) -> tuple[list[str], str]:
    return ([str(folder / "fairseq/bin/fairseq-train"), str(folder / "data/fairseq"), "--cpu", "--task", "translation",
             "-s", "source", "-t", "target", "--arch", "lstm", "--encoder-embed-dim", "256",
             "--encoder-hidden-size", "256", "--encoder-layers", "1", "--encoder-bidirectional",
             "--decoder-embed-dim", "256", "--decoder-hidden-size", "512", "--decoder-layers", "1",
             "--decoder-out-embed-dim", "512", "--decoder-attention", "1", "--dropout", "0.3",
             "--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1", "--optimizer", "adam",
             "--lr", "0.001", "--lr-scheduler", "fixed", "--clip-norm", "1.0", "--batch-size", "80",
             "--max-update", str(updates), "--log-format", "simple", "--log-interval", "50", "--num-workers", "0",
             "--disable-validation", "--no-epoch-checkpoints", "--save-dir", str(folder / row), "--seed", "1"],
            r"train_inner.*?wps=([\d.]+)")


# Translation of the test split

def translate(folder: Path, named: list[str], options: dict[str, str]) -> None:
    for row in named or ("opennmt-additive", "joeynmt-additive", "fairseq-lstm"):
        translating = {"opennmt": translate_opennmt, "joeynmt": translate_joeynmt, "fairseq": translate_fairseq}
        command, figure = translating[row.partition("-")[0]](folder, row, options)
        output, record = measured(command, options)
        seconds = float(re.findall(figure, output)[-1])
        lines = hypotheses(folder, row, output)
        pieces = sum(len(line.split()) + 1 for line in lines)
        show({"row": row, "title": ROWS[row], "beam": int(options["beam"]), "batch": int(options["batch"]),
              "sentences_per_second": round(len(lines) / seconds, 1), "pieces_per_second": round(pieces / seconds),
              **record})


def translate_opennmt(folder: Path, row: str, options: dict[str, str]) -> tuple[list[str], str]:
    model = max(folder.glob(f"{row}_step_*.pt"), key=lambda path: path.stat().st_mtime)
    return ([str(folder / "opennmt/bin/onmt_translate"), "-model", str(model), "-src", str(folder / "data/test.source"),
             "-output", str(folder / f"{row}.hypotheses"), "-beam_size", options["beam"], "-batch_size",
             options["batch"], "-batch_type", "sents", "-max_length", "80", "-report_time", "-gpu", "-1"],
            r"Total translation time \(s\): ([\d.]+)")


def translate_joeynmt(folder: Path, row: str, options: dict[str, str]) -> tuple[list[str], str]:
    settings = json.loads((folder / f"{row}.yaml").read_text())
    settings["testing"] |= {"beam_size": int(options["beam"]), "batch_size": int(options["batch"])}
    settings["data"]["dev"] = None
    (folder / f"{row}.test.yaml").write_text(json.dumps(settings))
    return ([str(folder / "joeynmt/bin/python"), str(folder / "joey.py"), "test", str(folder / f"{row}.test.yaml"),
             "-o", str(folder / f"{row}.hypotheses")], r"Generation took ([\d.]+)")


def alone(folder: Path, named: list[str], options: dict[str, str]) -> None:
    """Milliseconds of single sentences, the model loaded, and seconds of `translate` from start to end for one line."""
    for row in named or ("joeynmt-additive",):
        program, sentences = folder / "joey_alone.py", folder / "data/test.source"
        program.write_text(JOEYNMT_ALONE)
        settings = json.loads((folder / f"{row}.yaml").read_text())
        settings["testing"]["beam_size"] = int(options["beam"])
        config = folder / f"{row}.alone.yaml"
        config.write_text(json.dumps(settings))
        python = str(folder / "joeynmt/bin/python")
        output, _ = measured([python, str(program), str(config), str(sentences), str(SINGLE)], options)
        taken, pieces = json.loads(re.findall(r"ALONE (.*)", output)[-1])
        cuts = statistics.quantiles(taken, n=100)
        first = sentences.read_text(encoding="utf-8").splitlines()[0] + "\n"
        _, cold = measured([python, str(folder / "joey.py"), "translate", str(config)], options, first)
        show({"row": row, "title": ROWS[row], "beam": int(options["beam"]), "median_ms": round(cuts[49], 1),
              "percentile_99_ms": round(cuts[98], 1), "pieces_per_second": round(1000 * sum(pieces) / sum(taken)),
              "pieces_per_sentence": round(statistics.mean(pieces), 1), "cold_start_seconds": cold["seconds"]})


def translate_fairseq(folder: Path, row: str, options: dict[str, str]) -> tuple[list[str], str]:
    return ([str(folder / "fairseq/bin/fairseq-generate"), str(folder / "data/fairseq"), "--cpu", "--path",
             str(folder / row / "checkpoint_last.pt"), "--gen-subset", "test", "-s", "source", "-t", "target", "--beam",
             options["beam"], "--batch-size", options["batch"], "--max-len-a", "0", "--max-len-b", "80",
             "--log-format", "none"], r"Translated .* in ([\d.]+)s")


def hypotheses(folder: Path, row: str, output: str) -> list[str]:
    """The translations, in pieces."""
    if row.startswith("fairseq"):
        return [line.split("\t")[2] for line in output.splitlines() if line.startswith("H-")]
    name = f"{row}.hypotheses" + (".test" if row.startswith("joeynmt") else "")
    return (folder / name).read_text(encoding="utf-8").splitlines()


def measured(command: list[str], options: dict[str, str], text: str = "") -> tuple[str, dict]:
    """What the command printed, given `text`; its seconds, and the peak of its resident memory."""
    threads = {name: options["threads"] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    print(" ".join(command), file=sys.stderr)
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env={**os.environ, **threads, "PYTHONWARNINGS": "ignore",
                                                "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"})
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(text)
    process.stdin.close()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(output[-3000:])
    return output, {"seconds": round(time.monotonic() - start, 1), "peak_mib": round(usage.ru_maxrss / 1024)}


def show(record: dict) -> None:
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
