"""Where points stand on the map: stable 2-D coordinates, the only part of the map with threads and a file."""
