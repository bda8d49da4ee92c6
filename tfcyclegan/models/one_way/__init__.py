"""Adversarial translation whose directions share nothing: the train step of several models."""
