"""What the Lab shows: pure sentences and figures, and its last results in files. Knows no widget, no model and not the map."""
