"""What all figures share: palette, frame, words. Knows no domain."""
