"""Grace Studio: the web application around `grace_core`."""

__version__ = "0.1.0"
