"""The append-only record of everything that was said, marked, edited and withdrawn, and its fold into a state.

events/: what can happen; store.py: where it is kept; state/: what it adds up to. It imports nothing of the app but errors.
"""
