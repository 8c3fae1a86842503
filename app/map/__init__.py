"""What the Map shows: pure data and figures. Knows no widget, no model and not the Lab."""
