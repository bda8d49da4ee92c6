"""Recipes against each other, on patients that are held out."""
