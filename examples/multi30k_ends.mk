# From the raw text of Multi30k to the models of docs/results.md, "From both ends", on a CPU: recipe=medium with a second
# decoder from right to left, minimum risk, text of the models' own making, what goes on with it; the scores of each, and
# of all that write German together, ranked by the one that writes English.
#
#     make -f examples/multi30k_ends.mk RAW=DIR -j2       # two at once: no more than there are cores
#     make -f examples/multi30k_ends.mk RAW=DIR SEEDS=1   # fewer models that write German, or more; one writes English
#
# DIR holds train, val and test_2016_flickr, .de and .en; SETTINGS are of train.py, for all runs. The same command goes
# on where it was stopped.

ifndef RAW
$(error RAW is missing. Give the folder that holds train, val and test_2016_flickr, .de and .en: RAW=DIR)
endif

PYTHON ?= .venv/bin/python
SETTINGS ?= training.threads=1
SEEDS ?= 1 2
RUNS := runs/ends

comma := ,
space := $(subst ,, )
list = [$(subst $(space),$(comma),$(strip $(1)))]
each = $(foreach seed,$(SEEDS),$(RUNS)/$(1)-$(seed))
score = $(RUNS)/$(1)/evaluation/test-reranked.json
GERMAN = $(call each,en_de_risk) $(call each,en_de_more)
TOGETHER = $(firstword $(GERMAN))/evaluation/test-ensemble-reranked.json

.DELETE_ON_ERROR:
.PHONY: all
all: $(GERMAN:=/evaluation/test-reranked.json) $(call score,de_en_risk-1) $(TOGETHER)
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

# source, target, seeds: the corpus; a model of each seed, and minimum risk on top of it.
define direction
data/ends_$(1)_$(2)/manifest.json:
	$(PYTHON) -m data_prep $(files) data.source=$(1) data.target=$(2) data.train=$(RAW)/train corpus=$$(@D) \
	    tokenizer.vocabulary=10000
$(foreach seed,$(3),$(eval $(call model,$(1)_$(2),$(seed),ends_$(1)_$(2),,experiment=multi30k_$(1)_$(2)_medium_ends)))
$(foreach seed,$(3),$(eval $(call model,$(1)_$(2)_risk,$(seed),ends_$(1)_$(2),$(1)_$(2),experiment=multi30k_$(1)_$(2)_ends_risk)))
endef

files = data=files data.valid=$(RAW)/val data.test=$(RAW)/test_2016_flickr
MORE = experiment=multi30k_en_de_medium_ends training.max_epochs=null training.max_updates=4500 training.validate_every=300

$(eval $(call direction,en,de,$(SEEDS)))
$(eval $(call direction,de,en,1))
$(foreach seed,$(SEEDS),$(eval $(call model,en_de_more,$(seed),ends_more,en_de,$(MORE))))
$(TOGETHER): | $(GERMAN:=/evaluation/test-reranked.json) $(call score,de_en_risk-1)
	$(call evaluate,run=$(firstword $(GERMAN)) ensemble=$(call list,$(wordlist 2,99,$(GERMAN))) \
	    reverse=$(RUNS)/de_en_risk-1 reverse_weight=0.7)

# Genuine text, with English that was made of the German, with German that was made of the English.
data/made_ends/train.de: | $(call score,en_de_risk-$(firstword $(SEEDS)))
	mkdir -p $(@D)
	$(PYTHON) translate.py run=$(RUNS)/en_de_risk-$(firstword $(SEEDS)) input=$(RAW)/train.en output=$@ threads=1 \
	    search.length_penalty=2 rescore_own=true
data/made_ends/train.en: | $(call score,de_en_risk-1)
	mkdir -p $(@D)
	$(PYTHON) translate.py run=$(RUNS)/de_en_risk-1 input=$(RAW)/train.de output=$@ threads=1
data/made_ends/all.de: | data/made_ends/train.de
	cat $(RAW)/train.de data/made_ends/train.de $(RAW)/train.de > $@
data/made_ends/all.en: | data/made_ends/train.en
	cat $(RAW)/train.en $(RAW)/train.en data/made_ends/train.en > $@
data/ends_more/manifest.json: | data/ends_en_de/manifest.json data/made_ends/all.de data/made_ends/all.en
	$(PYTHON) -m data_prep $(files) data.source=en data.target=de data.train=data/made_ends/all corpus=$(@D) \
	    tokenizer.corpus=data/ends_en_de
