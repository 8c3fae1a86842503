"""What the journal adds up to: one module for each noun, and `JournalState`, which holds them all."""
