"""The one place that wires: settings, model, journal, studio, pages, server. It may import everything."""
