"""Evaluate, benchmark and scan; all of it reads, none of it edits a codebook in use."""
