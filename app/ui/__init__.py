"""The browser pages: Review, Map and Edits over one workbench. Nothing here knows a tensor or a table of the store."""
