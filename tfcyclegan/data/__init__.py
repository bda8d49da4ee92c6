"""The record contract, and what reads it: windows, slices, pairs, batches, where the head is."""
