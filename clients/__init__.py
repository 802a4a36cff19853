"""One module a venue behind one interface; knows nothing of `ilp`."""
