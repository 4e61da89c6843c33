# From the raw text of Multi30k to the models of docs/trials.md, "From both ends", on a CPU: recipe=medium with a second
# decoder from right to left, minimum risk, text of the models' own making, what goes on with it; a large one and one in
# other pieces; the scores of each, and of the two ensembles that docs/results.md names among the goals.
#
#     make -f examples/multi30k_ends.mk RAW=DIR -j2       # two at once: no more than there are cores
#
# DIR holds train, val and test_2016_flickr, .de and .en; SETTINGS are of train.py, for all runs. The same command goes
# on where it was stopped.

ifndef RAW
$(error RAW is missing. Give the folder that holds train, val and test_2016_flickr, .de and .en: RAW=DIR)
endif

PYTHON ?= .venv/bin/python
SETTINGS ?= training.threads=1
RUNS := runs/ends

comma := ,
space := $(subst ,, )
list = [$(subst $(space),$(comma),$(strip $(1)))]
SEARCHED = -beam_size-10-length_penalty-2
score = $(RUNS)/$(1)/evaluation/test-reranked$(SEARCHED).json
scores = $(foreach model,$(1),$(call score,$(model)))
together = $(RUNS)/$(firstword $(1))/evaluation/test-ensemble-reranked$(SEARCHED)$(2).json

# An ensemble, and a model in other pieces that searches and ranks beside it.
GERMAN := en_de_large_risk-1 en_de_risk-2 en_de_more_risk-1
BESIDE := en_de_bpe_risk-1
ENGLISH := de_en_risk-1 de_en_more-1
REVERSED := -reverse_weight-0.7

.DELETE_ON_ERROR:
.PHONY: all
all: $(call scores,$(GERMAN) $(BESIDE) $(ENGLISH)) $(call together,$(GERMAN),$(REVERSED)) $(call together,$(ENGLISH))
	@printf '%s\n' $^

# What is scored. The test split last: its file says that all is done.
SEARCH = threads=1 search.beam_size=10 search.length_penalty=2 rescore_own=true rescore_search=true
evaluate = $(foreach split,valid test,$(PYTHON) evaluate.py $(1) split=$(split) papers=true $(SEARCH) && ) true

# NAME, SEED, corpus, NAME that it goes on from or nothing, settings. What is there is made no second time: | .
define model
$(call score,$(1)-$(2)): | data/$(3)/manifest.json $(if $(4),$(call score,$(4)-$(2)))
	$(PYTHON) train.py $(5) $(SETTINGS) seed=$(2) corpus=data/$(3) run=$(RUNS)/$(1)-$(2) $(if $(4),fork=$(RUNS)/$(4)-$(2))
	$(call evaluate,run=$(RUNS)/$(1)-$(2))
endef

# source, target: the corpora, of the genuine text and of further text in the same pieces.
define corpora
data/ends_$(1)_$(2)/manifest.json:
	$(call prepare,$(1),$(2)) data.train=$(RAW)/train corpus=$$(@D) \
	    tokenizer.vocabulary=10000
data/ends_$(1)_$(2)_more/manifest.json: | data/ends_$(1)_$(2)/manifest.json data/made_ends/all.de data/made_ends/all.en
	$(call prepare,$(1),$(2)) data.train=data/made_ends/all corpus=$$(@D) \
	    tokenizer.corpus=data/ends_$(1)_$(2)
endef
prepare = $(PYTHON) -m data_prep data=files data.valid=$(RAW)/val data.test=$(RAW)/test_2016_flickr data.source=$(1) data.target=$(2)

# Models that are scored together, one that ranks beside them or nothing, one of the opposite direction or nothing.
define ensemble
$(call together,$(1),$(if $(3),$(REVERSED))): | $(call scores,$(1) $(2) $(3))
	$(call evaluate,run=$(RUNS)/$(firstword $(1)) \
	    ensemble=$(call list,$(addprefix $(RUNS)/,$(wordlist 2,99,$(1)))) \
	    $(if $(2),rescore=$(RUNS)/$(2)) $(if $(3),reverse=$(RUNS)/$(3) reverse_weight=0.7))
endef

ends = experiment=multi30k_$(1)_medium_ends
risk = experiment=multi30k_$(1)_ends_risk
LARGE = cell=lstm model.embedding=512 model.hidden=1024 training.max_updates=1390 training.validate_every=30
MORE = training.max_epochs=null training.validate_every=300 training.max_updates=

$(eval $(call corpora,en,de))
$(eval $(call corpora,de,en))
data/ends_en_de_bpe/manifest.json:
	$(call prepare,en,de) data.train=$(RAW)/train corpus=$(@D) tokenizer.kind=bpe tokenizer.vocabulary=10000

$(foreach seed,1 2,$(eval $(call model,en_de,$(seed),ends_en_de,,$(call ends,en_de))))
$(foreach seed,1 2,$(eval $(call model,en_de_risk,$(seed),ends_en_de,en_de,$(call risk,en_de))))
$(eval $(call model,en_de_more,1,ends_en_de_more,en_de,$(call ends,en_de) $(MORE)4500))
$(eval $(call model,en_de_more_risk,1,ends_en_de,en_de_more,$(call risk,en_de) training.max_updates=4604))
$(eval $(call model,en_de_large,1,ends_en_de,,experiment=multi30k_en_de_large_ends))
$(eval $(call model,en_de_large_risk,1,ends_en_de,en_de_large,$(call risk,en_de) $(LARGE)))
$(eval $(call model,en_de_bpe,1,ends_en_de_bpe,,experiment=multi30k_en_de_bpe_ends))
$(eval $(call model,en_de_bpe_risk,1,ends_en_de_bpe,en_de_bpe,$(call risk,en_de) cell=lstm training.max_updates=2712))
$(eval $(call model,de_en,1,ends_de_en,,$(call ends,de_en)))
$(eval $(call model,de_en_risk,1,ends_de_en,de_en,$(call risk,de_en)))
$(eval $(call model,de_en_more,1,ends_de_en_more,de_en,$(call ends,de_en) $(MORE)3900))

$(eval $(call ensemble,$(GERMAN),$(BESIDE),$(firstword $(ENGLISH))))
$(eval $(call ensemble,$(ENGLISH)))

# Genuine text, with English that was made of the German, with German that was made of the English.
data/made_ends/train.de: | $(call score,en_de_risk-1)
	mkdir -p $(@D)
	$(PYTHON) translate.py run=$(RUNS)/en_de_risk-1 input=$(RAW)/train.en output=$@ threads=1 \
	    search.length_penalty=2 rescore_own=true
data/made_ends/train.en: | $(call score,de_en_risk-1)
	mkdir -p $(@D)
	$(PYTHON) translate.py run=$(RUNS)/de_en_risk-1 input=$(RAW)/train.de output=$@ threads=1
data/made_ends/all.de: | data/made_ends/train.de
	cat $(RAW)/train.de data/made_ends/train.de $(RAW)/train.de > $@
data/made_ends/all.en: | data/made_ends/train.en
	cat $(RAW)/train.en $(RAW)/train.en data/made_ends/train.en > $@
