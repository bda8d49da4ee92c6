"""Studies in, synthetic studies out: ingestion reads, and the output has the input's form."""
