"""What the Lab shows: pure data and figures. Knows no widget, no model and not the map."""
