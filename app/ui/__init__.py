"""The browser pages. Only these and `app.server` know Gradio; nothing here knows a tensor, a model or a table of the journal."""
