"""Settings: keyword-only dataclasses that check their own ranges. No torch in here.

A file per command part; `reading.py` turns the mapping that Hydra composed, or that a
run folder holds, into these dataclasses and refuses whatever does not fit.
"""
