"""A frozen model: loading, prompts, hooks, activations, precision. Knows no edit."""
