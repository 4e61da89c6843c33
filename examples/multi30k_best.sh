#!/bin/sh
# From the raw text of Multi30k to the best rows of docs/results.md ("The large recipe"), in both directions: three models,
# text of their own making, minimum risk; the scores of each model and of the three together.
#
#     sh examples/multi30k_best.sh RAW [settings of train.py for all runs]
#     sh examples/multi30k_best.sh RAW training.graphs=true     # on one CUDA device
#
# RAW holds train, val and test_2016_flickr, .de and .en. The same command goes on where it was stopped.
set -eu
raw=$1
shift
python=${PYTHON:-.venv/bin/python}
mkdir -p data/made

runs() {  # KIND: the three of them, as a list of Hydra's
    echo "[runs/best/$1-1,runs/best/$1-2,runs/best/$1-3]"
}

prepare() {  # SOURCE TARGET TRAIN FOLDER [setting]
    source=$1 target=$2 train=$3 folder=$4
    shift 4
    test -e "$folder/manifest.json" || "$python" -m data_prep data=files data.source="$source" data.target="$target" \
        data.train="$train" data.valid="$raw/val" data.test="$raw/test_2016_flickr" corpus="$folder" "$@"
}

translate() {  # KIND INPUT OUTPUT
    test -s "$3" || "$python" translate.py run="$(runs "$1")" input="$2" output="$3" search.batch_pieces=20000
}

evaluate() {  # KIND
    for seed in 1 2 3; do
        "$python" evaluate.py run="runs/best/$1-$seed" split=test papers=true
    done
    "$python" evaluate.py run="runs/best/$1-1" ensemble="[runs/best/$1-2,runs/best/$1-3]" split=test papers=true
}

for pair in de_en en_de; do
    prepare "${pair%_*}" "${pair#*_}" "$raw/train" "data/best_$pair" tokenizer.vocabulary=10000
    for seed in 1 2 3; do
        "$python" train.py recipe=large corpus="data/best_$pair" run="runs/best/$pair-$seed" seed="$seed" \
            training.max_epochs=12 "$@"
    done
    evaluate "$pair"
done

translate de_en "$raw/train.de" data/made/train.en
translate en_de "$raw/train.en" data/made/train.de
cat "$raw/train.de" "$raw/train.de" data/made/train.de > data/made/all.de  # genuine, made English, made German
cat "$raw/train.en" data/made/train.en "$raw/train.en" > data/made/all.en

for pair in de_en en_de; do
    prepare "${pair%_*}" "${pair#*_}" data/made/all "data/best_${pair}_more" tokenizer.corpus="data/best_$pair"
    for seed in 1 2 3; do
        "$python" train.py recipe=large corpus="data/best_${pair}_more" run="runs/best/${pair}_more-$seed" seed="$seed" \
            fork="runs/best/$pair-$seed" training.max_epochs=null training.max_updates=2700 "$@"
        "$python" train.py recipe=large corpus="data/best_$pair" run="runs/best/${pair}_risk-$seed" seed="$seed" \
            fork="runs/best/${pair}_more-$seed" training.max_epochs=null training.max_updates=2755 training.validate_every=50 \
            training.ema_decay=0.98 optimizer.schedule=constant optimizer.learning_rate=0.0003 "$@" \
            training.risk=0.5 training.risk_draws=4 training.consistency=0 training.graphs=false
    done
    evaluate "${pair}_more"
    evaluate "${pair}_risk"
done
