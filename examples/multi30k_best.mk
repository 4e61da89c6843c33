# From the raw text of Multi30k to the best rows of docs/trials.md ("The large recipe"): both directions and the fixed
# context, three models of each, text of their own making, minimum risk; the scores of each model and of the three. And
# the same models written from right to left, which search and rank beside them ("Search").
#
#     make -f examples/multi30k_best.mk RAW=DIR                                     # one run after the other
#     make -f examples/multi30k_best.mk RAW=DIR SETTINGS=training.graphs=true -j9   # on one CUDA device, nine at once
#     make -f examples/multi30k_best.mk RAW=DIR de_en                               # what it takes for that direction
#
# DIR holds train, val and test_2016_flickr, .de and .en; SETTINGS are of train.py, for all runs. The same command goes
# on where it was stopped.

ifndef RAW
$(error RAW is missing. Give the folder that holds train, val and test_2016_flickr, .de and .en: RAW=DIR)
endif

PYTHON ?= .venv/bin/python
SEEDS := 1 2 3
RUNS := runs/best

comma := ,
space := $(subst ,, )
each = $(foreach seed,$(SEEDS),$(RUNS)/$(1)-$(seed))
list = [$(subst $(space),$(comma),$(strip $(1)))]
scores = $(addsuffix /evaluation/test.json,$(call each,$(1)))
together = run=$(RUNS)/$(1)-1 ensemble=$(call list,$(wordlist 2,9,$(call each,$(1))))
files = data=files data.valid=$(RAW)/val data.test=$(RAW)/test_2016_flickr

.DELETE_ON_ERROR:
.PHONY: all de_en en_de
all:
	@printf '%s\n' $^

# What is scored. The test split last: its file says that all is done.
evaluate = $(foreach split,valid test,$(PYTHON) evaluate.py $(1) split=$(split) papers=true && ) true

# NAME, SEED, corpus, NAME that it goes on from or nothing, settings. What is there is made no second time: | .
define model
$(RUNS)/$(1)-$(2)/evaluation/test.json: | data/$(3)/manifest.json $(if $(4),$(RUNS)/$(4)-$(2)/evaluation/test.json)
	$(PYTHON) train.py $(5) corpus=data/$(3) run=$(RUNS)/$(1)-$(2) seed=$(2) $(if $(4),fork=$(RUNS)/$(4)-$(2))
	$(call evaluate,run=$(RUNS)/$(1)-$(2))
endef

# NAME and the rest as above: the model of each seed, and all of them together.
define models
$(foreach seed,$(SEEDS),$(eval $(call model,$(1),$(seed),$(2),$(3),$(4))))
$(RUNS)/$(1)-1/evaluation/test-ensemble.json: | $(call scores,$(1))
	$(call evaluate,$(call together,$(1)))
all: $(RUNS)/$(1)-1/evaluation/test-ensemble.json
endef

# NAME, corpus, settings: three stages of training.
define stages
$(eval $(call models,$(1),$(2),,$(RECIPE) $(3) training.max_epochs=12))
$(eval $(call models,$(1)_more,$(2)_more,$(1),$(RECIPE) $(3) $(MORE)))
$(eval $(call models,$(1)_risk,$(2),$(1)_more,$(RECIPE) $(3) $(RISK)))
endef

# source, target: the corpora, what the models make of the training text, the stages, and all of them together.
define direction
data/best_$(1)_$(2)/manifest.json:
	$(PYTHON) -m data_prep $(files) data.source=$(1) data.target=$(2) data.train=$(RAW)/train corpus=$$(@D) \
	    tokenizer.vocabulary=10000
data/best_$(1)_$(2)_more/manifest.json: | data/best_$(1)_$(2)/manifest.json data/made/all.de data/made/all.en
	$(PYTHON) -m data_prep $(files) data.source=$(1) data.target=$(2) data.train=data/made/all corpus=$$(@D) \
	    tokenizer.corpus=data/best_$(1)_$(2)
data/made/train.$(2): | $(call scores,$(1)_$(2))
	mkdir -p data/made
	$(PYTHON) translate.py run=$(call list,$(call each,$(1)_$(2))) input=$(RAW)/train.$(1) output=$$@ \
	    search.batch_pieces=20000
$(call stages,$(1)_$(2),best_$(1)_$(2))
$(call stages,$(1)_$(2)_left,best_$(1)_$(2),model.reverse_target=true)
$(RUNS)/$(1)_$(2)_risk-1/evaluation/test-ensemble-reranked$(RERANKED).json: | \
    $(foreach name,$(1)_$(2)_risk $(1)_$(2)_left_risk $(2)_$(1)_risk,$(call scores,$(name)))
	$(call evaluate,$(call together,$(1)_$(2)_risk) $(RANKED) rescore=$(call list,$(call each,$(1)_$(2)_left_risk)) \
	    reverse=$(call list,$(call each,$(2)_$(1)_risk)))
all $(1)_$(2): $(RUNS)/$(1)_$(2)_risk-1/evaluation/test-ensemble-reranked$(RERANKED).json
endef

RECIPE = recipe=large $(SETTINGS)
FIXED = experiment=multi30k_de_en_fixed $(SETTINGS)
RANKED = search.beam_size=10 rescore_search=true rescore_weight=2 reverse_weight=0.6
RERANKED = -beam_size-10-reverse_weight-0.6-rescore_weight-2
MORE = training.max_epochs=null training.max_updates=2700
RISK = training.max_epochs=null training.max_updates=2755 training.validate_every=50 training.ema_decay=0.98 \
    optimizer.schedule=constant optimizer.learning_rate=0.0003 training.risk=0.5 training.risk_draws=4 \
    training.consistency=0 training.graphs=false

$(eval $(call direction,de,en))
$(eval $(call direction,en,de))
$(eval $(call models,de_en_fixed,best_de_en,,$(FIXED) training.max_epochs=12))
$(eval $(call models,de_en_fixed_more,best_de_en_more,de_en_fixed,$(FIXED) $(MORE)))

data/made/all.de: | data/made/train.de  # genuine, made English, made German
	cat $(RAW)/train.de $(RAW)/train.de data/made/train.de > $@
data/made/all.en: | data/made/train.en
	cat $(RAW)/train.en data/made/train.en $(RAW)/train.en > $@
