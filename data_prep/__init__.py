"""Raw parallel text in, a packed corpus out: `python -m data_prep`."""
