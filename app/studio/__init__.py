"""What a person can do with one codebook: services side by side over the journal and `grace_core`. Knows no page."""
