"""What synthetic slices are worth to a segmenter."""
