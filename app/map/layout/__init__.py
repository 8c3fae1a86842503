"""Where points stand on the map: stable 2-D coordinates. Only this part of the map works in the background and keeps a file."""
