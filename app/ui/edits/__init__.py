"""The Edits page."""
