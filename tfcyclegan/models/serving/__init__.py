"""The graph of a SavedModel: written, checked and loaded."""
