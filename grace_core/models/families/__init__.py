"""Kinds of model, one file each: what it can do as data, and how it is run. Knows no codebook."""
