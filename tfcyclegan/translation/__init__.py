"""Studies in, synthetic studies out: reading is ingestion's, the form is the input's."""
