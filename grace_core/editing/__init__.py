"""Prompt and target to an edit: training a value, choosing a radius, fitting the encoder."""
