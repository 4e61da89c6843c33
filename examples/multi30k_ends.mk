# From the raw text of Multi30k to the models of docs/trials.md, "From both ends", on a CPU: recipe=medium with a second
# decoder from right to left, minimum risk, text of the models' own making, what goes on with it; the scores of each, of
# all that write German together, ranked by one that writes English, and of the two that write English.
#
#     make -f examples/multi30k_ends.mk RAW=DIR -j2       # two at once: no more than there are cores
#     make -f examples/multi30k_ends.mk RAW=DIR SEEDS=1   # fewer models that write German, or more
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
ENGLISH = $(RUNS)/de_en_risk-1 $(RUNS)/de_en_more-1
TOGETHER = $(foreach models,GERMAN ENGLISH,$(firstword $($(models)))/evaluation/test-ensemble-reranked.json)

.DELETE_ON_ERROR:
.PHONY: all
all: $(GERMAN:=/evaluation/test-reranked.json) $(ENGLISH:=/evaluation/test-reranked.json) $(TOGETHER)
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

# source, target, seeds, when further text ends: the corpora; a model of each seed, and on top of it minimum risk or
# further text. Then the runs that are scored together, and what ranks them.
define direction
data/ends_$(1)_$(2)/manifest.json:
	$(PYTHON) -m data_prep $(files) data.source=$(1) data.target=$(2) data.train=$(RAW)/train corpus=$$(@D) \
	    tokenizer.vocabulary=10000
data/ends_$(1)_$(2)_more/manifest.json: | data/ends_$(1)_$(2)/manifest.json data/made_ends/all.de data/made_ends/all.en
	$(PYTHON) -m data_prep $(files) data.source=$(1) data.target=$(2) data.train=data/made_ends/all corpus=$$(@D) \
	    tokenizer.corpus=data/ends_$(1)_$(2)
$(foreach seed,$(3),$(eval $(call model,$(1)_$(2),$(seed),ends_$(1)_$(2),,$(call ends,$(1)_$(2)))))
$(foreach seed,$(3),$(eval $(call model,$(1)_$(2)_risk,$(seed),ends_$(1)_$(2),$(1)_$(2),$(call risk,$(1)_$(2)))))
$(foreach seed,$(3),$(eval $(call model,$(1)_$(2)_more,$(seed),ends_$(1)_$(2)_more,$(1)_$(2),$(call ends,$(1)_$(2)) $(MORE)$(4))))
$(firstword $(5))/evaluation/test-ensemble-reranked.json: | $(patsubst %,%/evaluation/test-reranked.json,$(5) $(6))
	$(call evaluate,run=$(firstword $(5)) ensemble=$(call list,$(wordlist 2,99,$(5))) \
	    $(if $(6),reverse=$(6) reverse_weight=0.7))
endef

ends = experiment=multi30k_$(1)_medium_ends
risk = experiment=multi30k_$(1)_ends_risk
files = data=files data.valid=$(RAW)/val data.test=$(RAW)/test_2016_flickr
MORE = training.max_epochs=null training.validate_every=300 training.max_updates=

$(eval $(call direction,en,de,$(SEEDS),4500,$(GERMAN),$(firstword $(ENGLISH))))
$(eval $(call direction,de,en,1,3900,$(ENGLISH)))

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
