"""Families of models, one file each: what one is as data, and how its models are run (`models.family` is what each offers)."""
