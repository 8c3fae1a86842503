"""Prompt to answer with a codebook in place, and why that answer."""
