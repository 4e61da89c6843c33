"""Where raw sentence pairs come from, one file per kind of source."""
