"""Of what the benchmarks compute: figures that are published have to be right."""
