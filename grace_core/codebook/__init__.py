"""Codebook, geometry, search, encoder and file: numpy only, no torch, no model."""
