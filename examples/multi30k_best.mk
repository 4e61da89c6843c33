# From the raw text of Multi30k to the best rows of docs/results.md ("The large recipe"): both directions and the fixed
# context, three models of each, text of their own making, minimum risk; the scores of each model and of the three.
#
#     make -f examples/multi30k_best.mk RAW=DIR                                     # one run after the other
#     make -f examples/multi30k_best.mk RAW=DIR SETTINGS=training.graphs=true -j9   # on one CUDA device, nine at once
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
files = data=files data.valid=$(RAW)/val data.test=$(RAW)/test_2016_flickr

.DELETE_ON_ERROR:
.PHONY: all
all:
	@printf '%s\n' $^

# NAME, SEED, corpus, NAME that it goes on from or nothing, settings. What is there is made no second time: | .
define model
$(RUNS)/$(1)-$(2)/evaluation/test.json: | data/$(3)/manifest.json $(if $(4),$(RUNS)/$(4)-$(2)/evaluation/test.json)
	$(PYTHON) train.py $(5) corpus=data/$(3) run=$(RUNS)/$(1)-$(2) seed=$(2) $(if $(4),fork=$(RUNS)/$(4)-$(2))
	$(PYTHON) evaluate.py run=$(RUNS)/$(1)-$(2) split=test papers=true
endef

# NAME and the rest as above: the model of each seed, and all of them together.
define models
$(foreach seed,$(SEEDS),$(eval $(call model,$(1),$(seed),$(2),$(3),$(4))))
$(RUNS)/$(1)-1/evaluation/test-ensemble.json: | $(call scores,$(1))
	$(PYTHON) evaluate.py run=$(RUNS)/$(1)-1 ensemble=$(call list,$(wordlist 2,9,$(call each,$(1)))) split=test papers=true
all: $(RUNS)/$(1)-1/evaluation/test-ensemble.json
endef

# source, target: the corpora, what the models make of the training text, and the three stages.
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
$(eval $(call models,$(1)_$(2),best_$(1)_$(2),,$(RECIPE) training.max_epochs=12))
$(eval $(call models,$(1)_$(2)_more,best_$(1)_$(2)_more,$(1)_$(2),$(RECIPE) $(MORE)))
$(eval $(call models,$(1)_$(2)_risk,best_$(1)_$(2),$(1)_$(2)_more,$(RECIPE) $(RISK)))
endef

RECIPE = recipe=large $(SETTINGS)
FIXED = experiment=multi30k_de_en_fixed $(SETTINGS)
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
