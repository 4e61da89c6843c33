"""The networks. An equation a file: cells, encoder, context, attention, readout, decoder, their union."""
