"""The Lab page and its four tabs."""
